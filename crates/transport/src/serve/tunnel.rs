//! A stream of an HTTP/2 connection that goes on in another protocol: the extended CONNECT of RFC 8441.
//!
//! To the gateway it is a GET with an [`Offer`], as over HTTP/1.1. hyper hands over the stream's bytes when the head of the
//! answer is written, and the session has them in a task of its own, with a hold on the drain of its own: an HTTP/2
//! connection that is told to end waits for its streams, and a session would never end by itself.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::{self, OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::AbortHandle;

use super::idle::{OpenStream, STREAM_STALL_FACTOR};
use super::stall::Stalling;
use super::{Drain, LocalExecutor, Stage};
use crate::guarded::Guarded;
use crate::switch::{Answering, Duplex, Offer, Session};
use crate::{BoxError, Timing};

/// The one protocol that is offered to anybody here. A CONNECT for another one stays what it is, and is refused as such.
const WEBSOCKET: &[u8] = b"websocket";

/// Read at once while discarding.
const SCRATCH_BYTES: usize = 8 * 1024;

/// Any 2xx opens the stream (RFC 8441 section 5), so somebody must be there to go on.
const NO_SESSION: &str = "an answer opens a stream, and there is nothing to go on with";

/// The body of an HTTP/2 answer; none where a session follows.
pub(super) type Answered<B> = Either<Stalling<B>, Empty<Bytes>>;

/// A client's offer that is not answered yet.
pub(super) struct Tunnel {
    bytes: OnUpgrade,
    executor: LocalExecutor,
    drain: Drain,
    timing: Timing,
}

/// The task of hyper's that sends what a session says. It waits for as long as the client grants no room, whoever has gone
/// meanwhile; so it ends with this, and its stream is reset if not everything could be sent.
#[derive(Debug, Default)]
pub(super) struct Sender(OnceCell<AbortHandle>);

// === impl Tunnel ===

impl Tunnel {
    /// Makes a GET of an extended CONNECT for a WebSocket; other requests stay as they are.
    pub(super) fn offered(
        request: &mut Request<Incoming>,
        executor: &LocalExecutor,
        drain: &Drain,
        timing: &Timing,
    ) -> Option<Box<Tunnel>> {
        if *request.method() != Method::CONNECT {
            return None;
        }
        let is_websocket = |protocol: &Protocol| protocol.as_ref().eq_ignore_ascii_case(WEBSOCKET);
        request.extensions().get::<Protocol>().filter(|protocol| is_websocket(protocol))?;
        request.extensions_mut().remove::<Protocol>();
        request.extensions_mut().insert(Offer);
        *request.method_mut() = Method::GET;
        let bytes = upgrade::on(request);
        Some(Box::new(Tunnel { bytes, executor: executor.clone(), drain: drain.clone(), timing: *timing }))
    }

    /// Answers the offer: hyper gets the head, and the session goes on when that is written.
    pub(super) fn answer<B>(
        self: Box<Self>,
        response: Response<B>,
        stream: OpenStream,
    ) -> Result<Response<Answered<B>>, BoxError>
    where
        B: Answering + 'static,
    {
        if !response.status().is_success() {
            return Ok(response.map(|body| Either::Left(Stalling::new(body, stream))));
        }
        let (head, body) = response.into_parts();
        let session = body.into_session().map_err(|_| NO_SESSION)?;
        let sender = Rc::new(Sender::default());
        self.executor.await_sender(&sender);
        tokio::task::spawn_local(self.run(session, sender, stream));
        Ok(Response::from_parts(head, Either::Right(Empty::new())))
    }

    async fn run(self: Box<Self>, mut session: Box<dyn Session>, _sender: Rc<Sender>, _stream: OpenStream) {
        let Tunnel { bytes, drain, timing, .. } = *self;
        let mut draining = drain.enter();
        let mut client: Box<dyn Duplex> = match bytes.await {
            Ok(bytes) => Box::new(Guarded::new(TokioIo::new(bytes), timing.write_stall_max * STREAM_STALL_FACTOR)),
            // The client has reset the stream meanwhile; the session hears of it as of any client that goes.
            Err(_) => Box::new(tokio::io::empty()),
        };
        poll_fn(|context| {
            let ends = draining.stage(context) >= Stage::Ending;
            session.poll(&mut *client, ends, context)
        })
        .await;
        drop(session);
        // In time or not: the stream ends here.
        let _late = tokio::time::timeout(timing.linger_max, part(&mut *client, &timing)).await;
    }
}

/// Sends what is still to be sent and ends the stream; then discards what comes, as a connection that is closed does.
async fn part(client: &mut dyn Duplex, timing: &Timing) -> io::Result<()> {
    client.shutdown().await?;
    let (mut left, mut scratch) = (timing.linger_bytes_max, vec![0; SCRATCH_BYTES]);
    while left > 0 {
        match tokio::time::timeout(timing.linger_quiet_max, client.read(&mut scratch)).await {
            Ok(Ok(count @ 1..)) => left = left.saturating_sub(count as u64),
            _ => break,
        }
    }
    Ok(())
}

// === impl Sender ===

impl Sender {
    pub(super) fn hold(&self, task: AbortHandle) {
        // There is only one task a stream.
        let _second = self.0.set(task);
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}
