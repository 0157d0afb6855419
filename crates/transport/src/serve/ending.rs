//! A response body that says when it is over.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Passes a body through. hyper drops a body when it has handed its last byte on, or when the client is gone; either
    /// way `then` runs once.
    #[derive(Debug)]
    pub(super) struct Ending<B, F: FnOnce()> {
        #[pin]
        body: B,
        then: OnDrop<F>,
    }
}

#[derive(Debug)]
struct OnDrop<F: FnOnce()>(Option<F>);

// === impl Ending ===

impl<B, F: FnOnce()> Ending<B, F> {
    pub(super) fn new(body: B, then: F) -> Ending<B, F> {
        Ending { body, then: OnDrop(Some(then)) }
    }
}

impl<B: Body, F: FnOnce()> Body for Ending<B, F> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}
