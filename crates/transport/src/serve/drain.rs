//! Ending a worker's connections when it stops, without losing a call that is already on its way.
//!
//! A client that keeps a connection may be sending on it in the very moment that the gate decides to stop. So connections
//! are first only told to end: the next answer says so (`Connection: close`, GOAWAY), and a client that heard it sends
//! nothing more. Those that stay silent are closed at the end of the drain's time.

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
    stage: Cell<Stage>,
    open: Cell<usize>,
    /// One place per connection; free places are reused.
    wakers: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    /// Who waits for the last connection to end.
    finished: RefCell<Option<Waker>>,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Stage {
    /// Connections are kept.
    #[default]
    Open,
    /// Every connection ends with the next answer; silent ones are left.
    Ending,
    /// Silent ones are closed too.
    Closing,
}

/// A connection among those that [`Drain`] counts, while it lives.
#[derive(Debug)]
pub struct Entered {
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

    /// Tells every connection to end after the call in flight, or after the next one. Silent ones are left, because a
    /// call may be on its way on each of them.
    pub fn begin(&self) {
        self.advance(Stage::Ending);
    }

    /// Closes connections without a call, and tells the others to end, if that was not done.
    pub fn close_idle(&self) {
        self.advance(Stage::Closing);
    }

    fn advance(&self, stage: Stage) {
        self.0.stage.set(self.0.stage.get().max(stage));
        self.0.wakers.borrow().iter().flatten().for_each(Waker::wake_by_ref);
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

    /// Counts a connection from here on.
    #[must_use]
    pub fn enter(&self) -> Entered {
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
    /// How far the end has come; and sees to it that the connection's task hears of more. The task never changes, so it is
    /// registered once.
    pub(crate) fn stage(&mut self, context: &mut Context<'_>) -> Stage {
        let stage = self.connections.stage.get();
        if stage < Stage::Closing && !self.registered {
            self.registered = true;
            if let Some(place) = self.connections.wakers.borrow_mut().get_mut(self.place) {
                *place = Some(context.waker().clone());
            }
        }
        stage
    }

    /// The connections that this one is among, for what must end with them too.
    pub(crate) fn drain(&self) -> Drain {
        Drain(Rc::clone(&self.connections))
    }

    /// Whether the connection ends with the answer that begins now.
    pub(crate) fn ends(&self) -> bool {
        self.connections.stage.get() >= Stage::Ending
    }

    /// Ready when connections without a call are closed. For one that is not yet served.
    pub async fn closed(&mut self) {
        poll_fn(|context| match self.stage(context) {
            Stage::Closing => Poll::Ready(()),
            Stage::Open | Stage::Ending => Poll::Pending,
        })
        .await;
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
