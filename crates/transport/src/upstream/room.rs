//! Room for connections to one server, where the file says how many it may have.
//!
//! The number holds over all workers. A connection has a [`Seat`] from before it is opened until it is closed, whatever ends
//! it; as long as nobody waits, taking one and giving it back are atomic numbers. A call that finds no seat waits in a queue,
//! and gets what comes first: a seat, or a connection of its own worker that another call has done with. Connections that
//! have no call are closed as soon as somebody waits, on whichever worker they are.
//!
//! A connection can't move to another worker: it is closed there and opened here. So calls of its own worker go before those
//! of others, but only for a moment ([`OWN_FIRST`]): without it each call of a busy server would open a connection, without
//! an end to it a worker that has none would never get one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use callgate_model::bounds;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// A call that has waited longer than this goes before those of the worker whose connection becomes free.
const OWN_FIRST: Duration = Duration::from_millis(100);

/// Room for connections to one server. Shared by all workers, over reloads.
pub struct Room {
    max: u32,
    /// How many of them HTTP/2 calls of one worker may share, so that each worker gets one.
    shared_max: usize,
    /// Connections that are open, or being opened.
    taken: AtomicU32,
    /// Calls in the queue; changed only with the queue locked.
    waiting: AtomicU32,
    /// Locked by calls that wait, and by those that end while others wait.
    queue: Mutex<Queue>,
    /// Told when a call begins to wait: who has connections without a call gives them up.
    wanted: Notify,
}

/// The right of one connection to be open, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<Room>);

#[derive(Default)]
struct Queue {
    /// Who waits longest is first.
    waiters: VecDeque<Waiter>,
    numbers: u64,
}

struct Waiter {
    number: u64,
    /// Whose kept connections it may use; see [`Room::queue`].
    worker: usize,
    since: Instant,
    told: oneshot::Sender<Given>,
}

/// What a call gets that has waited.
pub(super) enum Given {
    /// It may open a connection.
    Seat(Seat),
    /// One of its own worker's connections, which is kept for it.
    Kept,
}

/// A call's place in the queue, left when it is dropped.
pub(super) struct Waiting {
    room: Arc<Room>,
    number: u64,
    given: oneshot::Receiver<Given>,
}

/// What becomes of a connection whose call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It is kept: nobody waits.
    Kept,
    /// It is kept for a call of the same worker, which was told so.
    Promised,
    /// It is closed: a call of another worker waits.
    Closed,
}

// === impl Room ===

impl Room {
    /// Room for so many connections, used by so many workers.
    #[must_use]
    pub fn new(max: u32, workers: usize) -> Room {
        let share = usize::try_from(max).unwrap_or(usize::MAX).checked_div(workers).unwrap_or_default();
        Room {
            max,
            shared_max: share.clamp(1, bounds::UPSTREAM_SHARED_CONNECTIONS_MAX),
            taken: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            queue: Mutex::default(),
            wanted: Notify::new(),
        }
    }

    /// How many connections there may be.
    #[must_use]
    pub fn max(&self) -> u32 {
        self.max
    }

    /// How many there are.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many calls wait for one.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// How many connections the HTTP/2 calls of one worker may share.
    pub(super) fn shared_max(&self) -> usize {
        self.shared_max
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.waiting() > 0
    }

    /// A seat, if there is one and nobody waits.
    pub(super) fn seat(self: &Arc<Self>) -> Option<Seat> {
        if self.is_wanted() { None } else { self.take() }
    }

    fn take(self: &Arc<Self>) -> Option<Seat> {
        let next = |taken| if taken < self.max { Some(taken + 1) } else { None };
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).ok()?;
        Some(Seat(Arc::clone(self)))
    }

    /// Waits in the queue, among those that wait since then. `worker` is any number that tells workers apart, 0 for a call
    /// that can use no kept connection. None if too many wait already.
    pub(super) fn queue(self: &Arc<Self>, worker: usize, since: Instant) -> Option<Waiting> {
        let (told, given) = oneshot::channel();
        let number = {
            let mut queue = self.lock();
            if queue.waiters.len() >= bounds::UPSTREAM_WAITING_MAX {
                return None;
            }
            queue.numbers += 1;
            let number = queue.numbers;
            let place = queue.waiters.partition_point(|waiter| waiter.since <= since);
            queue.waiters.insert(place, Waiter { number, worker, since, told });
            self.count(&queue);
            number
        };
        let waiting = Waiting { room: Arc::clone(self), number, given };
        // A seat that was given back between the look and the lock.
        self.serve();
        if self.is_wanted() {
            self.wanted.notify_waiters();
        }
        Some(waiting)
    }

    /// Ready when a call has begun to wait after this.
    pub(super) fn wanted(&self) -> Notified<'_> {
        self.wanted.notified()
    }

    /// A connection has no call any more that had one.
    pub(super) fn rests(&self) {
        if self.is_wanted() {
            self.wanted.notify_waiters();
        }
    }

    /// What becomes of a connection of this worker whose call has ended.
    pub(super) fn next(&self, worker: usize) -> Next {
        if !self.is_wanted() {
            return Next::Kept;
        }
        let mut queue = self.lock();
        let Some(first) = queue.waiters.front() else { return Next::Kept };
        if first.worker != worker && first.since.elapsed() > OWN_FIRST {
            return Next::Closed;
        }
        while let Some(place) = queue.waiters.iter().position(|waiter| waiter.worker == worker) {
            let told = queue.waiters.remove(place).is_some_and(|waiter| waiter.told.send(Given::Kept).is_ok());
            self.count(&queue);
            if told {
                return Next::Promised;
            }
        }
        if queue.waiters.is_empty() { Next::Kept } else { Next::Closed }
    }

    /// Gives what is free to those that wait longest.
    fn serve(self: &Arc<Self>) {
        while self.is_wanted() {
            let mut queue = self.lock();
            let Some(seat) = (!queue.waiters.is_empty()).then(|| self.take()).flatten() else { return };
            let first = queue.waiters.pop_front();
            self.count(&queue);
            // A seat that nobody takes comes back here.
            drop(queue);
            let _taken = first.map(|waiter| waiter.told.send(Given::Seat(seat)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, queue: &Queue) {
        self.waiting.store(u32::try_from(queue.waiters.len()).unwrap_or(u32::MAX), Ordering::SeqCst);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Room({} of {}, {} waiting)", self.taken(), self.max, self.waiting())
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        // In this order, and whoever waits is counted before it looks: one of the two sees the other.
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        self.0.serve();
    }
}

// === impl Waiting ===

impl Waiting {
    /// What comes first.
    pub(super) async fn given(&mut self) -> Given {
        match (&mut self.given).await {
            Ok(given) => given,
            // Whoever is taken out of the queue is told something.
            Err(_) => std::future::pending().await,
        }
    }

    /// Leaves the queue. Says whether a connection was promised meanwhile, which nobody uses then. A seat goes back by itself.
    pub(super) fn leave(&mut self) -> bool {
        let mut queue = self.room.lock();
        queue.waiters.retain(|waiter| waiter.number != self.number);
        self.room.count(&queue);
        drop(queue);
        matches!(self.given.try_recv(), Ok(Given::Kept))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.leave();
    }
}
