//! The clerk: a task beside the data plane that fetches blocks of quota from the store and returns what is left.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use callgate_model::refusal::Refused;
use callgate_model::{Clock, Code, Quota, Refusal};
use callgate_store::{Store, StoreError};
use tokio::sync::mpsc;

use super::cell::{Booked, QuotaCell, Span, Spent, store_name};

/// How long a call waits for the clerk when its block is empty and nobody knows whether there is more (DESIGN section 2,
/// principle 4).
const WAIT_MAX: Duration = Duration::from_millis(500);
/// How long a stop waits for leases that are under way. Longer than a call, because what it gave up on would be lost.
const RETURN_WITHIN: Duration = Duration::from_secs(5);
/// How long the clerk lets a store rest that did not take a lease. Without a pause every waiting call would ask it again at once,
/// and a full disk would be asked, and told of, thousands of times a second.
const REST_AFTER_TROUBLE: Duration = Duration::from_millis(100);
/// Requests under way. One per cell at most, so this bounds the subjects that run dry in one instant.
const REQUESTS_MAX: usize = 65_536;

/// Ask for the next block of this cell.
pub type LeaseRequest = Arc<QuotaCell>;

/// Every quota cell of this node. Shared by the workers; reading it takes no lock.
#[derive(Debug)]
pub struct Quotas {
    cells: papaya::HashMap<(u64, u64), Arc<QuotaCell>>,
    /// What the store had leased when the gate started, by subject and quota.
    booked: OnceLock<HashMap<(String, String), Booked>>,
    /// Another process still leases: what was recalled would soon be too little.
    beside_another: AtomicBool,
    requests: mpsc::Sender<LeaseRequest>,
    clock: Clock,
}

/// The task's side.
#[derive(Debug)]
pub struct Clerk {
    requests: mpsc::Receiver<LeaseRequest>,
}

// === impl Quotas ===

impl Quotas {
    /// The workers' side and the clerk's.
    #[must_use]
    pub fn new(clock: Clock) -> (Arc<Quotas>, Clerk) {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let quotas = Quotas {
            cells: papaya::HashMap::new(),
            booked: OnceLock::new(),
            beside_another: AtomicBool::new(false),
            requests: sender,
            clock,
        };
        (Arc::new(quotas), Clerk { requests })
    }

    /// Recalls what was leased before, so that a restart gives nobody a block on credit who has none left. To be called
    /// before the first call is taken.
    ///
    /// # Errors
    /// What the store says.
    pub async fn recall(&self, store: &Store) -> Result<(), StoreError> {
        let usage = store.quota_usage_all().await?;
        let booked = usage.into_iter().map(|usage| {
            let booked = Booked { start_ms: usage.period_start_ms, calls: usage.granted };
            ((usage.subject, usage.quota), booked)
        });
        // A second recall would be of this run's own leases.
        self.booked.get_or_init(|| booked.collect());
        Ok(())
    }

    /// Instead of [`Quotas::recall`] where another process still spends of the same quotas: nobody gets a block on credit, the
    /// store is asked first.
    pub fn begin_beside_another(&self) {
        self.beside_another.store(true, Ordering::Release);
    }

    /// The cell of a subject (its number, and how the store calls it) under a quota.
    pub fn cell(
        &self,
        subject: u64,
        name: impl FnOnce() -> String,
        quota: &Arc<Quota>,
        fingerprint: u64,
    ) -> Arc<QuotaCell> {
        let cells = self.cells.pin();
        let key = (subject, fingerprint);
        let cell = match cells.get(&key) {
            Some(cell) => Arc::clone(cell),
            // Of two workers that meet a cold subject, both get the cell of the first.
            None => Arc::clone(cells.get_or_insert_with(key, || {
                let subject = name();
                if self.beside_another.load(Ordering::Acquire) {
                    return Arc::new(QuotaCell::asking_first(subject, Arc::clone(quota), self.clock.unix_ms()));
                }
                let booked = self.booked.get().and_then(|all| all.get(&(subject.clone(), store_name(quota))));
                Arc::new(QuotaCell::new(subject, Arc::clone(quota), self.clock.unix_ms(), booked.copied()))
            })),
        };
        cell.follow(quota);
        cell
    }

    /// Takes one call from a cell, waiting for the clerk if only the store knows; `now_ms` is when the call began. The
    /// period is the one that was asked, and where the call is given back to, should a later rule refuse it.
    ///
    /// # Errors
    /// `quota_exhausted`, or `store_unavailable` when the store did not answer in time.
    pub async fn spend(&self, cell: &Arc<QuotaCell>, now_ms: i64) -> (Arc<Span>, Result<(), Refused>) {
        let span = cell.span(now_ms);
        match self.try_spend(cell, &span) {
            Some(judgement) => (span, judgement),
            // Rare, and large: in a box it is no part of every call.
            None => Box::pin(self.spend_when_known(cell)).await,
        }
    }

    /// None when only the store knows; it is being asked then.
    fn try_spend(&self, cell: &Arc<QuotaCell>, span: &Arc<Span>) -> Option<Result<(), Refused>> {
        let spent = cell.spend(span);
        let (Spent::Taken { ask } | Spent::Exhausted { ask } | Spent::Unknown { ask }) = spent;
        if ask {
            self.ask(cell);
        }
        match spent {
            Spent::Taken { .. } => Some(Ok(())),
            Spent::Exhausted { .. } => Some(Err(self.exhausted(cell, span.end_ms))),
            Spent::Unknown { .. } => None,
        }
    }

    async fn spend_when_known(&self, cell: &Arc<QuotaCell>) -> (Arc<Span>, Result<(), Refused>) {
        let give_up = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            // Listen before looking, so that an answer between the two is not missed.
            let answered = cell.answered.notified();
            // The wait may have led into the next period.
            let span = cell.span(self.clock.unix_ms());
            if let Some(judgement) = self.try_spend(cell, &span) {
                return (span, judgement);
            }
            if tokio::time::timeout_at(give_up, answered).await.is_err() {
                return (span, Err(not_told_in_time()));
            }
        }
    }

    fn ask(&self, cell: &Arc<QuotaCell>) {
        if self.requests.try_send(Arc::clone(cell)).is_err() {
            cell.span(self.clock.unix_ms()).unanswered();
        }
    }

    fn exhausted(&self, cell: &QuotaCell, next_ms: i64) -> Refused {
        let quota = cell.quota();
        let wait_ms = u64::try_from(next_ms - self.clock.unix_ms()).unwrap_or(0);
        let detail = format!("Quota `{}` ({}) of this {} is used up.", quota.name, quota.text, quota.period.name());
        Refusal::new(Code::QuotaExhausted, detail)
            .gate_side(format!("{} spent all {} calls of the {}", cell.subject, quota.amount, quota.period.name()))
            .retry_after_ns(wait_ms.saturating_mul(1_000_000))
    }

    /// Returns every unspent block, on a clean stop: after the last call, while the clerk still runs.
    pub async fn return_all(&self, store: &Store) {
        let now_ms = self.clock.unix_ms();
        let cells: Vec<Arc<QuotaCell>> = self.cells.pin().values().cloned().collect();
        let give_up = tokio::time::Instant::now() + RETURN_WITHIN;
        for cell in cells {
            let span = cell.span(now_ms);
            // A lease that is under way would be booked beside what is returned here.
            loop {
                let answered = cell.answered.notified();
                if !span.is_asking() || tokio::time::timeout_at(give_up, answered).await.is_err() {
                    break;
                }
            }
            // What went out on credit and was never leased is booked now, so that a restart does not give it again.
            let unsettled = span.unsettled();
            let unspent = span.take_unspent();
            let booked = if unsettled > 0 {
                store
                    .quota_lease(&cell.subject, &cell.name(), span.start_ms, cell.quota().amount, unsettled)
                    .await
                    .map(drop)
            } else if unspent > 0 {
                store.quota_return(&cell.subject, &cell.name(), span.start_ms, unspent).await.map(drop)
            } else {
                Ok(())
            };
            if let Err(error) = booked {
                tracing::warn!(subject = cell.subject, %error, "a block of quota could not be returned and is lost");
            }
        }
    }
}

fn not_told_in_time() -> Refused {
    Refusal::new(Code::StoreUnavailable, "The quota of this call could not be looked up in time.")
        .gate_side("the store did not lease a block of quota within 500 ms")
        .retry_after_ns(1)
}

// === impl Clerk ===

impl Clerk {
    /// Serves requests until the workers' side is gone.
    pub async fn run(mut self, store: Store, clock: Clock) {
        let mut in_trouble = false;
        while let Some(cell) = self.requests.recv().await {
            let span = cell.span(clock.unix_ms());
            let quota = cell.quota();
            let unspent = span.begin_anew();
            if unspent > 0
                && let Err(error) = store.quota_return(&cell.subject, &cell.name(), span.start_ms, unspent).await
            {
                tracing::warn!(subject = cell.subject, %error, "a block of quota could not be returned and is lost");
            }
            let wanted = span.wanted(quota.block());
            match store.quota_lease(&cell.subject, &cell.name(), span.start_ms, quota.amount, wanted).await {
                Ok(lease) => {
                    span.granted(lease.granted, lease.left_after);
                    if std::mem::take(&mut in_trouble) {
                        tracing::info!("quota can be leased again");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut in_trouble, true) {
                        tracing::warn!(subject = cell.subject, %error, "no quota could be leased; said once until it can");
                    }
                    tokio::time::sleep(REST_AFTER_TROUBLE).await;
                    span.unanswered();
                }
            }
            cell.answered.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use callgate_model::Subject;

    use super::*;

    #[tokio::test]
    async fn a_store_that_takes_no_lease_is_left_to_rest() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let store = Store::open(&folder.path().join("data"), clock.clone()).await.unwrap();
        store.clone().close().await;
        let (quotas, clerk) = Quotas::new(clock.clone());
        quotas.begin_beside_another();
        let quota = Arc::new(Quota::parse("400/day", &Subject::Consumer).unwrap());
        let cell = quotas.cell(1, || "consumer:1".to_owned(), &quota, 7);
        let answers = Arc::new(AtomicU32::new(0));
        let (counted, heard) = (Arc::clone(&answers), Arc::clone(&cell));
        let listening = tokio::spawn(async move {
            loop {
                heard.answered.notified().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        tokio::spawn(clerk.run(store, clock.clone()));
        let (_, judgement) = quotas.spend(&cell, clock.unix_ms()).await;
        assert_eq!(judgement.unwrap_err().code, Code::StoreUnavailable);
        listening.abort();
        // One a rest, for as long as a call waits.
        let most = u32::try_from(WAIT_MAX.as_millis() / REST_AFTER_TROUBLE.as_millis()).unwrap() + 1;
        let answers = answers.load(Ordering::Relaxed);
        assert!((1..=most).contains(&answers), "{answers}");
    }
}
