//! WebSocket sessions between a client and a server: frames pass one way and the other, each judged by its head before a
//! byte of it does.
//!
//! [`Relay`] is both directions and the clocks; a direction is a `flow`. Neither holds a message: what is in memory is what
//! one read gave and the other side has not taken yet, and an idle session holds nothing.

mod flow;
mod relay;

pub use self::relay::{Ending, Relay, Terms};
