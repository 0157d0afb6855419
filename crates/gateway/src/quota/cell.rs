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
    /// The quota; an operator may change its amount.
    quota: ArcSwap<Quota>,
    /// What was leased before the gate started. A clock that ran ahead leaves it in a period that is still to come.
    booked: Option<Booked>,
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
    /// Calls that may be spent without asking; below zero when more was spent on credit than the store had.
    left: AtomicI64,
    /// What the store can still lease, as of its last answer; -1 while that is not known.
    in_store: AtomicI64,
    /// Given on credit before the first lease; taken off it.
    credit: AtomicI64,
    /// A request to the clerk is under way.
    asking: AtomicBool,
    /// The amount has changed since the block was leased: nothing of it is spent until the store has been asked again.
    stale: AtomicBool,
}

/// What the store had leased of a quota when the gate started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booked {
    /// First millisecond of the newest period that the store knows.
    pub start_ms: i64,
    /// Calls leased in it and not returned.
    pub calls: u64,
}

/// What came of taking one call. `ask` says that the clerk should be told to ask the store.
#[derive(Debug)]
pub enum Spent {
    /// Taken from this period's block.
    Taken {
        /// Whether to ask.
        ask: bool,
    },
    /// The quota of this period is used up.
    Exhausted {
        /// Whether to ask.
        ask: bool,
    },
    /// The block is empty, and the store has not said yet whether there is more.
    Unknown {
        /// Whether to ask.
        ask: bool,
    },
}

// === impl QuotaCell ===

impl QuotaCell {
    /// A cold cell: one block may be spent on credit, if the store had that much left when the gate started.
    #[must_use]
    pub fn new(subject: String, quota: Arc<Quota>, now_ms: i64, booked: Option<Booked>) -> QuotaCell {
        let period = ArcSwap::from_pointee(Span::new(&quota, now_ms, booked));
        QuotaCell { subject, quota: ArcSwap::new(quota), booked, period, answered: Notify::new() }
    }

    /// A cold cell beside another process that spends of the same quota: nothing on credit, the store is asked first.
    #[must_use]
    pub fn asking_first(subject: String, quota: Arc<Quota>, now_ms: i64) -> QuotaCell {
        let cell = QuotaCell::new(subject, quota, now_ms, None);
        let span = cell.period.load();
        span.left.store(0, Ordering::Release);
        span.credit.store(0, Ordering::Release);
        cell
    }

    /// The quota as of the latest configuration that was seen.
    #[must_use]
    pub fn quota(&self) -> Arc<Quota> {
        self.quota.load_full()
    }

    /// The quota's name in the store. With its period: a quota that an operator moves from day to month is another one, and
    /// must not look like a clock that jumped back.
    #[must_use]
    pub fn name(&self) -> String {
        store_name(&self.quota.load())
    }

    /// Takes a changed amount over. What was leased of this period still counts; what is left of the block goes back to the
    /// store before anything is spent under the new amount.
    pub fn follow(&self, quota: &Arc<Quota>) {
        if self.quota.load().amount != quota.amount {
            self.quota.store(Arc::clone(quota));
            let span = self.period.load();
            span.in_store.store(-1, Ordering::Release);
            span.stale.store(true, Ordering::Release);
        }
    }

    /// The period that a call at this moment belongs to. A clock that jumps back never reopens an earlier one.
    #[must_use]
    pub fn span(&self, now_ms: i64) -> Arc<Span> {
        let current = self.period.load_full();
        if now_ms < current.end_ms {
            return current;
        }
        let next = Arc::new(Span::new(&self.quota.load(), now_ms, self.booked));
        let before = self.period.compare_and_swap(&current, Arc::clone(&next));
        // Of several workers that see the period end, one installs the next, and all use that one.
        if Arc::ptr_eq(&before, &current) { next } else { self.period.load_full() }
    }

    /// Takes one call from the period of a moment, which must be this cell's.
    #[must_use]
    pub fn spend(&self, span: &Span) -> Spent {
        if span.stale.load(Ordering::Acquire) {
            return Spent::Unknown { ask: span.begin_asking() };
        }
        let take_one = |left: i64| (left > 0).then(|| left - 1);
        // What was given on credit is booked as soon as the first of it is spent: until then a crash would give it again.
        let on_credit = span.credit.load(Ordering::Acquire) != 0;
        let in_store = span.in_store.load(Ordering::Acquire);
        match span.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take_one) {
            Ok(before) => {
                let half = i64::try_from(self.quota.load().block().div_ceil(2)).unwrap_or(i64::MAX);
                let ask = (on_credit || before <= half && in_store != 0) && span.begin_asking();
                Spent::Taken { ask }
            }
            Err(_) if in_store == 0 => Spent::Exhausted { ask: on_credit && span.begin_asking() },
            Err(_) => Spent::Unknown { ask: span.begin_asking() },
        }
    }

    /// Calls left in a period as far as this node knows, for the `RateLimit` field.
    #[must_use]
    pub fn left(&self, span: &Span) -> u64 {
        let in_store = match span.in_store.load(Ordering::Acquire) {
            -1 => {
                let quota = self.quota.load();
                i64::try_from(quota.amount.saturating_sub(quota.block())).unwrap_or(i64::MAX)
            }
            known => known,
        };
        u64::try_from(span.left.load(Ordering::Acquire).max(0).saturating_add(in_store)).unwrap_or(0)
    }
}

/// A quota's name in the store.
pub(super) fn store_name(quota: &Quota) -> String {
    format!("{}/{}", quota.name, quota.period.name())
}

// === impl Span ===

impl Span {
    fn new(quota: &Quota, now_ms: i64, booked: Option<Booked>) -> Span {
        let (start_ms, end_ms) = quota.period.around(now_ms);
        // A later period than this one means that the clock went back while the gate was down: that one's state holds.
        let booked = booked.filter(|booked| booked.start_ms >= start_ms);
        let left_in_store = booked.map(|booked| quota.amount.saturating_sub(booked.calls));
        let credit = quota.block().min(left_in_store.unwrap_or(u64::MAX));
        let in_store = left_in_store.map_or(-1, |left| i64::try_from(left - credit).unwrap_or(i64::MAX));
        let credit = i64::try_from(credit).unwrap_or(i64::MAX);
        Span {
            start_ms,
            end_ms,
            left: AtomicI64::new(credit),
            in_store: AtomicI64::new(in_store),
            credit: AtomicI64::new(credit),
            asking: AtomicBool::new(false),
            stale: AtomicBool::new(false),
        }
    }

    fn begin_asking(&self) -> bool {
        !self.asking.swap(true, Ordering::AcqRel)
    }

    /// Whether a request to the clerk is under way.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.asking.load(Ordering::Acquire)
    }

    /// Gives one call back: a later rule refused it.
    pub fn give_back(&self) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    /// After a changed amount: takes everything unspent out, for the store. What was given on credit and not spent was
    /// never leased, and is not given any more.
    #[must_use]
    pub fn begin_anew(&self) -> u64 {
        if !self.stale.swap(false, Ordering::AcqRel) {
            return 0;
        }
        let unspent = self.take_left();
        let credit = self.credit.load(Ordering::Acquire);
        let never_leased = unspent.min(credit);
        self.credit.fetch_sub(never_leased, Ordering::AcqRel);
        u64::try_from(unspent - never_leased).unwrap_or(0)
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
        let settled = self.credit.load(Ordering::Acquire) == 0;
        if settled { u64::try_from(self.take_left()).unwrap_or(0) } else { 0 }
    }

    /// What was spent on credit and never settled with a lease.
    #[must_use]
    pub fn unsettled(&self) -> u64 {
        let credit = self.credit.load(Ordering::Acquire);
        u64::try_from(credit - self.left.load(Ordering::Acquire).max(0)).unwrap_or(0)
    }

    fn take_left(&self) -> i64 {
        let take_all = |left: i64| (left > 0).then_some(0);
        self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take_all).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use callgate_model::Subject;

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn quota(text: &str) -> Arc<Quota> {
        Arc::new(Quota::parse(text, &Subject::Consumer).unwrap())
    }

    fn cell(text: &str, booked: Option<Booked>) -> QuotaCell {
        QuotaCell::new("consumer:1".into(), quota(text), 0, booked)
    }

    /// `taken`, `exhausted` or `unknown`, with `?` when the clerk should ask.
    fn spend(cell: &QuotaCell, now_ms: i64) -> &'static str {
        match cell.spend(&cell.span(now_ms)) {
            Spent::Taken { ask: false } => "taken",
            Spent::Taken { ask: true } => "taken?",
            Spent::Exhausted { ask: false } => "exhausted",
            Spent::Exhausted { ask: true } => "exhausted?",
            Spent::Unknown { ask: false } => "unknown",
            Spent::Unknown { ask: true } => "unknown?",
        }
    }

    #[test]
    fn a_cold_subject_spends_one_block_on_credit_books_it_at_once_and_then_waits_for_the_store() {
        let cell = cell("400/day", None);
        assert_eq!([spend(&cell, 0), spend(&cell, 0), spend(&cell, 0)], ["taken?", "taken", "unknown"]);
        let span = cell.span(0);
        assert_eq!(span.wanted(2), 4);
        span.granted(4, 396);
        assert_eq!(cell.left(&cell.span(0)), 398);
        assert_eq!([spend(&cell, 0), spend(&cell, 0), spend(&cell, 0)], ["taken", "taken?", "unknown"]);
    }

    #[test]
    fn an_empty_store_exhausts_and_the_next_period_starts_anew() {
        let cell = cell("1/day", None);
        assert_eq!(spend(&cell, 0), "taken?");
        cell.span(0).granted(1, 0);
        assert_eq!(spend(&cell, 0), "exhausted");
        assert_eq!(spend(&cell, DAY_MS), "taken?");
        assert_eq!(spend(&cell, 0), "unknown", "the clock went back, the new period stays");
    }

    #[test]
    fn what_the_store_knew_at_the_start_bounds_the_credit() {
        for (booked, expect) in
            [(399, ["taken?", "exhausted"]), (400, ["exhausted", "exhausted"]), (500, ["exhausted", "exhausted"])]
        {
            let cell = cell("400/day", Some(Booked { start_ms: 0, calls: booked }));
            assert_eq!([spend(&cell, 0), spend(&cell, 0)], expect, "{booked} of 400 are booked");
            assert_eq!(spend(&cell, DAY_MS), "taken?");
        }
        let earlier = cell("400/day", Some(Booked { start_ms: -DAY_MS, calls: 400 }));
        assert_eq!(spend(&earlier, 0), "taken?", "another day's bookings say nothing");
        // The clock ran ahead, and was put right while the gate was down: both days are spent, and the one after is not.
        let ahead = cell("400/day", Some(Booked { start_ms: DAY_MS, calls: 400 }));
        assert_eq!([0, DAY_MS, 2 * DAY_MS].map(|now_ms| spend(&ahead, now_ms)), ["exhausted", "exhausted", "taken?"]);
    }

    #[test]
    fn a_changed_amount_spends_nothing_before_the_store_was_asked() {
        let cell = cell("800/day", None);
        assert_eq!(spend(&cell, 0), "taken?");
        cell.span(0).granted(8, 792);
        cell.follow(&quota("400/day"));
        assert_eq!([spend(&cell, 0), spend(&cell, 0)], ["unknown?", "unknown"]);
        let span = cell.span(0);
        assert_eq!((span.begin_anew(), span.begin_anew()), (7, 0), "8 leased, 1 spent");
        assert_eq!(span.wanted(2), 2);
        span.granted(2, 397);
        assert_eq!(cell.left(&cell.span(0)), 399);
        // And before the first lease: what was given on credit and not spent is gone.
        let cold = self::cell("800/day", None);
        assert_eq!(spend(&cold, 0), "taken?");
        cold.follow(&quota("400/day"));
        assert_eq!((cold.span(0).begin_anew(), cold.span(0).wanted(2)), (0, 3));
    }
}
