//! The bytes of HTTP, and nothing but bytes: heads, bodies' framing, paths, and the fields that a gate must understand.
//!
//! This crate sees every hostile byte first. It never does IO, never awaits, never panics on input, and never repairs:
//! what has two readings is refused. It knows no route, no key and no configuration. Start reading at [`head`], where a
//! request begins; then [`path`] and [`chunked`], the two other places where a gate and the server behind it could
//! disagree; [`websocket`] is what follows an upgrade. [`fuzz_bodies`] holds what `fuzz/` and the smoke tests run.

pub mod address;
pub mod chunked;
mod digits;
mod fault;
pub mod forwarded;
#[doc(hidden)]
pub mod fuzz_bodies;
pub mod grpc;
pub mod head;
pub mod hop;
pub mod host;
pub mod inspect;
pub mod json;
pub mod media;
mod octets;
pub mod path;
pub mod proxy;
pub mod query;
pub mod rate_fields;
pub mod target;
pub mod trace;
pub mod websocket;
