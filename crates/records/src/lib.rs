//! What is kept of a call: the recorder, the access log, metrics, recent calls, usage, explain.
//!
//! Workers hand a [`CallRecord`](callgate_model::CallRecord) to a [`RecorderHandle`] and go on; everything else happens on
//! the recorder's own threads. This crate knows no HTTP library and judges nothing: it keeps and explains what others
//! decided. Start reading at `recorder.rs`, then `access_log/line.rs` for what a line says and `metrics/table.rs` for
//! what is counted; [`explain`] teaches what all of it means.

mod access_log;
mod dropped;
mod error;
pub mod explain;
mod find;
mod follow;
mod messages;
mod metrics;
mod names;
pub mod pages;
mod patience;
mod printable;
mod recent;
mod recorder;
#[cfg(test)]
mod sample;
mod stats;
mod tallies;
mod usage;

pub use access_log::{LogTarget, Rotation};
pub use error::RecordsError;
pub use find::{Find, FindFault, matches};
pub use follow::{Follow, Followed};
pub use messages::Messages;
pub use metrics::{Kind, METRICS, Metric};
pub use printable::printable;
pub use recorder::{Lost, Recorder, RecorderConfig, RecorderGuard, RecorderHandle};
pub use stats::{ApiStats, CodeStats, ConsumerStats, Latency, RouteStats, Stats, WindowStats};
