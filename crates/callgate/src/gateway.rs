//! Wiring: a configuration becomes a running gate, and follows its file.

pub mod certificates;
mod gauges;
mod inherited;
mod issuer;
mod memory;
mod operations;
mod reload;
mod running;
mod servers;
mod sockets;
mod upgrade;

pub use inherited::Inherited;
pub use reload::{Files, Reloader};
pub use running::{Address, Leave, Running};
pub use upgrade::Predecessor;
