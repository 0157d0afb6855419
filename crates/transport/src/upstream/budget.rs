//! How many calls may be repeated: a fifth of those that were made.
//!
//! Repeating is right while few calls fail. When most do, because the servers have too much to do, each repeat is more of
//! what they have too much of; so repeats are paid for by calls that were made before, and what quiet times save up is
//! little. It begins with nothing: at no moment have the servers of an upstream had more than 1.2 times the calls made.

use std::sync::atomic::{AtomicU32, Ordering};

use callgate_model::bounds;

/// What a repeat costs, in calls: with 5, load grows by a fifth at most.
const CALLS_PER_REPEAT: u32 = 5;
const SAVED_MAX: u32 = bounds::REPEATS_SAVED_MAX * CALLS_PER_REPEAT;

/// The budget of one upstream, over all workers.
#[derive(Debug, Default)]
pub struct Budget(AtomicU32);

// === impl Budget ===

impl Budget {
    /// A call is made.
    pub fn earn(&self) {
        // While nothing is repeated, no worker writes here.
        if self.0.load(Ordering::Relaxed) < SAVED_MAX {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pays for a repeat, if there is enough.
    #[must_use]
    pub fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(CALLS_PER_REPEAT)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_grows_by_a_fifth_from_the_first_call_on() {
        let budget = Budget::default();
        let mut repeats = 0;
        for calls in 1..=1_000 {
            budget.earn();
            // Every call fails, and so does its repeat.
            repeats += (0..2).filter(|_| budget.spend()).count();
            assert_eq!(repeats, calls / 5, "of {calls} calls");
        }
        for _ in 0..10_000 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10, "a quiet day is not saved up");
    }
}
