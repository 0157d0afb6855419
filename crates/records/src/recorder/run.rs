//! The recorder's thread.

use std::sync::Arc;
use std::time::Duration;

use callgate_model::{CallRecord, Clock};
use callgate_store::CallsDb;
use crossbeam_queue::ArrayQueue;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::handle::{Command, Shared, locked};
use super::keeping::{Keeping, Written};
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
    /// None when nothing is stored.
    keeping: Option<Keeping>,
    followers: broadcast::Sender<Arc<CallRecord>>,
    inbox: mpsc::Receiver<Command>,
    rest: Duration,
    next_period_ns: u64,
    dropped_said: u64,
}

/// What woke the recorder.
enum Woken {
    Command(Option<Command>),
    Written(Written),
    Rested,
}

// === impl Run ===

impl Run {
    pub(super) fn new(
        shared: Arc<Shared>,
        clock: Clock,
        log: AccessLog,
        database: Option<CallsDb>,
        followers: broadcast::Sender<Arc<CallRecord>>,
        inbox: mpsc::Receiver<Command>,
    ) -> Run {
        let keeping = database.map(Keeping::new);
        Run { shared, clock, log, keeping, followers, inbox, rest: REST_MIN, next_period_ns: 0, dropped_said: 0 }
    }

    pub(super) async fn until_stopped(mut self) {
        loop {
            let taken = self.take_queued();
            self.rest = match taken {
                BATCH_MANY.. => (self.rest / 2).max(REST_MIN),
                _ => (self.rest * 2).min(REST_MAX),
            };
            self.tick();
            match self.woken().await {
                Woken::Command(Some(Command::Flush(done))) => self.flush(done),
                Woken::Command(Some(Command::ReopenLog)) => self.log.reopen(),
                // None does not come: what is shared holds a sender.
                Woken::Command(Some(Command::Stop) | None) => break,
                Woken::Written(written) => self.after(written),
                Woken::Rested => {}
            }
        }
        self.finish().await;
    }

    async fn woken(&mut self) -> Woken {
        let written = async {
            match &mut self.keeping {
                Some(keeping) => keeping.written().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.inbox.recv() => Woken::Command(command),
            written = written => Woken::Written(written),
            () = tokio::time::sleep(self.rest) => Woken::Rested,
        }
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
                tallies.add(&record, now_ns);
                self.log.add(&record, now_ns);
                if self.followers.receiver_count() > 0 {
                    // Fails when the last follower has just left.
                    self.followers.send(Arc::new((*record).clone())).unwrap_or_default();
                }
                if let Some(keeping) = &mut self.keeping {
                    keeping.add(record, now_ns);
                }
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
            if let Some(keeping) = &mut self.keeping {
                keeping.write(&mut locked(&self.shared.tallies), now_ns);
            }
        }
    }

    fn after(&mut self, written: Written) {
        if let Some(keeping) = &mut self.keeping {
            let mut tallies = locked(&self.shared.tallies);
            keeping.after(written, &mut tallies, &self.shared.store_counts, self.clock.mono_ns());
        }
    }

    fn flush(&mut self, done: oneshot::Sender<bool>) {
        self.take_queued();
        let logged = self.log.flush();
        let now_ns = self.clock.mono_ns();
        let kept = self.keeping.as_mut().map(|keeping| keeping.flush(&mut locked(&self.shared.tallies), now_ns));
        tokio::spawn(async move {
            // The writer drops its end when there is nothing to wait for.
            logged.await.unwrap_or_default();
            let kept = match kept {
                Some(kept) => kept.await.unwrap_or(false),
                None => true,
            };
            done.send(kept).unwrap_or_default();
        });
    }

    /// Writes everything. It ends when the targets have taken or refused it; whoever stops us has a bound.
    async fn finish(mut self) {
        self.take_queued();
        self.say_dropped();
        let (done, mut written) = oneshot::channel();
        self.flush(done);
        while let Some(keeping) = &mut self.keeping {
            tokio::select! {
                _ = &mut written => return,
                finished = keeping.written() => self.after(finished),
            }
        }
        written.await.unwrap_or_default();
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
