//! What came of the calls, minute by minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures told one by one; the others are only counted.
const TOLD_MAX: usize = 20;

/// Shared by everybody who calls.
#[derive(Debug)]
pub(crate) struct Tally {
    start: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    minutes: Vec<Minute>,
    /// Answered as expected, by kind of call.
    passed: BTreeMap<&'static str, u64>,
    failed: u64,
    told: Vec<String>,
    /// Other things that were done: reloads, revocations.
    done: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default, Clone)]
struct Minute {
    passed: u64,
    failed: u64,
    /// Of calls that nothing delays on purpose, in microseconds.
    took_us: Vec<u32>,
    done: BTreeMap<&'static str, u64>,
}

// === impl Tally ===

impl Tally {
    pub(crate) const HEAD: &str =
        "minute   calls  failed   p50 ms   p99 ms   reloads  revocations  certificates  upgrades   MiB";

    pub(crate) fn new(minutes: usize) -> Tally {
        // One more: calls that began in the last minute may end after it.
        let minutes = vec![Minute::default(); minutes + 1];
        Tally { start: Instant::now(), inner: Mutex::new(Inner { minutes, ..Inner::default() }) }
    }

    /// A call was answered as expected; `took` where nothing delayed it on purpose.
    pub(crate) fn passed(&self, kind: &'static str, took: Option<Duration>) {
        self.passed_many(kind, 1, took);
    }

    /// So many of them.
    pub(crate) fn passed_many(&self, kind: &'static str, count: u64, took: Option<Duration>) {
        let mut inner = self.locked();
        *inner.passed.entry(kind).or_default() += count;
        if let Some(minute) = self.minute(&mut inner) {
            minute.passed += count;
            minute.took_us.extend(took.and_then(|took| u32::try_from(took.as_micros()).ok()));
        }
    }

    /// A call was not.
    pub(crate) fn failed(&self, kind: &str, what: impl std::fmt::Display) {
        let at = self.start.elapsed().as_secs();
        let mut inner = self.locked();
        inner.failed += 1;
        if let Some(minute) = self.minute(&mut inner) {
            minute.failed += 1;
        }
        if inner.told.len() < TOLD_MAX {
            let told = format!("{}:{:02} {kind}: {what}", at / 60, at % 60);
            // At once, too: nobody should wait an hour for it.
            eprintln!("failed: {told}");
            inner.told.push(told);
        }
    }

    /// Something else was done.
    pub(crate) fn done(&self, what: &'static str) {
        let mut inner = self.locked();
        *inner.done.entry(what).or_default() += 1;
        if let Some(minute) = self.minute(&mut inner) {
            *minute.done.entry(what).or_default() += 1;
        }
    }

    /// Minutes that are over.
    pub(crate) fn whole_minutes(&self) -> usize {
        usize::try_from(self.start.elapsed().as_secs() / 60).unwrap_or(usize::MAX)
    }

    /// One line of the table.
    pub(crate) fn line(&self, minute: usize, memory_mib: u64) -> String {
        let inner = self.locked();
        let mut row = inner.minutes.get(minute).cloned().unwrap_or_default();
        drop(inner);
        row.took_us.sort_unstable();
        let ms = |share: usize| {
            let at = (row.took_us.len() * share / 100).min(row.took_us.len().saturating_sub(1));
            f64::from(row.took_us.get(at).copied().unwrap_or(0)) / 1_000.0
        };
        let done = |what: &str| row.done.get(what).copied().unwrap_or(0);
        format!(
            "{:>6} {:>7} {:>7} {:>8.2} {:>8.2} {:>9} {:>12} {:>13} {:>9} {:>5}",
            minute + 1,
            row.passed,
            row.failed,
            ms(50),
            ms(99),
            done("reload"),
            done("revocation"),
            done("certificate"),
            done("upgrade"),
            memory_mib,
        )
    }

    /// Answered as expected, of one kind.
    pub(crate) fn of(&self, kind: &str) -> u64 {
        self.locked().passed.get(kind).copied().unwrap_or(0)
    }

    /// How often something else was done.
    pub(crate) fn count(&self, what: &str) -> u64 {
        self.locked().done.get(what).copied().unwrap_or(0)
    }

    pub(crate) fn failures(&self) -> (u64, Vec<String>) {
        let inner = self.locked();
        (inner.failed, inner.told.clone())
    }

    /// What was done, and how often, calls included.
    pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
        let inner = self.locked();
        inner.passed.iter().chain(&inner.done).map(|(what, count)| (*what, *count)).collect()
    }

    /// Since it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn minute<'i>(&self, inner: &'i mut Inner) -> Option<&'i mut Minute> {
        let last = inner.minutes.len().saturating_sub(1);
        inner.minutes.get_mut(self.whole_minutes().min(last))
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
