//! A worker: one thread of the data plane, with its own runtime, its own connections to upstreams, and the snapshot it
//! last saw. Nothing on the way of a call is shared with other workers but atomics.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use callgate_transport::upstream::Pool;

use crate::Gate;
use crate::limiter::Permit;
use crate::snapshot::Snapshot;
use crate::watch::Posts;

/// What a worker has of its own.
#[derive(Debug)]
pub struct Worker {
    gate: Arc<Gate>,
    pool: Pool,
    /// The snapshot it last saw, behind a count that no other thread touches: cloning it for a call is not an atomic
    /// operation on a line that all workers fight for.
    #[expect(clippy::redundant_allocation, reason = "the outer count is this thread's own")]
    snapshot: RefCell<Rc<Arc<Snapshot>>>,
    /// State of the generator of call ids. Ids need to be unique, not secret.
    random: Cell<u64>,
    /// Calls under way on this worker.
    running: Arc<AtomicU64>,
    /// Credentials of those that take long.
    posts: Posts,
}

// === impl Worker ===

impl Worker {
    /// A worker of this gate. `seed` must differ between workers and between runs.
    #[must_use]
    pub fn new(gate: Arc<Gate>, seed: u64) -> Rc<Worker> {
        let snapshot = RefCell::new(Rc::new(gate.snapshot()));
        let running = gate.running_counter();
        Rc::new(Worker { gate, pool: Pool::new(), snapshot, random: Cell::new(seed), running, posts: Posts::default() })
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Connections to upstreams.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Credentials that are looked at now and then.
    pub(crate) fn posts(&self) -> &Posts {
        &self.posts
    }

    /// The configuration for a call that begins now.
    #[must_use]
    pub fn snapshot(&self) -> Rc<Arc<Snapshot>> {
        let mut cached = self.snapshot.borrow_mut();
        if !self.gate.is_current(&cached) {
            *cached = Rc::new(self.gate.snapshot());
        }
        Rc::clone(&cached)
    }

    /// A place among the calls under way, given back when it is dropped.
    #[must_use]
    pub fn enter(&self) -> Permit {
        Permit::of(Arc::clone(&self.running))
    }

    /// Ten random bytes.
    #[must_use]
    pub fn random(&self) -> [u8; 10] {
        let mut bytes = [0; 10];
        let (first, rest) = bytes.split_at_mut(8);
        first.copy_from_slice(&self.draw().to_le_bytes());
        rest.copy_from_slice(&self.draw().to_le_bytes()[..2]);
        bytes
    }

    /// 64 random bits (SplitMix64, Steele et al. 2014).
    #[must_use]
    pub fn draw(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
