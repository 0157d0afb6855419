use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ShownOnce;

/// What an admin token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdminTokenRole {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// An admin token, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminToken {
    /// Its name; the audit log calls its holder `token:<name>`.
    pub name: String,
    /// What it may do.
    pub role: AdminTokenRole,
    /// When it was made.
    pub created_ms: i64,
}

/// Every admin token, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminTokens {
    /// The tokens.
    pub tokens: Vec<AdminToken>,
}

/// An admin token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminTokenCreate {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// What it may do.
    pub role: AdminTokenRole,
}

/// A new admin token: the only answer that holds its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdminTokenCreated {
    /// The token as it is sent in `Authorization: Bearer`.
    pub token: ShownOnce,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: AdminToken,
}

impl From<callgate_store::AdminToken> for AdminToken {
    fn from(token: callgate_store::AdminToken) -> AdminToken {
        let role = match token.role {
            callgate_store::Role::Read => AdminTokenRole::Read,
            callgate_store::Role::Write => AdminTokenRole::Write,
        };
        AdminToken { name: token.name, role, created_ms: token.created_ms }
    }
}

impl From<AdminTokenRole> for callgate_store::Role {
    fn from(role: AdminTokenRole) -> callgate_store::Role {
        match role {
            AdminTokenRole::Read => callgate_store::Role::Read,
            AdminTokenRole::Write => callgate_store::Role::Write,
        }
    }
}
