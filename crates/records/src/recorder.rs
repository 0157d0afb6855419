//! The recorder: one thread that turns records into log lines, metrics, usage and recent calls.
//!
//! Workers push into two bounded lock-free queues and never wake it: a futex wake per call would cost more than the rest
//! of recording. It looks by itself, every 1 to 50 ms, more often the more it finds.

mod handle;
mod keeping;
mod run;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use callgate_model::{Clock, bounds};
use callgate_store::CallsDb;
use crossbeam_queue::ArrayQueue;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::RecordsError;
use crate::access_log::{AccessLog, LogCounts, LogTarget, Rotation, Sink};
use crate::dropped::Dropped;
use crate::metrics::Gauges;
use crate::tallies::Tallies;

use handle::{Command, Shared};
pub use handle::{Lost, RecorderHandle};
use keeping::StoreCounts;
use run::Run;

/// Orders (flush, reopen, stop) on their way; they come from people, not from calls.
const COMMANDS_MAX: usize = 64;

/// What a recorder works with.
#[derive(Debug)]
pub struct RecorderConfig {
    log: LogTarget,
    rotation: Option<Rotation>,
    calls: Option<CallsDb>,
    clock: Clock,
}

/// Starts recorders; see [`Recorder::start`].
#[derive(Debug)]
pub struct Recorder;

/// Whoever holds this ends the recorder: [`RecorderGuard::stop`] waits for the end, dropping it does not.
#[derive(Debug)]
#[must_use = "dropping the guard ends the recorder"]
pub struct RecorderGuard {
    commands: mpsc::Sender<Command>,
    /// Resolves when the thread is at its end.
    ended: oneshot::Receiver<()>,
}

// === impl RecorderConfig ===

impl RecorderConfig {
    /// No access log, nothing stored: metrics only.
    #[must_use]
    pub fn new(clock: Clock) -> RecorderConfig {
        RecorderConfig { log: LogTarget::Off, rotation: None, calls: None, clock }
    }

    /// Where the access log goes.
    #[must_use]
    pub fn log(mut self, target: LogTarget) -> RecorderConfig {
        self.log = target;
        self
    }

    /// When the access log's file is moved aside; never unless this is said.
    #[must_use]
    pub fn rotate(mut self, rotation: Option<Rotation>) -> RecorderConfig {
        self.rotation = rotation;
        self
    }

    /// Where usage and recent calls are kept.
    #[must_use]
    pub fn calls(mut self, database: CallsDb) -> RecorderConfig {
        self.calls = Some(database);
        self
    }
}

// === impl Recorder ===

impl Recorder {
    /// Starts the recorder on a thread of its own.
    ///
    /// # Errors
    /// When the access log's file cannot be opened, or the machine gives no thread.
    pub fn start(config: RecorderConfig) -> Result<(RecorderHandle, RecorderGuard), RecordsError> {
        let sink = Sink::open(&config.log, config.rotation)
            .map_err(|source| RecordsError::Log { target: config.log.to_string(), source })?;
        Recorder::start_with(config, sink, bounds::RECORD_QUEUE_MAX)
    }

    pub(crate) fn start_with(
        config: RecorderConfig,
        sink: Option<Sink>,
        queue_max: usize,
    ) -> Result<(RecorderHandle, RecorderGuard), RecordsError> {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (end, ended) = oneshot::channel();
        let (followers, _) = broadcast::channel(bounds::FOLLOW_QUEUE_MAX);
        let mut tallies = Tallies::new(config.clock.mono_ns());
        tallies.usage.on = config.calls.is_some();
        let shared = Arc::new(Shared {
            calls: ArrayQueue::new(queue_max),
            refusals: ArrayQueue::new(queue_max),
            calls_dropped: Dropped::default(),
            refusals_dropped: Dropped::default(),
            tallies: Mutex::new(tallies),
            gauges: Mutex::new(Gauges::default()),
            log_counts: Arc::new(LogCounts::default()),
            store_counts: StoreCounts::default(),
            config_generation: 0.into(),
            clock: config.clock.clone(),
            database: config.calls.clone(),
            followers: followers.downgrade(),
            commands: commands.clone(),
        });
        let log = AccessLog::start(sink, Arc::clone(&shared.log_counts)).map_err(RecordsError::Thread)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RecordsError::Thread)?;
        let run = Run::new(Arc::clone(&shared), config.clock, log, config.calls, followers, inbox);
        std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                runtime.block_on(run.until_stopped());
                // The guard may be gone: then nobody waits for this.
                end.send(()).unwrap_or_default();
            })
            .map_err(RecordsError::Thread)?;
        Ok((RecorderHandle(shared), RecorderGuard { commands, ended }))
    }
}

// === impl RecorderGuard ===

impl RecorderGuard {
    /// Takes what is still queued, writes everything, and ends the thread. False when that took longer than `within`:
    /// a log target or a database that does not take what it is given must not keep the process alive.
    pub async fn stop(mut self, within: Duration) -> bool {
        let stopping = async {
            // A recorder that is gone already has nothing left to do.
            drop(self.commands.send(Command::Stop).await);
            drop((&mut self.ended).await);
        };
        tokio::time::timeout(within, stopping).await.is_ok()
    }
}

impl Drop for RecorderGuard {
    fn drop(&mut self) {
        // Full of orders or gone already: either way it needs no other word from us.
        drop(self.commands.try_send(Command::Stop));
    }
}

#[cfg(test)]
mod tests;
