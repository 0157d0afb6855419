//! The administrative commands as they are typed: on a data folder that no gate holds, and with a gate.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of a test are part of a test")]

mod house;
mod keys;
mod with_gate;
mod without_gate;
