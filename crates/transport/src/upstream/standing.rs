//! How one server stands, as all workers see it: how many calls are at it.
//!
//! One of these belongs to a server of an upstream for as long as the configuration names it, over reloads, and is shared
//! by every worker. Whoever asks for a place on the way of a call waits for nobody: everything here is an atomic number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server's standing.
#[derive(Debug, Default)]
pub struct Standing {
    /// Calls that have a place, until the last byte of their answer.
    in_flight: AtomicU32,
}

/// A call's place at a server, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    standing: Arc<Standing>,
}

// === impl Standing ===

impl Standing {
    /// Calls at the server now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a place for a call.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Place {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Place { standing: Arc::clone(self) }
    }
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.standing.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
