//! Calls to upstream servers, over connections that are kept.
//!
//! A [`Pool`] belongs to one worker. [`Pool::send`] takes a kept connection or opens one, sends a request, and returns the
//! response with a body that gives the connection back when it has been read to its end. A kept connection may have been
//! closed by the server in the meantime; only a request of which nothing was written is sent again.
//!
//! HTTP/1.1 is spoken here, not by a library: a connection is a socket and two buffers, moved by the call that uses it,
//! without a task, a channel or a wake-up between the two. That halves what a call costs. Start reading at `pool`, then
//! `exchange`: one request and the head of its response; then `body`.
//!
//! Tests here hold it to this: a server that writes without being asked, or past its Content-Length, loses its connection
//! before another call could read those bytes as its answer.

mod body;
mod budget;
mod check;
mod choice;
mod connect;
mod connection;
mod decode;
mod encode;
mod error;
mod exchange;
mod head;
mod http2;
mod io;
mod names;
mod pool;
mod room;
mod server;
mod slot;
mod standing;
mod switched;
mod upload;

pub use self::body::UpstreamBody;
pub use self::budget::Budget;
pub use self::check::{Check, CheckFault};
pub use self::choice::{Member, Servers, Tried};
pub use self::error::{BodyError, Kind, Side, UpstreamError};
pub use self::names::{Name, lookups_failed};
pub use self::pool::{Failure, Pool, PoolStats, Sent};
pub use self::room::Room;
pub use self::server::{Protocol, Server};
pub use self::standing::{Fault, Place, Stand, Standing};
pub use self::switched::Switched;

#[cfg(test)]
mod tests;
