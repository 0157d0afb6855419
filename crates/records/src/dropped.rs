//! Records that found their queue full, counted on the worker by the class of their status.
//!
//! The count keeps totals honest when the recorder is starved: how many calls are missing from log, metrics and usage, and
//! whether they were answered or failed. Which key made them is lost with the record.

use std::sync::atomic::{AtomicU64, Ordering};

/// The classes in their order; the first is for calls whose client was gone before a status was sent.
pub(crate) const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters that every worker may touch, but only when its record was dropped.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    by_class: [AtomicU64; 6],
}

// === impl Dropped ===

impl Dropped {
    pub(crate) fn count(&self, status: u16) {
        let class = usize::from(status / 100).min(CLASSES.len() - 1);
        if let Some(counter) = self.by_class.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn by_class(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CLASSES.into_iter().zip(self.by_class.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }

    pub(crate) fn total(&self) -> u64 {
        self.by_class().map(|(_, count)| count).sum()
    }
}
