//! One client connection, from its first request to its last: hyper between the checked stream and the gateway's calls.
//!
//! The gateway gives one closure, called once per call with the request and what the inspection of its head said. The
//! same closure serves HTTP/1.1 and HTTP/2.

mod drain;
mod ending;
mod idle;
mod paced;
mod stall;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;

use bytes::Bytes;
use callgate_model::bounds;
use callgate_wire::head::HeadFault;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::drain::Drain;
use self::ending::Ending;
use self::idle::Streams;
pub use self::paced::PacedBody;
use self::stall::Stalling;
use crate::checked::{CheckedStream, Inspected};
use crate::greet::{Greeted, Protocol, Replay};
use crate::{BoxError, Timing};

/// hyper's buffer of a connection, each way: a whole head, and a large body in pieces big enough to be cheap.
const CONNECTION_BUFFER_BYTES: usize = 128 * 1024;
/// What a client may send on a stream, and on a whole connection, before the gate has taken it on.
const H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What of a response hyper takes before the client has room for it, per stream.
const H2_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Streams that the client reset before they were accepted (CVE-2023-44487): past it the connection is closed.
const H2_PENDING_RESETS_MAX: usize = 20;
/// Streams that we reset because the client broke the protocol (CVE-2025-8671).
const H2_LOCAL_RESETS_MAX: usize = 128;

/// Serves connections of one worker. Made once per worker; it holds hyper's settings.
#[derive(Debug, Clone)]
pub struct Server {
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
    timing: Timing,
}

/// Runs HTTP/2's stream tasks on the worker's own thread, so that calls need not be `Send`.
#[derive(Debug, Clone, Copy)]
pub struct LocalExecutor;

// === impl Server ===

impl Server {
    /// Settings for connections with these clocks.
    #[must_use]
    pub fn new(timing: Timing) -> Server {
        // No timer for hyper: the checked stream has the clocks. hyper's own header timeout allocates once per call.
        let mut http1 = http1::Builder::new();
        http1.max_buf_size(CONNECTION_BUFFER_BYTES);
        let mut http2 = http2::Builder::new(LocalExecutor);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(bounds::H2_STREAMS_MAX)
            .max_header_list_size(u32::try_from(bounds::HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(H2_SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
            .max_local_error_reset_streams(H2_LOCAL_RESETS_MAX)
            .keep_alive_interval(timing.idle_max / 2)
            .keep_alive_timeout(timing.head_max);
        Server { http1, http2, timing }
    }

    /// Serves a connection until it ends. `call` is called once per call; its error ends the connection (or the HTTP/2
    /// stream) without an answer, and so does an error of the response's body, because only that tells the client that
    /// the answer is not whole.
    ///
    /// # Errors
    /// Why hyper gave the connection up. The calls on it have been told already; this is for counting.
    pub async fn serve<IO, F, Fut, B>(&self, greeted: Greeted<IO>, drain: &Drain, call: F) -> Result<(), hyper::Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
        F: Fn(Request<Incoming>, Inspected) -> Fut + 'static,
        Fut: Future<Output = Result<Response<B>, BoxError>> + 'static,
        B: Body<Data = Bytes, Error = BoxError> + 'static,
    {
        match greeted.protocol {
            Protocol::Http1 => self.serve_http1(greeted, drain, call).await,
            Protocol::Http2 => self.serve_http2(greeted, drain, call).await,
        }
    }

    async fn serve_http1<IO, F, Fut, B>(&self, greeted: Greeted<IO>, drain: &Drain, call: F) -> Result<(), hyper::Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
        F: Fn(Request<Incoming>, Inspected) -> Fut,
        Fut: Future<Output = Result<Response<B>, BoxError>>,
        B: Body<Data = Bytes, Error = BoxError> + 'static,
    {
        let stream = CheckedStream::new(greeted.io, greeted.buffer, self.timing);
        let handle = stream.handle();
        let unanswered = handle.clone();
        let service = service_fn(move |request| {
            // There always is one: the stream announces every head before hyper sees a byte of it.
            let inspected =
                handle.next_head().unwrap_or(Inspected::Fault(HeadFault::Malformed("it was not inspected")));
            let answer = call(request, inspected);
            let handle = handle.clone();
            async move {
                let mut response = answer.await?;
                if handle.body_left() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, BoxError>(response.map(|body| Ending::new(body, move || handle.call_ended())))
            }
        });
        let mut connection = pin!(self.http1.serve_connection(TokioIo::new(stream), service));
        let mut draining = drain.enter();
        let ended = poll_fn(|context| {
            if draining.begins(context) {
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(context)
        })
        .await;
        if let Some(Inspected::Head(head)) = unanswered.next_head() {
            // The two parsers disagree: the inspection is meant to be the stricter one. The client got hyper's bare 400.
            tracing::warn!(?head, ?ended, "a request head passed the inspection and was refused by the HTTP library");
        }
        ended
    }

    async fn serve_http2<IO, F, Fut, B>(&self, greeted: Greeted<IO>, drain: &Drain, call: F) -> Result<(), hyper::Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
        F: Fn(Request<Incoming>, Inspected) -> Fut + 'static,
        Fut: Future<Output = Result<Response<B>, BoxError>> + 'static,
        B: Body<Data = Bytes, Error = BoxError> + 'static,
    {
        let streams = Rc::new(Streams::new(&self.timing));
        let open = streams.clone();
        let service = service_fn(move |request| {
            let stream = open.open();
            let answer = call(request, Inspected::Http2);
            async move {
                let response = answer.await?;
                Ok::<_, BoxError>(response.map(|body| Stalling::new(body, stream)))
            }
        });
        let io = TokioIo::new(Replay::new(greeted.io, greeted.buffer));
        let mut connection = pin!(self.http2.serve_connection(io, service));
        let mut draining = drain.enter();
        let mut idle = pin!(streams.idle());
        let mut ending = false;
        poll_fn(|context| {
            if !ending && (draining.begins(context) || idle.as_mut().poll(context).is_ready()) {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(context)
        })
        .await
    }
}

// === impl LocalExecutor ===

impl<F: Future + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

#[cfg(test)]
mod tests;
