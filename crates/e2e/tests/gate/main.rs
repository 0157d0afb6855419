//! End to end: the real binary, configured as users would, in front of upstreams that do what a script says.
//!
//! One file per theme. Every test starts a gate of its own, makes calls, and looks at what comes back, at what reached the
//! upstream, and at what was recorded. `setup.rs` has the few helpers that they share.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::let_underscore_must_use,
    reason = "the helpers of a test are part of a test"
)]

mod access;
mod admin;
mod bad_days;
mod balancing;
mod browser;
mod callers;
mod certificates;
mod client;
mod client_certificates;
mod clock_jumps;
mod content_types;
mod drain;
mod failing_servers;
mod first_minutes;
mod forwarding;
mod grpc;
mod h2_frames;
mod health_checks;
mod hostile_bytes;
mod hostile_http2_upstreams;
mod http2_upstreams;
mod idempotency_keys;
mod ips_and_proxies;
mod issuer_programs;
mod issuer_settings;
mod issuers;
mod lapsing;
mod limits;
mod many_reloads;
mod max_connections;
mod names;
mod oauth_clients;
mod observe;
mod people;
mod proxy_protocol;
mod records;
mod reload;
mod routing;
mod service;
mod setup;
mod shortage;
mod store_kill;
mod store_trouble;
mod tls_and_h2;
mod tokens;
mod tonic_client;
mod upgrade;
mod upstream_certificates;
mod upstreams;
mod waiting_answers;
mod websocket;
mod websocket_clients;
mod websocket_http2;
mod websocket_upstreams;
