//! HTTP/2 responses that the client does not read.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::idle::OpenStream;
use crate::BoxError;
use crate::guarded::WriteStalled;

/// A response body that is dropped when its client takes no more of it for too long. A stream without window costs the
/// client nothing, and hyper, which asks for the next piece only when there is room for it, would hold the body, the call's
/// permits and the upstream's connection for ever. The socket's own guard does not see it: the connection answers pings.
pub(super) struct Stalling<B> {
    shared: Rc<Shared<B>>,
    _stream: OpenStream,
}

struct Shared<B> {
    /// `None` once it was dropped for the client's idleness. Never borrowed across a call into hyper.
    body: RefCell<Option<Pin<Box<B>>>>,
    /// When hyper was given a piece and has not asked for the next one since.
    given: Cell<Option<Instant>>,
}

/// What the connection sees of a response.
pub(super) trait Stallable {
    /// Drops the body if the last piece was given longer ago than this.
    fn drop_if_stalled(&self, stall_max: Duration);
}

// === impl Stalling ===

impl<B: 'static> Stalling<B> {
    pub(super) fn new(body: B, stream: OpenStream) -> Stalling<B> {
        let shared = Rc::new(Shared { body: RefCell::new(Some(Box::pin(body))), given: Cell::new(None) });
        let seen: Rc<dyn Stallable> = shared.clone();
        stream.watch(Rc::downgrade(&seen));
        Stalling { shared, _stream: stream }
    }
}

impl<B: Body<Data = Bytes, Error = BoxError>> Body for Stalling<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let waited = self.shared.given.take().map(|since| since.elapsed()).unwrap_or_default();
        let mut body = self.shared.body.borrow_mut();
        let Some(body) = body.as_mut() else { return Poll::Ready(Some(Err(WriteStalled(waited).into()))) };
        let frame = body.as_mut().poll_frame(context);
        if frame.is_ready() {
            self.shared.given.set(Some(Instant::now()));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.shared.body.borrow().as_ref().is_some_and(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.body.borrow().as_ref().map(|body| body.size_hint()).unwrap_or_default()
    }
}

impl<B> Stallable for Shared<B> {
    fn drop_if_stalled(&self, stall_max: Duration) {
        if self.given.get().is_some_and(|since| since.elapsed() >= stall_max) {
            // Taken out first: dropping a body runs the gateway's code.
            let body = self.body.borrow_mut().take();
            drop(body);
        }
    }
}
