//! The workers' end of the recorder.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use callgate_model::{CallId, CallRecord, Clock};
use callgate_store::{CallFilter, CallsDb};
use crossbeam_queue::ArrayQueue;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::keeping::StoreCounts;
use crate::RecordsError;
use crate::access_log::LogCounts;
use crate::dropped::Dropped;
use crate::follow::Follow;
use crate::messages;
use crate::metrics::{Gauges, Kind, Outside};
use crate::stats::Stats;
use crate::tallies::Tallies;

/// A flush that a stuck target holds up ends after this.
const FLUSH_TIME_MAX: Duration = Duration::from_secs(10);

/// What workers, scrapes and the recorder share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Calls that were answered by an upstream.
    pub(crate) calls: ArrayQueue<Box<CallRecord>>,
    /// Refused calls, apart: a flood of good calls must not hide an attack, nor a flood of refusals the good calls.
    pub(crate) refusals: ArrayQueue<Box<CallRecord>>,
    pub(crate) calls_dropped: Dropped,
    pub(crate) refusals_dropped: Dropped,
    /// Locked by the recorder for a batch at a time, and by scrapes. Never by a worker.
    pub(crate) tallies: Mutex<Tallies>,
    pub(crate) gauges: Mutex<Gauges>,
    pub(crate) log_counts: Arc<LogCounts>,
    pub(crate) store_counts: StoreCounts,
    pub(crate) config_generation: AtomicU64,
    pub(crate) clock: Clock,
    pub(crate) database: Option<CallsDb>,
    /// Weak, so that followers hear the end when the recorder's own sender is gone.
    pub(crate) followers: broadcast::WeakSender<Arc<CallRecord>>,
    pub(crate) commands: mpsc::Sender<Command>,
}

/// An order to the recorder. Every one wakes it.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer when everything recorded before this has been written; false when the database did not take it.
    Flush(oneshot::Sender<bool>),
    /// Open the access log's file anew.
    ReopenLog,
    /// Write everything and end.
    Stop,
}

/// What is missing from what is kept, since the gate started. Calls themselves are never among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Records that were dropped because the recorder was starved: missing everywhere.
    pub records: u64,
    /// Lines of the access log that its target did not take.
    pub log_lines: u64,
    /// Recent calls that `calls.db` was too busy for.
    pub recent_calls: u64,
    /// Calls missing from stored usage.
    pub usage: u64,
    /// Messages of the gate itself that standard error did not take.
    pub messages: u64,
}

/// Where calls are recorded. Cheap to clone; one for every worker.
#[derive(Debug, Clone)]
pub struct RecorderHandle(pub(crate) Arc<Shared>);

// === impl RecorderHandle ===

impl RecorderHandle {
    /// Records one call: one push into a queue. Never blocks; a full queue drops the record and counts it.
    pub fn record(&self, record: Box<CallRecord>) {
        let (queue, dropped) = if record.refusal.is_some() {
            (&self.0.refusals, &self.0.refusals_dropped)
        } else {
            (&self.0.calls, &self.0.calls_dropped)
        };
        if let Err(record) = queue.push(record) {
            dropped.count(record.status);
        }
    }

    /// Waits until everything recorded before this is in the log, the metrics and the database. False when that took
    /// longer than ten seconds, the database did not take it, or the recorder has ended.
    pub async fn flush(&self) -> bool {
        let flushing = async {
            let (done, heard) = oneshot::channel();
            self.0.commands.send(Command::Flush(done)).await.is_ok() && heard.await.unwrap_or(false)
        };
        tokio::time::timeout(FLUSH_TIME_MAX, flushing).await.unwrap_or(false)
    }

    /// Opens the access log's file anew, after a rotation moved the old one away.
    pub fn reopen_log(&self) {
        if self.0.commands.try_send(Command::ReopenLog).is_err() {
            tracing::warn!("the access log was not opened anew: the recorder is busy or has ended; try again");
        }
    }

    /// Everything counted so far, in the Prometheus text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let outside = self.0.outside();
        let gauges = locked(&self.0.gauges);
        let tallies = locked(&self.0.tallies);
        tallies.metrics.expose(&tallies.names, &gauges, &outside)
    }

    /// What happened in the last ten seconds and the last minute.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (at_ms, now_ns) = (self.0.clock.unix_ms(), self.0.clock.mono_ns());
        let tallies = locked(&self.0.tallies);
        Stats { dropped: self.0.dropped(), ..tallies.stats.snapshot(&tallies.names, at_ms, now_ns) }
    }

    /// Calls as they come, from now on; none when the recorder has ended.
    #[must_use]
    pub fn follow(&self, filter: CallFilter) -> Option<Follow> {
        Some(Follow::new(self.0.followers.upgrade()?.subscribe(), filter))
    }

    /// Kept calls, newest first, those recorded just now included.
    ///
    /// # Errors
    /// When nothing is kept, or the database does not answer.
    pub async fn find(&self, filter: CallFilter) -> Result<Vec<CallRecord>, RecordsError> {
        let database = self.settled().await?;
        Ok(database.find_calls(filter).await?)
    }

    /// One kept call, also when it was recorded just now.
    ///
    /// # Errors
    /// When nothing is kept, or the database does not answer.
    pub async fn get(&self, id: CallId) -> Result<Option<CallRecord>, RecordsError> {
        let database = self.settled().await?;
        Ok(database.get_call(id).await?)
    }

    async fn settled(&self) -> Result<&CallsDb, RecordsError> {
        let database = self.0.database.as_ref().ok_or(RecordsError::NotKept)?;
        if !self.flush().await {
            tracing::warn!("the newest calls are not in calls.db yet; what is there is shown");
        }
        Ok(database)
    }

    /// Adds a gauge of another part of the gate; it is read at every scrape. The same name and labels again replace it.
    pub fn register_gauge(&self, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        self.register_gauge_with(name, help, &[], read);
    }

    /// The same with labels, one registration for each set of them.
    pub fn register_gauge_with(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        locked(&self.0.gauges).register(name, Kind::Gauge, help, labels, Box::new(read));
    }

    /// Adds a counter of another part of the gate, which only grows.
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^52")]
    pub fn register_counter_with(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        locked(&self.0.gauges).register(name, Kind::Counter, help, labels, Box::new(move || read() as f64));
    }

    /// Adds a family of gauges whose label sets come and go with the configuration: `read` gives the values of all `labels`
    /// of each, and what it reads.
    pub fn register_gauges(
        &self,
        name: &str,
        help: &str,
        labels: &'static [&'static str],
        read: impl Fn() -> Vec<(Vec<String>, f64)> + Send + Sync + 'static,
    ) {
        locked(&self.0.gauges).register_all(name, help, labels, Box::new(read));
    }

    /// Says which configuration the gate runs, counted from 1.
    pub fn set_config_generation(&self, generation: u64) {
        self.0.config_generation.store(generation, Ordering::Relaxed);
    }

    /// What is missing from what is kept.
    #[must_use]
    pub fn lost(&self) -> Lost {
        let counts = &self.0.store_counts;
        Lost {
            records: self.0.dropped(),
            log_lines: self.0.log_counts.lost.load(Ordering::Relaxed),
            recent_calls: counts.calls_not_stored.load(Ordering::Relaxed),
            usage: counts.usage_lost.load(Ordering::Relaxed),
            messages: messages::lost(),
        }
    }

    /// Records that were dropped so far because a queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }
}

// === impl Shared ===

impl Shared {
    pub(crate) fn dropped(&self) -> u64 {
        self.calls_dropped.total() + self.refusals_dropped.total()
    }

    fn outside(&self) -> Outside {
        let calls = self.calls_dropped.by_class().map(|(class, count)| ("calls", class, count));
        let refusals = self.refusals_dropped.by_class().map(|(class, count)| ("refusals", class, count));
        Outside {
            dropped: calls.chain(refusals).collect(),
            log_lines: self.log_counts.written.load(Ordering::Relaxed),
            log_lines_lost: self.log_counts.lost.load(Ordering::Relaxed),
            log_errors: self.log_counts.errors.load(Ordering::Relaxed),
            calls_not_stored: self.store_counts.calls_not_stored.load(Ordering::Relaxed),
            usage_lost: self.store_counts.usage_lost.load(Ordering::Relaxed),
            store_errors: self.store_counts.errors.load(Ordering::Relaxed),
            messages_lost: messages::lost(),
            config_generation: self.config_generation.load(Ordering::Relaxed),
        }
    }
}

/// A tally that a panic left behind is at worst one call short: better than no metrics at all.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
