//! The data plane in process: a real plane before a scripted upstream, with a clock that the test moves. What needs the
//! whole program is in `e2e`; here is what is cheap to ask again and again, and what only a stopped clock can ask exactly.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::let_underscore_must_use,
    reason = "the helpers of a test are part of a test"
)]

mod access;
mod bodies;
mod forwarding;
mod house;
mod http2;
mod limits;
mod observe;
mod quotas;
mod records;
mod refusals;
mod reloads;
mod routes;
mod stops;
mod tokens;
mod upstreams;
