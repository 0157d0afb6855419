//! Calls to upstream servers, over connections that are kept.
//!
//! A [`Pool`] belongs to one worker. [`Pool::send`] takes a kept connection or opens one, sends a request, and returns the
//! response with a body that gives the connection back when it has been read to its end. A kept connection may have been
//! closed by the server in the meantime; hyper gives a request back that it has not begun to write, and only such a
//! request is sent again.
//!
//! What hyper sees to, and tests here hold it to: a server that writes without being asked, or past its Content-Length,
//! loses its connection before another call could read those bytes as its answer.

mod connect;
mod connection;
mod error;
mod lease;
mod pool;
mod server;

pub use self::error::{Kind, Side, UpstreamError};
pub use self::lease::UpstreamBody;
pub use self::pool::{Pool, PoolStats, Sent};
pub use self::server::Server;

#[cfg(test)]
mod tests;
