//! The calling commands and `explain`, as they are typed: what goes out, what is shown, what the shell sees.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of a test are part of a test")]

mod curl;
mod explain;
mod last;
mod setup;
mod verbs;
