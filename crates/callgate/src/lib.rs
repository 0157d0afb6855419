//! Callgate: the command line, and the wiring of the crates behind it.
//!
//! [`cli`] says what can be typed, [`command`] does it, one file a command; [`gateway`] turns a configuration into a
//! running gate. Nothing else in this workspace prints or reads arguments.

pub mod cli;
pub mod command;
pub mod gateway;
pub mod moment;
pub mod page;
pub mod service;
pub mod signals;
pub mod terminal;
pub mod which;
