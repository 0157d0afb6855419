//! A connection while a call uses it.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::Connection;
use super::pool::Slot;

/// How long a connection may need, after the last byte of its response, to be ready for the next request. It needs any
/// time at all only if its server answered before it had read the whole request.
const SETTLE_TIME_MAX: Duration = Duration::from_millis(100);

/// A connection in use. Dropped without [`Lease::park`] it is closed: nobody knows what is still to come on it.
pub(super) struct Lease<B> {
    pub(super) connection: Connection<B>,
    pub(super) slot: Rc<Slot<B>>,
}

/// The body of an upstream's response. Read to its end, its connection is kept for the next call; dropped before, the
/// connection is closed.
pub struct UpstreamBody<B> {
    incoming: Incoming,
    /// `None` once the connection was given back or given up.
    lease: Option<Lease<B>>,
}

// === impl Lease ===

impl<B: 'static> Lease<B> {
    /// Gives the connection back. hyper tells a response's last byte and that it wants the next request in one step, so
    /// it is nearly always ready here, without a task and without a wait.
    fn park(self) {
        if self.connection.sender.is_ready() {
            Slot::keep(&self.slot, self.connection);
        } else if !self.connection.sender.is_closed() {
            let Lease { mut connection, slot } = self;
            tokio::task::spawn_local(async move {
                if let Ok(Ok(())) = tokio::time::timeout(SETTLE_TIME_MAX, connection.sender.ready()).await {
                    Slot::keep(&slot, connection);
                }
            });
        }
    }
}

// === impl UpstreamBody ===

impl<B: 'static> UpstreamBody<B> {
    pub(super) fn new(incoming: Incoming, lease: Lease<B>) -> UpstreamBody<B> {
        if incoming.is_end_stream() {
            lease.park();
            return UpstreamBody { incoming, lease: None };
        }
        UpstreamBody { incoming, lease: Some(lease) }
    }
}

impl<B: 'static> Body for UpstreamBody<B> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let body = self.get_mut();
        let frame = ready!(Pin::new(&mut body.incoming).poll_frame(context));
        match &frame {
            Some(Err(_)) => body.lease = None,
            // Trailers are the last frame, and whoever writes them out does not ask for another.
            Some(Ok(frame)) if frame.is_data() && !body.incoming.is_end_stream() => {}
            Some(Ok(_)) | None => {
                if let Some(lease) = body.lease.take() {
                    lease.park();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl<B> fmt::Debug for UpstreamBody<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UpstreamBody").field("ended", &self.lease.is_none()).finish_non_exhaustive()
    }
}
