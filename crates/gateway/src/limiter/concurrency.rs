//! How many calls at once: a counter, and a permit that gives its place back when the call has ended, however it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls running at this moment of one API, route or consumer.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A place among the running calls. Lives in the response body; dropping it gives the place back.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU64>);

// === impl Counter ===

impl Counter {
    /// A counter over a cell that somebody else keeps (a consumer's, so that it survives a reload).
    #[must_use]
    pub fn over(cell: Arc<AtomicU64>) -> Counter {
        Counter(cell)
    }

    /// Takes a place, unless `max` are taken.
    ///
    /// # Errors
    /// How many calls are running.
    pub fn enter(&self, max: u32) -> Result<Permit, u64> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(Arc::clone(&self.0));
        if before < u64::from(max) { Ok(permit) } else { Err(before) }
    }
}

// === impl Permit ===

impl Permit {
    /// A place that is only counted, never refused.
    #[must_use]
    pub fn of(counter: Arc<AtomicU64>) -> Permit {
        counter.fetch_add(1, Ordering::Relaxed);
        Permit(counter)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Counter;

    #[test]
    fn a_dropped_permit_makes_room() {
        let counter = Counter::default();
        let first = counter.enter(1).unwrap();
        assert_eq!(counter.enter(1).unwrap_err(), 1);
        drop(first);
        assert!(counter.enter(1).is_ok());
    }
}
