//! The admin API: JSON over the Unix socket, and over TCP with a token.
//!
//! [`router`] maps paths to acts, `routes/` does them through [`callgate_identity::Registry`], [`access`] says who may, and
//! [`serve`] answers on a socket or a TCP port. [`Door`] is the other side: the command line's one way to an act, whether a
//! gate is running (then over its socket), is elsewhere (then over TCP), or is not running (then through the same router,
//! inside the process, with the data folder held). This crate never knows the gate's inside: what only a running gate can
//! do comes through [`Operations`]. Start reading at [`router`], then [`door`].

pub mod access;
pub mod client;
mod desk;
pub mod door;
mod extract;
pub mod openapi;
pub mod operations;
pub mod problem;
mod router;
mod routes;
pub mod serve;
pub mod socket;
pub mod views;

pub use access::Peer;
pub use client::AdminClient;
pub use desk::Desk;
pub use door::Door;
pub use operations::{NoGate, Operations};
pub use problem::{AdminCode, AdminError};
pub use router::router;
pub use socket::AdminSocket;

#[cfg(test)]
mod tests;
