//! Wiring: a configuration becomes a running gate, and follows its file.

mod operations;
mod reload;
mod running;

pub use reload::Reloader;
pub use running::{Address, Leave, Running};
