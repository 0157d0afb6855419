//! What goes to `calls.db`: usage and recent calls, one write at a time, beside the recorder's own work.
//!
//! A database that is busy for seconds holds up nothing: meanwhile usage is added up in memory and recent calls wait, both
//! within bounds. What a failed write did not take is given back and tried again a second later.

use std::future;
use std::sync::atomic::{AtomicU64, Ordering};

use callgate_model::CallRecord;
use callgate_store::{CallsDb, StoreError, StoredCall, UsageRow};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::recent::Recent;
use crate::tallies::Tallies;

/// Rows in one transaction: a few milliseconds of work, so that others that write to the file get their turn.
const ROWS_PER_WRITE: usize = 2_048;

/// What became of the calls and the usage; for the metrics.
#[derive(Debug, Default)]
pub(crate) struct StoreCounts {
    pub(crate) calls_not_stored: AtomicU64,
    pub(crate) usage_lost: AtomicU64,
    pub(crate) errors: AtomicU64,
}

/// The way to the database.
#[derive(Debug)]
pub(super) struct Keeping {
    database: CallsDb,
    recent: Recent,
    writing: Option<JoinHandle<Written>>,
    /// Whoever waits for the write that is running, and for the next one.
    waiting: Vec<oneshot::Sender<bool>>,
    waiting_next: Vec<oneshot::Sender<bool>>,
    /// A failure is said once, not every second.
    failing: bool,
}

/// The end of a write: what is left was not taken.
#[derive(Debug, Default)]
pub(super) struct Written {
    usage: Vec<UsageRow>,
    calls: Vec<StoredCall>,
    error: Option<StoreError>,
}

// === impl Keeping ===

impl Keeping {
    pub(super) fn new(database: CallsDb) -> Keeping {
        Keeping {
            database,
            recent: Recent::default(),
            writing: None,
            waiting: Vec::new(),
            waiting_next: Vec::new(),
            failing: false,
        }
    }

    /// Takes the record of a call that has been counted.
    pub(super) fn add(&mut self, record: Box<CallRecord>, now_ns: u64) {
        self.recent.add(record, now_ns);
    }

    /// Begins to write what was gathered, unless a write is running.
    pub(super) fn write(&mut self, tallies: &mut Tallies, now_ns: u64) {
        if self.writing.is_some() {
            return;
        }
        self.recent.roll(now_ns);
        let (calls, usage) = (self.recent.take(), tallies.usage.take(&tallies.names));
        if calls.is_empty() && usage.is_empty() && self.waiting_next.is_empty() {
            return;
        }
        self.waiting = std::mem::take(&mut self.waiting_next);
        self.writing = Some(tokio::spawn(write(self.database.clone(), usage, calls)));
    }

    /// Writes what was gathered; the receiver hears whether the database took it.
    pub(super) fn flush(&mut self, tallies: &mut Tallies, now_ns: u64) -> oneshot::Receiver<bool> {
        let (done, heard) = oneshot::channel();
        self.waiting_next.push(done);
        self.write(tallies, now_ns);
        heard
    }

    /// Waits for the write that is running; for ever when none is. May be dropped and called again.
    pub(super) async fn written(&mut self) -> Written {
        let Some(writing) = &mut self.writing else { return future::pending().await };
        // Only a panic ends a write without a word; its rows are gone with it.
        let written = writing.await.unwrap_or_default();
        self.writing = None;
        written
    }

    /// Deals with the end of a write, and begins the next where somebody waits for it.
    pub(super) fn after(&mut self, written: Written, tallies: &mut Tallies, counts: &StoreCounts, now_ns: u64) {
        let took_all = written.error.is_none();
        self.say(written.error.as_ref());
        counts.errors.fetch_add(u64::from(!took_all), Ordering::Relaxed);
        tallies.usage.give_back(&written.usage, &mut tallies.names);
        self.recent.give_back(written.calls);
        counts.usage_lost.store(tallies.usage.lost, Ordering::Relaxed);
        counts.calls_not_stored.store(self.recent.not_stored, Ordering::Relaxed);
        for waiting in self.waiting.drain(..) {
            // Whoever waited may have had enough.
            waiting.send(took_all).unwrap_or_default();
        }
        if !self.waiting_next.is_empty() {
            self.write(tallies, now_ns);
        }
    }

    fn say(&mut self, error: Option<&StoreError>) {
        match error {
            Some(error) if !self.failing => {
                tracing::error!(%error, "calls.db did not take usage and recent calls; they wait in memory, within bounds");
            }
            None if self.failing => tracing::warn!("calls.db takes usage and recent calls again"),
            _ => {}
        }
        self.failing = error.is_some();
    }
}

/// Usage first: it is what may not be lost.
async fn write(database: CallsDb, mut usage: Vec<UsageRow>, mut calls: Vec<StoredCall>) -> Written {
    while !usage.is_empty() {
        let count = usage.len().min(ROWS_PER_WRITE);
        if let Err(error) = database.add_usage(usage.get(..count).unwrap_or_default()).await {
            return Written { usage, calls, error: Some(error) };
        }
        usage.drain(..count);
    }
    while !calls.is_empty() {
        let count = calls.len().min(ROWS_PER_WRITE);
        if let Err(error) = database.insert_calls(calls.get(..count).unwrap_or_default()).await {
            return Written { usage, calls, error: Some(error) };
        }
        calls.drain(..count);
    }
    Written::default()
}
