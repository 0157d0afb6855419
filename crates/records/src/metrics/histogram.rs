//! A histogram with fixed buckets, in microseconds inside and seconds outside.

/// Upper ends in microseconds, and as Prometheus writes them in seconds. From half a millisecond (the gate's own share of
/// a call) to a minute (the longest default time bound).
pub(crate) const BUCKETS: [(u64, &str); 16] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
    (10_000_000, "10"),
    (30_000_000, "30"),
    (60_000_000, "60"),
];

/// Counts per bucket, not yet cumulated.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum_us: u64,
}

// === impl Histogram ===

impl Histogram {
    pub(crate) fn add(&mut self, value_us: u64) {
        let bucket = BUCKETS.partition_point(|(end_us, _)| *end_us < value_us);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(value_us);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn sum_seconds(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    /// The upper end of every bucket with how many values are at or below it.
    pub(crate) fn cumulated(&self) -> impl Iterator<Item = (&'static str, u64)> {
        BUCKETS.iter().zip(self.counts).scan(0, |below, ((_, end), count)| {
            *below += count;
            Some((*end, *below))
        })
    }
}
