use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ShownOnce;

/// What an admin token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenRole {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// An admin token, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its name; the audit log calls its holder `token:<name>`.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
    /// When it was made.
    pub created_ms: i64,
}

/// Every admin token, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// The tokens.
    pub tokens: Vec<Token>,
}

/// An admin token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenCreate {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// What it may do.
    pub role: TokenRole,
}

/// A new admin token: the only answer that holds its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenCreated {
    /// The token as it is sent in `Authorization: Bearer`.
    pub token: ShownOnce,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: Token,
}

impl From<callgate_store::AdminToken> for Token {
    fn from(token: callgate_store::AdminToken) -> Token {
        let role = match token.role {
            callgate_store::Role::Read => TokenRole::Read,
            callgate_store::Role::Write => TokenRole::Write,
        };
        Token { name: token.name, role, created_ms: token.created_ms }
    }
}

impl From<TokenRole> for callgate_store::Role {
    fn from(role: TokenRole) -> callgate_store::Role {
        match role {
            TokenRole::Read => callgate_store::Role::Read,
            TokenRole::Write => callgate_store::Role::Write,
        }
    }
}
