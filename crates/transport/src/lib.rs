//! Sockets: accepting and TLS, the checked byte stream, and connections to upstream servers.
//!
//! This crate moves bytes and keeps time. It never knows routes, keys, limits or refusals: what it finds wrong with a
//! connection it says with types of its own ([`http1::Inspected`], [`http1::BodyFault`], [`upstream::UpstreamError`]),
//! and the gateway decides what to answer.
//!
//! A connection's way: [`listen`] accepts it and counts it with [`gauge`], [`greet`] shakes hands (TLS by [`tls`]) and
//! finds out which protocol it speaks, [`serve`] serves it: HTTP/1 by [`http1`], HTTP/2 by hyper. The other side is
//! [`upstream`]. A call may [`switch`] its connection to [`websocket`]. Start reading at [`http1`].
//!
//! Nearly everything here lives on one worker thread (current-thread runtime, `LocalSet`); only [`gauge`] and
//! [`upstream::Server`] are shared between workers, and [`fetch`] is for the control runtime.

mod alarm;
mod buffer;
pub mod fetch;
pub mod gauge;
pub mod greet;
pub mod guarded;
pub mod http1;
pub mod listen;
pub mod public;
pub mod serve;
mod spare;
pub mod switch;
mod timing;
pub mod tls;
pub mod upstream;
pub mod websocket;

pub use buffer::Buffer;
pub use timing::Timing;

/// Any error, as hyper's bodies and services pass it on.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
