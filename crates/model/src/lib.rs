//! The shared words of Callgate.
//!
//! Everything the other crates pass to each other is named here once: ids, consumers and keys, limits and quotas as pure
//! functions, refusals, the record of a call, and every safety bound of the product in one table. This crate never does
//! IO, never awaits, and knows no HTTP library. Start reading at [`refusal`]: the codes are what callers see of us; then
//! [`phase`] for the order in which they arise, and [`bounds`] for the caps that hold everywhere.

pub mod bounds;
pub mod client;
pub mod clock;
pub mod consumer;
pub mod gcra;
pub mod grpc;
pub mod ids;
pub mod issuer;
pub mod key;
pub mod limit;
pub mod phase;
pub mod quantity;
pub mod quota;
pub mod record;
pub mod redirect;
pub mod refusal;
pub mod secret;
pub mod signing;
pub mod user;

pub use client::{Client, Cut, Grant, Token, TokensOf};
pub use clock::Clock;
pub use consumer::{Consumer, Key};
pub use ids::{CallId, KeyId};
pub use issuer::Profile;
pub use limit::{Limit, Subject};
pub use phase::Phase;
pub use quota::{Period, Quota};
pub use record::CallRecord;
pub use refusal::{Code, Refusal};
pub use secret::Secret;
pub use signing::SigningAlgorithm;
pub use user::{Family, Session, User};

/// Whether a rule refuses or only says that it would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing is refused; "would refuse" is recorded and shown.
    Observe,
    /// The rule refuses.
    #[default]
    Enforce,
}

impl Mode {
    /// The milder of two modes: one switch above (the gate, the API) puts everything below it into observe.
    #[must_use]
    pub fn under(self, above: Mode) -> Mode {
        if self == Mode::Observe || above == Mode::Observe { Mode::Observe } else { Mode::Enforce }
    }
}
