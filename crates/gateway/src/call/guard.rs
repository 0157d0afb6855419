//! The guard that makes a call's record: holds it from the call's first moment to the end of its answer, so no way out of
//! a call can forget it.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use callgate_model::record::End;
use callgate_model::{CallRecord, Clock};
use callgate_records::RecorderHandle;
use callgate_transport::upstream::Place;

use crate::body::{BodyFault, Progress};
use crate::limiter::Permit;

/// Holds the record, and the call's places among the running ones. First it is in the call, then in the answer's body;
/// dropped with the one or the other (a caller that leaves early drops the call itself), it makes the record.
#[derive(Debug)]
pub struct CallGuard {
    /// Taken when it is recorded.
    record: Option<Box<CallRecord>>,
    /// None for a dry walk, which leaves no record.
    recorder: Option<RecorderHandle>,
    clock: Clock,
    /// Monotonic nanoseconds of the call's start.
    pub started_ns: u64,
    /// The answer has ended, in whatever way the record says.
    ended: bool,
    /// How far the request's body has come, once it is read.
    pub request: Option<Arc<Progress>>,
    /// The call's place among those of its worker.
    pub running: Option<Permit>,
    /// Its places among those that a `concurrent` counts.
    pub permits: Vec<Permit>,
    /// Its place at the server that answers it.
    pub place: Option<Place>,
}

thread_local! {
    /// Whether this worker's time is over. Its calls end by being dropped then, on its own thread, and nobody has left them.
    static CUTTING: Cell<bool> = const { Cell::new(false) };
}

/// From here on what ends unfinished on this thread was cut by the gate.
pub(crate) fn cut_what_is_left() {
    CUTTING.set(true);
}

// === impl CallGuard ===

impl CallGuard {
    /// Takes care of the record of a call that begins now.
    #[must_use]
    pub fn new(record: Box<CallRecord>, recorder: Option<RecorderHandle>, clock: Clock) -> CallGuard {
        CallGuard {
            record: Some(record),
            recorder,
            started_ns: clock.mono_ns(),
            clock,
            ended: false,
            request: None,
            running: None,
            permits: Vec::new(),
            place: None,
        }
    }

    /// Counts bytes of the answer.
    pub fn sent(&mut self, bytes: usize) {
        self.response_bytes += bytes as u64;
    }

    /// The answer's last byte was handed over.
    pub fn complete(&mut self) {
        self.ended = true;
    }

    /// The answer broke off.
    pub fn broke(&mut self, end: End) {
        self.end = end;
        self.ended = true;
    }

    /// The upstream's answer broke off. Where the caller's own body had broken off before it, that is why.
    pub fn upstream_broke(&mut self) {
        let fault = self.request.as_ref().and_then(|progress| progress.fault()).cloned();
        let end = match fault {
            None => End::UpstreamBroke,
            Some(BodyFault::Gone) => End::ClientGone,
            Some(BodyFault::TooSlow) => End::TimedOut,
            Some(fault) => {
                self.refusal = Some(fault.refusal());
                End::Refused
            }
        };
        self.broke(end);
    }

    /// The caller went away before there was an answer that it could hear.
    pub fn gone(&mut self) {
        self.status = 0;
        self.broke(End::ClientGone);
    }
}

impl Deref for CallGuard {
    type Target = CallRecord;

    fn deref(&self) -> &CallRecord {
        #[expect(clippy::expect_used, reason = "only drop takes it")]
        self.record.as_deref().expect("a guard holds its record until it is dropped")
    }
}

impl DerefMut for CallGuard {
    fn deref_mut(&mut self) -> &mut CallRecord {
        #[expect(clippy::expect_used, reason = "only drop takes it")]
        self.record.as_deref_mut().expect("a guard holds its record until it is dropped")
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let (Some(mut record), Some(recorder)) = (self.record.take(), &self.recorder) else { return };
        record.duration_us = self.clock.mono_ns().saturating_sub(self.started_ns) / 1_000;
        if let Some(progress) = &self.request {
            record.request_bytes = progress.bytes();
        }
        if !self.ended {
            record.end = if CUTTING.get() { End::Draining } else { End::ClientGone };
        }
        recorder.record(record);
    }
}
