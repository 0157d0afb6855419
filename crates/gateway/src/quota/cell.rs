//! One subject's quota on this node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use callgate_model::Quota;
use tokio::sync::Notify;

/// What this node may still spend for one subject under one quota.
#[derive(Debug)]
pub struct QuotaCell {
    /// `consumer:7` or `key:Ab3…`, as the store knows it.
    pub subject: String,
    /// The quota.
    pub quota: Arc<Quota>,
    /// The running period. Replaced whole when it ends, so that a late charge goes to the period it was made in.
    period: ArcSwap<Span>,
    /// Woken by the clerk after every answer of the store.
    pub(super) answered: Notify,
}

/// One calendar period of one cell.
#[derive(Debug)]
pub struct Span {
    /// First millisecond.
    pub start_ms: i64,
    /// First millisecond after it.
    pub end_ms: i64,
    /// Calls that may be spent without asking; below zero only for an instant, or while a credit is unsettled.
    left: AtomicI64,
    /// What the store can still lease, as of its last answer; -1 before the first.
    in_store: AtomicI64,
    /// Spent on credit before the first lease; taken off it.
    credit: AtomicI64,
    /// A request to the clerk is under way.
    asking: AtomicBool,
}

/// What came of taking one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Taken. `ask` says that the clerk should be told to fetch the next block.
    Taken {
        /// Whether to ask for more.
        ask: bool,
    },
    /// The quota of this period is used up.
    Exhausted {
        /// When the next one begins.
        next_ms: i64,
    },
    /// The block is empty, and the store has not said yet whether there is more.
    Unknown {
        /// Whether to ask for more.
        ask: bool,
    },
}

// === impl QuotaCell ===

impl QuotaCell {
    /// A cold cell: nothing is known of the subject yet, one block may be spent on credit.
    #[must_use]
    pub fn new(subject: String, quota: Arc<Quota>, now_ms: i64) -> QuotaCell {
        let span = Span::new(&quota, now_ms);
        QuotaCell { subject, quota, period: ArcSwap::from_pointee(span), answered: Notify::new() }
    }

    /// The quota's name in the store. With its period: a quota that an operator moves from day to month is another one, and
    /// must not look like a clock that jumped back.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.quota.name, self.quota.period.name())
    }

    /// The period that a call at this moment belongs to. A clock that jumps back never reopens an earlier one.
    #[must_use]
    pub fn span(&self, now_ms: i64) -> Arc<Span> {
        let current = self.period.load_full();
        if now_ms < current.end_ms {
            return current;
        }
        let next = Arc::new(Span::new(&self.quota, now_ms));
        let before = self.period.compare_and_swap(&current, Arc::clone(&next));
        // Of several workers that see the period end, one installs the next, and all use that one.
        if Arc::ptr_eq(&before, &current) { next } else { self.period.load_full() }
    }

    /// Takes one call.
    #[must_use]
    pub fn spend(&self, now_ms: i64) -> Spent {
        let span = self.span(now_ms);
        let before = span.left.fetch_sub(1, Ordering::AcqRel);
        if before >= 1 {
            let half = i64::try_from(self.quota.block().div_ceil(2)).unwrap_or(i64::MAX);
            return Spent::Taken {
                ask: before <= half && span.in_store.load(Ordering::Acquire) != 0 && span.begin_asking(),
            };
        }
        span.left.fetch_add(1, Ordering::AcqRel);
        if span.in_store.load(Ordering::Acquire) == 0 {
            return Spent::Exhausted { next_ms: span.end_ms };
        }
        Spent::Unknown { ask: span.begin_asking() }
    }

    /// Gives one call back: a later rule refused it.
    pub fn give_back(&self, now_ms: i64) {
        self.span(now_ms).left.fetch_add(1, Ordering::AcqRel);
    }

    /// Calls left in this period as far as this node knows, for the `RateLimit` field.
    #[must_use]
    pub fn left(&self, now_ms: i64) -> u64 {
        let span = self.span(now_ms);
        let in_store = match span.in_store.load(Ordering::Acquire) {
            -1 => i64::try_from(self.quota.amount.saturating_sub(self.quota.block())).unwrap_or(i64::MAX),
            known => known,
        };
        u64::try_from(span.left.load(Ordering::Acquire).max(0).saturating_add(in_store)).unwrap_or(0)
    }
}

// === impl Span ===

impl Span {
    fn new(quota: &Quota, now_ms: i64) -> Span {
        let (start_ms, end_ms) = quota.period.around(now_ms);
        let block = i64::try_from(quota.block()).unwrap_or(i64::MAX);
        Span {
            start_ms,
            end_ms,
            left: AtomicI64::new(block),
            in_store: AtomicI64::new(-1),
            credit: AtomicI64::new(block),
            asking: AtomicBool::new(false),
        }
    }

    fn begin_asking(&self) -> bool {
        !self.asking.swap(true, Ordering::AcqRel)
    }

    /// How much to ask the store for: a block, and the credit that is not settled yet.
    #[must_use]
    pub fn wanted(&self, block: u64) -> u64 {
        block + u64::try_from(self.credit.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// Takes the store's answer in.
    pub fn granted(&self, granted: u64, left_in_store: u64) {
        let granted = i64::try_from(granted).unwrap_or(i64::MAX);
        let credit = self.credit.swap(0, Ordering::AcqRel);
        self.left.fetch_add(granted - credit, Ordering::AcqRel);
        self.in_store.store(i64::try_from(left_in_store).unwrap_or(i64::MAX), Ordering::Release);
        self.asking.store(false, Ordering::Release);
    }

    /// The store did not answer; the next call may ask again.
    pub fn unanswered(&self) {
        self.asking.store(false, Ordering::Release);
    }

    /// Takes everything unspent out, to return it to the store on a clean stop.
    #[must_use]
    pub fn take_unspent(&self) -> u64 {
        let settled = self.in_store.load(Ordering::Acquire) >= 0;
        if settled { u64::try_from(self.left.swap(0, Ordering::AcqRel)).unwrap_or(0) } else { 0 }
    }

    /// What was spent on credit and never settled with a lease.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        let credit = self.credit.load(Ordering::Acquire);
        u64::try_from(credit - self.left.load(Ordering::Acquire).max(0)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use callgate_model::Subject;

    use super::*;

    fn cell(quota: &str) -> QuotaCell {
        let quota = Quota::parse(quota, &Subject::Consumer).unwrap();
        QuotaCell::new("consumer:1".into(), Arc::new(quota), 0)
    }

    #[test]
    fn a_cold_subject_spends_one_block_on_credit_and_then_waits_for_the_store() {
        let cell = cell("400/day");
        assert_eq!(cell.spend(0), Spent::Taken { ask: false });
        assert_eq!(cell.spend(0), Spent::Taken { ask: true });
        assert_eq!(cell.spend(0), Spent::Unknown { ask: false });
        let span = cell.span(0);
        assert_eq!(span.wanted(2), 4);
        span.granted(4, 396);
        assert_eq!(cell.left(0), 398);
        assert!(matches!(cell.spend(0), Spent::Taken { .. }));
    }

    #[test]
    fn an_empty_store_exhausts_and_the_next_period_starts_anew() {
        let cell = cell("1/day");
        assert!(matches!(cell.spend(0), Spent::Taken { .. }));
        cell.span(0).granted(1, 0);
        let day_ms = 86_400_000;
        assert_eq!(cell.spend(0), Spent::Exhausted { next_ms: day_ms });
        assert!(matches!(cell.spend(day_ms), Spent::Taken { .. }));
        assert!(!matches!(cell.spend(0), Spent::Exhausted { .. }), "the clock went back, the new period stays");
    }
}
