//! Wiring: a configuration becomes a running gate, and follows its file.

mod inherited;
mod operations;
mod reload;
mod running;

pub use inherited::Inherited;
pub use reload::Reloader;
pub use running::{Address, Leave, Running};
