//! The recorder's thread.

use std::sync::Arc;
use std::time::Duration;

use callgate_model::{CallRecord, Clock};
use crossbeam_queue::ArrayQueue;
use tokio::sync::{mpsc, oneshot};

use super::handle::{Command, Shared, locked};
use crate::access_log::AccessLog;

/// How long the recorder rests when it finds much, and when it finds nothing.
const REST_MIN: Duration = Duration::from_millis(1);
const REST_MAX: Duration = Duration::from_millis(50);
/// More than this in one look, and it looks sooner; less, and it looks later. Large enough that waking up is a small part
/// of the work, small enough that the records are still in the cache.
const BATCH_MANY: usize = 512;
/// Records taken under one hold of the tallies' lock: a scrape waits for about this many, some 100 µs.
const BATCH_MAX: usize = 256;
/// How often what goes wrong is said, and what is gathered goes to the database.
const PERIOD_NS: u64 = 1_000_000_000;

pub(super) struct Run {
    shared: Arc<Shared>,
    clock: Clock,
    log: AccessLog,
    inbox: mpsc::Receiver<Command>,
    rest: Duration,
    next_period_ns: u64,
    dropped_said: u64,
}

// === impl Run ===

impl Run {
    pub(super) fn new(shared: Arc<Shared>, clock: Clock, log: AccessLog, inbox: mpsc::Receiver<Command>) -> Run {
        Run { shared, clock, log, inbox, rest: REST_MIN, next_period_ns: 0, dropped_said: 0 }
    }

    pub(super) async fn until_stopped(mut self) {
        loop {
            let taken = self.take_queued();
            self.rest = match taken {
                BATCH_MANY.. => (self.rest / 2).max(REST_MIN),
                _ => (self.rest * 2).min(REST_MAX),
            };
            self.tick();
            tokio::select! {
                command = self.inbox.recv() => match command {
                    Some(Command::Flush(done)) => self.flush(done),
                    Some(Command::ReopenLog) => self.log.reopen(),
                    // Every handle and the guard are gone: nobody can record any more.
                    Some(Command::Stop) | None => break,
                },
                () = tokio::time::sleep(self.rest) => {}
            }
        }
        self.take_queued();
        self.say_dropped();
        // Ends when the target has taken or refused everything; whoever stops us has a bound.
        drop(self.log.flush().await);
    }

    /// Takes what was in the queues when it began, and says how much that was. What comes meanwhile waits for the next
    /// look, so that a gate under full load cannot keep a flush waiting.
    fn take_queued(&mut self) -> usize {
        let shared = Arc::clone(&self.shared);
        let taken = [&shared.refusals, &shared.calls].map(|queue| self.take(queue, queue.len()));
        taken.into_iter().sum()
    }

    fn take(&mut self, queue: &ArrayQueue<Box<CallRecord>>, count: usize) -> usize {
        let mut left = count;
        while left > 0 {
            let now_ns = self.clock.mono_ns();
            let mut tallies = locked(&self.shared.tallies);
            for _ in 0..left.min(BATCH_MAX) {
                // A push that is half done looks like an empty queue for a moment; it is found at the next look.
                let Some(record) = queue.pop() else { return count - left };
                left -= 1;
                tallies.add(&record);
                self.log.add(&record, now_ns);
            }
        }
        count
    }

    /// What is due by time.
    fn tick(&mut self) {
        let now_ns = self.clock.mono_ns();
        self.log.tick(now_ns);
        if now_ns >= self.next_period_ns {
            self.next_period_ns = now_ns + PERIOD_NS;
            self.say_dropped();
        }
    }

    fn flush(&mut self, done: oneshot::Sender<()>) {
        self.take_queued();
        let logged = self.log.flush();
        tokio::spawn(async move {
            drop(logged.await);
            done.send(()).unwrap_or_default();
        });
    }

    fn say_dropped(&mut self) {
        let dropped = self.shared.dropped();
        if dropped > self.dropped_said {
            let count = dropped - self.dropped_said;
            tracing::warn!(
                count,
                "records of calls were dropped: the recorder does not keep up; see callgate_records_dropped_total"
            );
            self.dropped_said = dropped;
        }
    }
}
