//! Access tokens: JWTs (RFC 9068) that this gate's own issuer signs, from the text in a header to a client of a consumer.
//!
//! What makes them different from everybody's JWTs is that they can be taken away: each carries a number from the store, a
//! revocation says "up to this number", and the gate compares the two on every call, in memory. Start reading at [`table`];
//! [`cuts`] is the revocations, [`signing`] the keys and the text.

mod client;
mod cuts;
mod entry;
pub mod proof;
pub mod signing;
pub mod table;

pub use client::ClientEntry;
pub use entry::{Bound, TokenEntry};
pub use proof::{ProofFault, ProofOf, Proofs};
pub use signing::{Claims, Confirmation, SigningError};
pub use table::{TokenFault, TokenTable};
