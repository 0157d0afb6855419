use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ShownOnce;

/// An access token as the store remembers it; never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its number; in the token it is `jti`.
    pub number: i64,
    /// Whose it is.
    pub client_id: String,
    /// On whose behalf, when a person signed in.
    pub user: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Whom it is for.
    pub audience: String,
    /// When it was issued.
    pub issued_ms: i64,
    /// From when it is not valid any more.
    pub expires_ms: i64,
}

/// The tokens that are valid now, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// The tokens.
    pub tokens: Vec<Token>,
    /// There are more than one answer holds.
    pub truncated: bool,
}

/// Which tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TokensQuery {
    /// Those of this client.
    #[serde(default)]
    pub client: Option<String>,
}

/// A token to be looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenInspect {
    /// The token.
    pub token: ShownOnce,
}

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenStanding {
    /// It is taken.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked, alone or with its client.
    Revoked,
    /// It is none of this gate's.
    NotOurs,
}

/// What a token says, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInspected {
    /// How it stands.
    pub standing: TokenStanding,
    /// Why it is none of this gate's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it says; nothing when it is none of this gate's.
    #[serde(flatten)]
    pub says: Option<TokenSays>,
}

/// What a token of this gate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenSays {
    /// Its number; in the token it is `jti`.
    pub number: i64,
    /// Whose it is.
    pub client_id: String,
    /// The consumer whose plan it is held to.
    pub consumer: String,
    /// On whose behalf.
    pub subject: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Whom it is for.
    pub audience: String,
    /// Whether it is worth nothing without a key or certificate that its client holds.
    pub bound: bool,
    /// From when it is not valid any more.
    pub expires_ms: i64,
}

/// What is to be revoked: one token, or every one of a client or on behalf of a user so far. One of the four.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokensRevoke {
    /// This token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ShownOnce>,
    /// The token with this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Every token of this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Every token on behalf of this user; what was agreed to is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What is refused from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokensRevoked {
    /// Whose tokens; nothing when it is every one of a user.
    pub client_id: Option<String>,
    /// On whose behalf, when it is every one of a user.
    pub user: Option<String>,
    /// The one token's number; nothing when it is every one of a client or a user.
    pub number: Option<i64>,
}
