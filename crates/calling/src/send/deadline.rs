//! The end of a call's time.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::error::{CallError, Step};

/// When the whole call has to be over, if it has to.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    started: Instant,
    total: Option<Duration>,
}

// === impl Deadline ===

impl Deadline {
    pub(crate) fn new(started: Instant, total: Option<Duration>) -> Deadline {
        Deadline { started, total }
    }

    /// Since the call began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for a step, at most as long as the call has left and as the step itself may take.
    pub(crate) async fn within<F: Future>(
        &self,
        step: Step,
        cap: Option<Duration>,
        future: F,
    ) -> Result<F::Output, CallError> {
        let left = self.total.map(|total| total.saturating_sub(self.started.elapsed()));
        let (wait, after) = match (left, cap) {
            (Some(left), Some(cap)) if cap < left => (cap, cap),
            (Some(left), _) => (left, self.total.unwrap_or(left)),
            (None, Some(cap)) => (cap, cap),
            (None, None) => return Ok(future.await),
        };
        tokio::time::timeout(wait, future).await.map_err(|_| CallError::TimedOut { step, after })
    }
}
