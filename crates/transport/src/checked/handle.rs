//! What the stream and the service tell each other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use callgate_wire::head::{Head, HeadFault};

/// What was found where a request head should be.
#[derive(Debug)]
pub enum Inspected {
    /// A head; the request that hyper passes to the service is this one.
    Head(Head),
    /// A faulty one; hyper's request is a stand-in without meaning, and the connection closes after the answer.
    Fault(HeadFault),
    /// A head that had begun and was not complete in time; hyper's request is a stand-in here too.
    TooSlow,
    /// An HTTP/2 request: framing is HTTP/2's, only the meaning of its parts is still to be checked.
    Http2,
}

/// The service's side of a [`super::CheckedStream`].
#[derive(Debug, Clone, Default)]
pub struct ConnectionHandle(Rc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Set before the head's first byte goes to hyper, taken by the service. Never more than one: see `in_call`.
    inspected: RefCell<Option<Inspected>>,
    /// From the moment a head is announced until its response is handed to hyper wholly.
    in_call: Cell<bool>,
    /// The connection's task, if bytes of a later request are held for it.
    waiting: RefCell<Option<Waker>>,
    /// Whether a part of the request's body is still to come from the client.
    body_left: Cell<bool>,
}

// === impl ConnectionHandle ===

impl ConnectionHandle {
    /// What the current call's head is. Once per call, at its begin.
    pub fn next_head(&self) -> Option<Inspected> {
        self.0.inspected.take()
    }

    /// The response was handed over wholly; the next head may be looked at.
    pub fn call_ended(&self) {
        self.0.in_call.set(false);
        self.wake();
    }

    /// Whether an answer given now would come before the end of the request's body has. Then the connection can't be
    /// kept, and the answer must say so.
    #[must_use]
    pub fn body_left(&self) -> bool {
        self.0.body_left.get()
    }

    pub(super) fn announce(&self, inspected: Inspected) {
        self.0.in_call.set(true);
        self.0.body_left.set(false);
        self.0.inspected.replace(Some(inspected));
    }

    pub(super) fn in_call(&self) -> bool {
        self.0.in_call.get()
    }

    pub(super) fn set_body_left(&self, left: bool) {
        self.0.body_left.set(left);
    }

    /// Wakes the connection for what it holds, if it holds anything.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.0.waiting.take() {
            waker.wake();
        }
    }

    pub(super) fn wake_when_ended(&self, waker: &Waker) {
        self.0.waiting.replace(Some(waker.clone()));
    }
}
