//! Whether a request body comes fast enough: one that trickles holds a call, and its upstream's connection.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::fault::BodyFault;
use crate::Timing;
use crate::alarm::Alarm;

/// How fast one body comes.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    bytes: u64,
    /// Time spent waiting for the client before `waiting_since`. A slow upstream stops hyper from reading, and that time
    /// is not the client's fault.
    waited: Duration,
    waiting_since: Option<Instant>,
}

// === impl Pace ===

impl Pace {
    /// So many bytes came.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.bytes += bytes;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Ready when the client has had enough time.
    pub(crate) fn poll_wait(&mut self, context: &mut Context<'_>, timing: &Timing, alarm: &mut Alarm) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let earned = Duration::from_secs(self.bytes / timing.body_rate_min_per_s.max(1));
        let patience = earned.max(timing.body_rate_grace).saturating_sub(self.waited);
        alarm.poll_until(context, since + patience.min(timing.body_idle_max))
    }

    /// What to say when [`Pace::poll_wait`] is ready.
    pub(crate) fn too_slow(&mut self) -> io::Error {
        self.advance(0);
        io::Error::new(io::ErrorKind::TimedOut, BodyFault::TooSlow { bytes: self.bytes, waited: self.waited })
    }
}
