use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An issuer that is not this gate, and what the gate has seen of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Issuer {
    /// Its identifier.
    pub url: String,
    /// Whose habits its tokens have.
    pub profile: String,
    /// The APIs that take its tokens.
    pub apis: Vec<String>,
    /// Where its keys were found.
    pub key_set: Option<String>,
    /// When they were seen last.
    pub seen_ms: Option<i64>,
    /// Looks that found them.
    pub looks_good: u64,
    /// Looks that did not.
    pub looks_failed: u64,
    /// Why the last look found none; nothing if it found some.
    pub problem: Option<String>,
    /// Its keys as they serve now.
    pub keys: Vec<IssuerKey>,
}

/// A key of an issuer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuerKey {
    /// Its name, if it has one.
    pub kid: Option<String>,
    /// Its kind: `RSA 2048`.
    pub kind: String,
    /// What it may have signed.
    pub algorithms: Vec<String>,
}

/// The issuers of the configuration, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Issuers {
    /// The issuers.
    pub issuers: Vec<Issuer>,
}

// === impl Issuer ===

impl Issuer {
    /// As the configuration has it; nothing seen.
    #[must_use]
    pub fn of(known: &callgate_config::KnownIssuer, config: &callgate_config::Config) -> Issuer {
        let takes = |api: &&callgate_config::Api| api.tokens.foreign.contains(&known.url);
        Issuer {
            url: known.url.clone(),
            profile: known.profile.name().to_owned(),
            apis: config.apis.iter().filter(takes).map(|api| api.name.clone()).collect(),
            ..Issuer::default()
        }
    }
}
