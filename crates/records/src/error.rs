//! What can go wrong outside the way of a call.

use std::fmt;
use std::io;

use callgate_store::StoreError;

use crate::access_log::LogTarget;

/// Why records are not kept or not found.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The access log's target could not be opened.
    #[error("the access log {target} could not be opened; check `log.access` and who may write there")]
    Log {
        /// The target.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// The machine gave no thread.
    #[error("the recorder's threads could not be started")]
    Thread(#[source] io::Error),
    /// The recorder works without a database.
    #[error("this gate keeps no calls: it was started without a data folder")]
    NotKept,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl fmt::Display for LogTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogTarget::Off => formatter.write_str("off"),
            LogTarget::Stdout => formatter.write_str("standard output"),
            LogTarget::File(path) => path.display().fmt(formatter),
        }
    }
}
