//! Durations in buckets that grow with them, so that a percentile is right to about 6 % whatever its size.

/// Buckets in each doubling.
const PER_DOUBLING: u32 = 8;
const PER_DOUBLING_BITS: u32 = PER_DOUBLING.ilog2();
/// Up to 2^36 µs, 19 hours; longer ones count as that.
const VALUE_BITS_MAX: u32 = 36;
const BUCKETS: usize = ((VALUE_BITS_MAX - PER_DOUBLING_BITS + 1) * PER_DOUBLING) as usize;

/// Counts per bucket, in microseconds. Grown to the largest value seen: most seconds need a third of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Durations {
    counts: Vec<u32>,
}

// === impl Durations ===

impl Durations {
    pub(crate) fn add(&mut self, value_us: u64) {
        let bucket = bucket(value_us);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
    }

    pub(crate) fn merge(&mut self, other: &Durations) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// The value that this share (0.5, 0.99) of all is at or below; 0 when there is none.
    pub(crate) fn quantile_us(&self, share: f64) -> u64 {
        let total: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let wanted = ((total as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            below += u64::from(*count);
            if below >= wanted {
                return middle_us(bucket);
            }
        }
        0
    }
}

/// Small values have a bucket each; above, the leading bits after the first choose one of eight per doubling.
fn bucket(value_us: u64) -> usize {
    if value_us < u64::from(PER_DOUBLING) {
        return value_us as usize;
    }
    let shift = value_us.ilog2() - PER_DOUBLING_BITS;
    let within = (value_us >> shift) - u64::from(PER_DOUBLING);
    ((u64::from(shift + 1) * u64::from(PER_DOUBLING) + within) as usize).min(BUCKETS - 1)
}

/// The middle of a bucket's values.
fn middle_us(bucket: usize) -> u64 {
    let per_doubling = PER_DOUBLING as usize;
    if bucket < per_doubling {
        return bucket as u64;
    }
    let shift = bucket / per_doubling - 1;
    let low = ((per_doubling + bucket % per_doubling) as u64) << shift;
    low + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_right_to_the_width_of_a_bucket() {
        let mut durations = Durations::default();
        for value_us in 1..=100_000 {
            durations.add(value_us);
        }
        for (share, expect) in [(0.5, 50_000.0), (0.95, 95_000.0), (0.99, 99_000.0)] {
            let got = durations.quantile_us(share) as f64;
            assert!((got / expect - 1.0).abs() < 0.07, "{share}: {got}");
        }
    }

    #[test]
    fn every_value_lies_in_the_bucket_whose_middle_is_near() {
        for value_us in (0..64).flat_map(|bit| [1_u64 << bit, (1_u64 << bit) - 1, (1 << bit) + (1 << bit) / 3]) {
            let middle = middle_us(bucket(value_us));
            let capped = value_us.min((1 << VALUE_BITS_MAX) - 1);
            let off = middle.abs_diff(capped);
            assert!(off <= capped / 8, "{value_us}: bucket of {middle}");
        }
        assert_eq!(Durations::default().quantile_us(0.5), 0);
    }
}
