//! HTTP/2 to a server: calls share connections, each call on a stream of its own.
//!
//! `h2` frames; what is decided here is which connection a call goes over ([`group`]), when a connection is given up
//! ([`connection`], [`pulse`]), and what of a failed call is known not to have happened ([`exchange`]). Start reading at
//! [`exchange`].

mod body;
mod connection;
mod exchange;
mod group;
mod pulse;
mod upload;

pub(super) use self::body::Http2Body;
pub(super) use self::exchange::{Outcome, send};
pub(super) use self::group::Group;
