//! The data plane: the life of a call, its policies, the snapshot they are compiled into.
//!
//! Start reading at [`call`]: one function passes a call through its phases, in the words and the order of DESIGN section
//! 4. A policy is one file in [`policy`]; [`snapshot`] is the compiled configuration they live in; [`limiter`] and
//! [`quota`] count; [`worker`] is the thread that serves. This crate never knows SQL or the command line: what must outlive
//! a restart is the store's, what people type is the binary's.

pub mod answer;
pub mod body;
pub mod call;
pub mod caller;
mod chain;
pub mod dry;
pub mod gate;
pub mod health;
pub mod health_checks;
pub mod issuer_keys;
pub mod limiter;
pub mod local;
pub mod memory;
pub mod plane;
pub mod policy;
pub mod quota;
mod refused;
pub mod route;
pub mod snapshot;
mod watch;
mod websocket;
pub mod worker;

pub use gate::Gate;
pub use local::{Local, Visitor};
pub use plane::Plane;
pub use snapshot::Snapshot;
