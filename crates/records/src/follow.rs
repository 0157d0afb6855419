//! Calls as they come, for `log --follow`.

use std::sync::Arc;

use callgate_model::CallRecord;
use callgate_store::CallFilter;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::find::matches;

/// A follower. It never slows the recorder: one that lags misses calls and hears how many.
#[derive(Debug)]
pub struct Follow {
    records: broadcast::Receiver<Arc<CallRecord>>,
    filter: CallFilter,
}

/// What a follower hears.
#[derive(Debug, Clone)]
pub enum Followed {
    /// A call that fits the filter.
    Call(Arc<CallRecord>),
    /// So many calls went by unseen, of all calls, not only those that fit.
    Missed(u64),
}

// === impl Follow ===

impl Follow {
    pub(crate) fn new(records: broadcast::Receiver<Arc<CallRecord>>, filter: CallFilter) -> Follow {
        Follow { records, filter }
    }

    /// The next call that fits; none when the recorder has ended. May be dropped and called again.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            match self.records.recv().await {
                Ok(record) if matches(&self.filter, &record) => return Some(Followed::Call(record)),
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => return Some(Followed::Missed(count)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
