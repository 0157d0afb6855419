//! Everything that is counted from records, under one lock.

use callgate_model::CallRecord;

use crate::metrics::MetricTallies;
use crate::names::Names;
use crate::stats::StatTallies;
use crate::usage::UsageTally;

/// The recorder changes it, a batch of records at a time; scrapes and live tables read it.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(crate) names: Names,
    pub(crate) metrics: MetricTallies,
    pub(crate) stats: StatTallies,
    pub(crate) usage: UsageTally,
}

// === impl Tallies ===

impl Tallies {
    pub(crate) fn new(now_ns: u64) -> Tallies {
        Tallies {
            names: Names::default(),
            metrics: MetricTallies::default(),
            stats: StatTallies::new(now_ns),
            usage: UsageTally::default(),
        }
    }

    /// Counts one call.
    pub(crate) fn add(&mut self, record: &CallRecord, now_ns: u64) {
        let named = self.names.of(record);
        self.metrics.add(record, named);
        self.stats.add(record, named, now_ns);
        self.usage.add(record, named);
    }
}
