//! An HTTP/2 server of the `h2` crate: what it does with a stream, a closure says.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use h2::server::{self, SendResponse};
use h2::{RecvStream, SendStream};
use http::Response;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::*;

/// A running server, and what it has seen.
pub(super) struct Http2Server {
    pub(super) server: Server,
    pub(super) seen: Rc<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: Cell<usize>,
    pub(super) requests: RefCell<Vec<Request<()>>>,
    pub(super) open: Cell<usize>,
    pub(super) open_max: Cell<usize>,
    pub(super) closed: Cell<usize>,
    /// Raised by a test: every connection says GOAWAY, and ends after its calls.
    pub(super) go_away: Notify,
}

/// A stream in the hands of a script.
pub(super) struct Stream {
    /// Which connection, from 0.
    pub(super) connection: usize,
    /// Which request of the server, from 0.
    pub(super) number: usize,
    pub(super) request: Request<RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
    seen: Rc<Seen>,
}

// === impl Http2Server ===

impl Http2Server {
    pub(super) async fn start<F>(streams_max: u32, script: impl Fn(Stream) -> F + 'static) -> Http2Server
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Rc::new(Seen::default());
        let (told, script) = (seen.clone(), Rc::new(script));
        tokio::task::spawn_local(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let number = told.connections.replace(told.connections.get() + 1);
                tokio::task::spawn_local(connection(socket, number, streams_max, told.clone(), script.clone()));
            }
        });
        let server = Server::new("127.0.0.1", port, None, Duration::from_secs(60)).speaking(Protocol::Http2);
        Http2Server { server, seen }
    }
}

async fn connection<F>(
    socket: tokio::net::TcpStream,
    number: usize,
    streams_max: u32,
    seen: Rc<Seen>,
    script: Rc<impl Fn(Stream) -> F + 'static>,
) where
    F: Future<Output = ()> + 'static,
{
    let mut connection = server::Builder::new().max_concurrent_streams(streams_max).handshake(socket).await.unwrap();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = seen.go_away.notified() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { break };
        let nth = seen.requests.borrow().len();
        let head = request.headers().clone();
        let mut copy = Request::builder().method(request.method()).uri(request.uri()).body(()).unwrap();
        *copy.headers_mut() = head;
        seen.requests.borrow_mut().push(copy);
        seen.open.set(seen.open.get() + 1);
        seen.open_max.set(seen.open_max.get().max(seen.open.get()));
        let stream = Stream { connection: number, number: nth, request, respond, seen: seen.clone() };
        tokio::task::spawn_local(script(stream));
    }
    seen.closed.set(seen.closed.get() + 1);
}

// === impl Stream ===

impl Stream {
    /// `200`, with a body that follows.
    pub(super) fn begin(&mut self) -> SendStream<Bytes> {
        self.respond.send_response(Response::new(()), false).unwrap()
    }

    /// `200` with this body.
    pub(super) fn answer(&mut self, text: &str) {
        self.begin().send_data(Bytes::copy_from_slice(text.as_bytes()), true).unwrap();
    }

    /// The request's body, read to its end, and its trailers.
    pub(super) async fn body(&mut self) -> (String, Option<HeaderMap>) {
        let mut text = Vec::new();
        let body = self.request.body_mut();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            text.extend_from_slice(&data);
        }
        (String::from_utf8(text).unwrap(), body.trailers().await.unwrap())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.seen.open.set(self.seen.open.get() - 1);
    }
}
