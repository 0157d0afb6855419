//! One client connection, from its first request to its last: HTTP/1 by [`crate::http1`], HTTP/2 by hyper.
//!
//! The gateway gives one closure, called once per call with the request and what the inspection of its head said. The
//! same closure serves HTTP/1.1 and HTTP/2.

mod drain;
mod idle;
mod paced;
mod stall;
mod tunnel;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Poll;

use callgate_model::bounds;
use http::{Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use self::drain::Stage;
pub use self::drain::{Drain, Entered};
use self::idle::Streams;
pub(crate) use self::paced::PacedBody;
use self::stall::Stalling;
use self::tunnel::{Sender, Tunnel};
use crate::greet::{Greeted, Protocol, Replay};
use crate::http1::{self, ConnectionError, Inspected, RequestBody};
use crate::switch::Answering;
use crate::{BoxError, Timing};

/// What a client may send on a stream, and on a whole connection, before the gate has taken it on.
const H2_STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// What of a response hyper takes before the client has room for it, per stream.
const H2_SEND_BUFFER_BYTES: usize = 128 * 1024;
/// Streams that the client reset before they were accepted (CVE-2023-44487): past it the connection is closed.
const H2_PENDING_RESETS_MAX: usize = 20;
/// Streams that we reset because the client broke the protocol (CVE-2025-8671).
const H2_LOCAL_RESETS_MAX: usize = 128;

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An HTTP/1 connection.
    #[error(transparent)]
    Http1(ConnectionError),
    /// An HTTP/2 connection.
    #[error(transparent)]
    Http2(hyper::Error),
}

/// Serves connections of one worker. Made once per worker; it holds hyper's settings.
#[derive(Debug, Clone)]
pub struct Server {
    http2: http2::Builder<LocalExecutor>,
    executor: LocalExecutor,
    timing: Timing,
}

/// Runs HTTP/2's tasks on the worker's own thread, so that calls need not be `Send`.
#[derive(Debug, Clone, Default)]
pub struct LocalExecutor {
    /// Who keeps hold of the next task. hyper starts the one that sends for a session in the same step in which it takes
    /// the answer that opens the session.
    awaited: Rc<RefCell<Weak<Sender>>>,
}

// === impl Server ===

impl Server {
    /// Settings for connections with these clocks.
    #[must_use]
    pub fn new(timing: Timing) -> Server {
        let executor = LocalExecutor::default();
        let mut http2 = http2::Builder::new(executor.clone());
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
            .keep_alive_timeout(timing.head_max)
            .enable_connect_protocol();
        Server { http2, executor, timing }
    }

    /// Serves a connection until it ends, of itself or because the drain that it entered says so. `call` is called once per call; its error ends the connection (or the HTTP/2
    /// stream) without an answer, and so does an error of the response's body, because only that tells the client that
    /// the answer is not whole.
    ///
    /// # Errors
    /// Why the connection was given up. The calls on it have been told already; this is for counting.
    pub async fn serve<IO, F, Fut, B>(&self, greeted: Greeted<IO>, entered: Entered, call: F) -> Result<(), ServeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
        F: Fn(Request<RequestBody>, Inspected) -> Fut + 'static,
        Fut: Future<Output = Result<Response<B>, BoxError>> + 'static,
        B: Answering + 'static,
    {
        match greeted.protocol {
            Protocol::Http1 => {
                http1::serve(greeted.io, greeted.buffer, self.timing, entered, call).await.map_err(ServeError::Http1)
            }
            // In memory of its own, which HTTP/1 connections would hold for nothing.
            Protocol::Http2 => Box::pin(self.serve_http2(greeted, entered, call)).await.map_err(ServeError::Http2),
        }
    }

    async fn serve_http2<IO, F, Fut, B>(
        &self,
        greeted: Greeted<IO>,
        mut draining: Entered,
        call: F,
    ) -> Result<(), hyper::Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
        F: Fn(Request<RequestBody>, Inspected) -> Fut + 'static,
        Fut: Future<Output = Result<Response<B>, BoxError>> + 'static,
        B: Answering + 'static,
    {
        let streams = Rc::new(Streams::new(&self.timing));
        let open = streams.clone();
        let (timing, executor, drain) = (self.timing, self.executor.clone(), draining.drain());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let stream = open.open();
            // The next task is this call's; a session whose head could not be written left its wish behind.
            executor.await_nobody();
            let tunnel = Tunnel::offered(&mut request, &executor, &drain, &timing);
            let request = request.map(|body| RequestBody::http2(PacedBody::new(body, &timing)));
            let answer = call(request, Inspected::Whole);
            async move {
                let response = answer.await?;
                match tunnel {
                    None => Ok::<_, BoxError>(response.map(|body| Either::Left(Stalling::new(body, stream)))),
                    Some(tunnel) => tunnel.answer(response, stream),
                }
            }
        });
        let io = TokioIo::new(Replay::new(greeted.io, greeted.buffer));
        let mut connection = pin!(self.http2.serve_connection(io, service));
        let mut idle = pin!(streams.idle());
        let mut ending = false;
        poll_fn(|context| {
            // Polled first: a connection that comes in the middle of a drain has its first call in the bytes already read.
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            let ends = match draining.stage(context) {
                Stage::Open => false,
                // Before the first call hyper may still be shaking hands, and would not say GOAWAY but close.
                Stage::Ending => streams.had_one(),
                Stage::Closing => true,
            };
            if ending || !(ends || idle.as_mut().poll(context).is_ready()) {
                return Poll::Pending;
            }
            ending = true;
            connection.as_mut().graceful_shutdown();
            connection.as_mut().poll(context)
        })
        .await
    }
}

// === impl LocalExecutor ===

impl LocalExecutor {
    fn await_sender(&self, sender: &Rc<Sender>) {
        self.awaited.replace(Rc::downgrade(sender));
    }

    fn await_nobody(&self) {
        self.awaited.take();
    }
}

impl<F: Future + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        let sender = self.awaited.take().upgrade();
        let task = tokio::task::spawn_local(future);
        if let Some(sender) = sender {
            sender.hold(task.abort_handle());
        }
    }
}

#[cfg(test)]
mod tests;
