//! The generic cell rate algorithm: a limit in one number, the theoretical arrival time (TAT).
//!
//! A cell's TAT is the moment at which the bucket would be full again. A call is admitted when charging it keeps the TAT
//! within one burst of now. Pure: the caller keeps the number (an atomic at the gate) and knows the time. Nanoseconds,
//! monotonic. Source: ITU-T I.371 annex A, in the virtual-scheduling form.

/// A rate as GCRA wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Nanoseconds that one call costs. Rounded up when made, so a rate is never exceeded.
    pub interval_ns: u64,
    /// Calls that may come at once.
    pub burst: u64,
}

/// What a charge would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The call fits; the cell's TAT becomes this.
    Admit {
        /// The new TAT to store.
        tat_ns: u64,
    },
    /// The call does not fit, and nothing changes; it would fit after this long.
    Refuse {
        /// Nanoseconds until the same charge fits.
        wait_ns: u64,
    },
}

// === impl Rate ===

impl Rate {
    /// Whether `cost` calls fit into a cell with this TAT at this moment.
    #[must_use]
    pub fn charge(self, tat_ns: u64, now_ns: u64, cost: u64) -> Verdict {
        let tolerance_ns = self.interval_ns.saturating_mul(self.burst);
        let charged_ns = tat_ns.max(now_ns).saturating_add(self.interval_ns.saturating_mul(cost));
        let latest_ns = now_ns.saturating_add(tolerance_ns);
        if charged_ns <= latest_ns {
            Verdict::Admit { tat_ns: charged_ns }
        } else {
            Verdict::Refuse { wait_ns: charged_ns - latest_ns }
        }
    }

    /// Whole calls that are left in a cell.
    #[must_use]
    pub fn left(self, tat_ns: u64, now_ns: u64) -> u64 {
        let used_ns = tat_ns.saturating_sub(now_ns);
        self.interval_ns.saturating_mul(self.burst).saturating_sub(used_ns) / self.interval_ns.max(1)
    }

    /// Seconds, rounded up, until a cell is full again.
    #[must_use]
    pub fn full_in_s(self, tat_ns: u64, now_ns: u64) -> u64 {
        tat_ns.saturating_sub(now_ns).div_ceil(1_000_000_000)
    }

    /// The window of the `RateLimit-Policy` field: burst over rate, in whole seconds, at least one.
    #[must_use]
    pub fn window_s(self) -> u64 {
        self.interval_ns.saturating_mul(self.burst).div_ceil(1_000_000_000).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The twin: a bucket counted in whole calls with a timestamp each. In any window of `burst + n` admitted calls,
        /// at least `n` intervals have passed.
        #[test]
        fn never_admits_more_than_burst_plus_elapsed(
            interval_ns in 1_u64..1_000_000, burst in 1_u64..50,
            steps in proptest::collection::vec(0_u64..2_000_000, 1..300),
        ) {
            let rate = Rate { interval_ns, burst };
            let (mut now, mut tat) = (1 << 40, 0);
            let mut admitted = Vec::new();
            for step in steps {
                now += step;
                if let Verdict::Admit { tat_ns } = rate.charge(tat, now, 1) { tat = tat_ns; admitted.push(now); }
            }
            for (first, start) in admitted.iter().enumerate() {
                for (last, end) in admitted.iter().enumerate().skip(first) {
                    let count = (last - first + 1) as u64;
                    prop_assert!(count <= burst + (end - start) / interval_ns, "{count} calls in {} ns", end - start);
                }
            }
        }

        /// Waiting as long as a refusal said is enough, and a nanosecond less is not.
        #[test]
        fn the_wait_is_exact(interval_ns in 1_u64..1_000_000, burst in 1_u64..50, ahead in 0_u64..10_000_000) {
            let rate = Rate { interval_ns, burst };
            let now = 1 << 40;
            if let Verdict::Refuse { wait_ns } = rate.charge(now + ahead, now, 1) {
                let admitted = matches!(rate.charge(now + ahead, now + wait_ns, 1), Verdict::Admit { .. });
                let refused = matches!(rate.charge(now + ahead, now + wait_ns - 1, 1), Verdict::Refuse { .. });
                prop_assert!(admitted && refused);
            }
        }
    }

    #[test]
    fn a_fresh_cell_holds_exactly_its_burst() {
        let rate = Rate { interval_ns: 100_000_000, burst: 10 };
        let (now, mut tat) = (1 << 40, 0);
        for call in 0..10 {
            assert_eq!(rate.left(tat, now), 10 - call);
            let Verdict::Admit { tat_ns } = rate.charge(tat, now, 1) else { panic!("call {call} refused") };
            tat = tat_ns;
        }
        assert_eq!(rate.charge(tat, now, 1), Verdict::Refuse { wait_ns: 100_000_000 });
    }
}
