//! The guard that makes a call's record: lives in the answer's body, so no way out of a call can forget it.

use std::sync::Arc;

use callgate_model::record::End;
use callgate_model::{CallRecord, Clock};
use callgate_records::RecorderHandle;

use super::state::Call;
use crate::body::Progress;
use crate::limiter::Permit;

/// Holds the record until the answer has ended, and the call's places among the running ones as long.
#[derive(Debug)]
pub struct CallGuard {
    /// Taken when it is recorded.
    record: Option<Box<CallRecord>>,
    recorder: RecorderHandle,
    clock: Clock,
    started_ns: u64,
    request: Option<Arc<Progress>>,
    /// The last byte of the answer was handed over.
    complete: bool,
    _permits: Vec<Permit>,
}

// === impl CallGuard ===

impl CallGuard {
    /// Takes the record out of a call whose answer is about to be sent.
    #[must_use]
    pub fn new(call: Call<'_>) -> CallGuard {
        CallGuard {
            recorder: call.gate.recorder.clone(),
            clock: call.gate.clock.clone(),
            started_ns: call.started_ns,
            request: call.request_progress,
            complete: false,
            _permits: call.permits,
            record: Some(call.record),
        }
    }

    /// Counts bytes of the answer.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.response_bytes += bytes as u64;
        }
    }

    /// The answer's last byte was handed over.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// The answer broke off.
    pub fn broke(&mut self, end: End) {
        if let Some(record) = &mut self.record {
            record.end = end;
        }
        self.complete = true;
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        let Some(mut record) = self.record.take() else { return };
        record.duration_us = self.clock.mono_ns().saturating_sub(self.started_ns) / 1_000;
        record.request_bytes = self.request.as_ref().map_or(0, |progress| progress.bytes());
        if !self.complete {
            record.end = End::ClientGone;
        }
        self.recorder.record(record);
    }
}
