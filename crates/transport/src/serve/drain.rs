//! Ending a worker's connections when it stops, each after its calls in flight.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// One worker's connections, and the word that they should end. It is the worker's own and not a channel shared by all
/// workers, because it is looked at whenever a connection wakes, and a shared channel takes a lock for that.
#[derive(Debug, Clone, Default)]
pub struct Drain(Rc<Connections>);

#[derive(Debug, Default)]
struct Connections {
    begun: Cell<bool>,
    open: Cell<usize>,
    /// One place per connection; free places are reused.
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    /// Who waits for the last connection to end.
    finished: RefCell<Option<Waker>>,
}

/// A connection among those that [`Drain`] counts, while it lives.
#[derive(Debug)]
pub(crate) struct Entered {
    connections: Rc<Connections>,
    place: usize,
    registered: bool,
}

// === impl Drain ===

impl Drain {
    /// For one worker.
    #[must_use]
    pub fn new() -> Drain {
        Drain::default()
    }

    /// Tells every connection to end: idle ones at once, others after the call in flight. Later ones end after one call.
    pub fn begin(&self) {
        self.0.begun.set(true);
        let wakers = std::mem::take(&mut *self.0.wakers.borrow_mut());
        self.0.wakers.borrow_mut().resize(wakers.len(), None);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether [`Drain::begin`] was called.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.begun.get()
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.get()
    }

    /// Waits until no connection is open. For one waiter; the bound on the wait is the caller's.
    pub async fn finished(&self) {
        poll_fn(|context| {
            if self.0.open.get() == 0 {
                return Poll::Ready(());
            }
            self.0.finished.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    pub(super) fn enter(&self) -> Entered {
        self.0.open.set(self.0.open.get() + 1);
        let place = self.0.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut wakers = self.0.wakers.borrow_mut();
            wakers.push(None);
            wakers.len() - 1
        });
        Entered { connections: self.0.clone(), place, registered: false }
    }
}

// === impl Entered ===

impl Entered {
    /// Whether the connection should end; and sees to it that its task hears of it. The task never changes, so it is
    /// registered once.
    pub(crate) fn has_begun(&mut self, context: &mut Context<'_>) -> bool {
        if !self.is_told() && !self.registered {
            self.registered = true;
            if let Some(place) = self.connections.wakers.borrow_mut().get_mut(self.place) {
                *place = Some(context.waker().clone());
            }
        }
        self.is_told()
    }

    /// Whether the connection should end.
    pub(crate) fn is_told(&self) -> bool {
        self.connections.begun.get()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(place) = self.connections.wakers.borrow_mut().get_mut(self.place) {
            *place = None;
        }
        self.connections.free.borrow_mut().push(self.place);
        self.connections.open.set(self.connections.open.get() - 1);
        if self.connections.open.get() == 0
            && let Some(waker) = self.connections.finished.take()
        {
            waker.wake();
        }
    }
}
