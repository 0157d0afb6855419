//! Ratios of pairs, and how far they can be trusted.

/// Draws of the bootstrap; the interval's ends move by less than half a percent of its width between seeds.
const DRAWS: usize = 10_000;
const SEED: u64 = 0x5eed_ca11_6a7e_0001;

/// The median of some ratios, with the 95 % interval of that median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How many pairs it stands on.
    pub(crate) pairs: usize,
}

/// The middle value, or the mean of the two in the middle; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) }
}

// === impl Ratio ===

impl Ratio {
    /// Of pairs measured next to each other, `one / other` each. The machine drifts by more than what is looked for, so
    /// only the ratio within a pair says anything. The interval is a percentile bootstrap with a fixed seed.
    pub(crate) fn of(pairs: &[(f64, f64)]) -> Option<Ratio> {
        let ratios: Vec<f64> = pairs.iter().map(|(one, other)| one / other).filter(|ratio| ratio.is_finite()).collect();
        if ratios.is_empty() {
            return None;
        }
        let mut random = Random(SEED);
        let mut medians: Vec<f64> = (0..DRAWS)
            .map(|_| {
                let drawn: Vec<f64> =
                    (0..ratios.len()).filter_map(|_| ratios.get(random.below(ratios.len())).copied()).collect();
                median(&drawn)
            })
            .collect();
        medians.sort_by(f64::total_cmp);
        let at = |per_mille: usize| medians.get((DRAWS - 1) * per_mille / 1000).copied().unwrap_or(f64::NAN);
        Some(Ratio { median: median(&ratios), low: at(25), high: at(975), pairs: ratios.len() })
    }
}

/// splitmix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_odd_and_even_and_nothing() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_interval_holds_its_median_and_is_the_same_every_time() {
        let pairs: Vec<(f64, f64)> = (0..10).map(|n| (100.0 + f64::from(n), 100.0)).collect();
        let ratio = Ratio::of(&pairs).unwrap();
        assert!(ratio.low < ratio.median && ratio.median < ratio.high, "{ratio:?}");
        assert!(ratio.low >= 1.0 && ratio.high <= 1.09, "{ratio:?}");
        assert_eq!(Ratio::of(&pairs), Some(ratio));
    }

    #[test]
    fn a_drift_of_the_machine_leaves_the_ratio_alone() {
        let pairs: Vec<(f64, f64)> = (1..=10).map(|n| (f64::from(n) * 3.0, f64::from(n) * 2.0)).collect();
        let ratio = Ratio::of(&pairs).unwrap();
        assert!((ratio.low - 1.5).abs() < 1e-9 && (ratio.high - 1.5).abs() < 1e-9, "{ratio:?}");
        assert_eq!(Ratio::of(&[(1.0, 0.0)]), None);
    }
}
