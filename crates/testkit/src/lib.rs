//! What tests share: a real gate started from the YAML that a user would write ([`TestGate`]), an upstream that does
//! exactly what a script says ([`ScriptedUpstream`]), a client that sends exactly the given bytes ([`RawClient`]), and
//! real third-party programs ([`tools`], [`Nginx`],
//! [`Haproxy`]).
//!
//! It never knows a crate of the gate: a test sees what a user sees. Everything here blocks, and panics with what it
//! waited for: tests run in a process each, and a straight line reads best. Start reading in `gate.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::let_underscore_must_use,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is linked into tests only, where a panic is the way to fail"
)]

mod answer;
mod browser;
mod call;
mod certificate;
mod client;
mod gate;
mod grpc;
mod haproxy;
mod issuer;
mod nginx;
mod program;
mod signal;
pub mod tools;
mod upstream;
mod wait;
mod websocket;

pub use answer::{Answer, Fault};
pub use browser::Browser;
pub use call::Call;
pub use certificate::{Authority, Certificate, TlsClient};
pub use client::RawClient;
pub use gate::{IssuedKey, Successor, TestGate};
pub use grpc::{GrpcServer, grpc_client};
pub use haproxy::Haproxy;
pub use issuer::{Manner, ScriptedIssuer, SigningPair, now_s};
pub use nginx::Nginx;
pub use program::{Output, Program, binary};
pub use signal::Signal;
pub use upstream::{Connection, Received, ScriptedUpstream, reply};
pub use wait::{PATIENCE, eventually, wait_for};
pub use websocket::{WEBSOCKET_ACCEPT, WebsocketFrame};
