use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ShownOnce;

/// A person with an account, without the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The name, unique among users and clients; `sub` in tokens.
    pub name: String,
    /// May not sign in, and nothing issued before works.
    pub disabled: bool,
    /// When it was made.
    pub created_ms: i64,
}

/// Every account, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// The accounts.
    pub users: Vec<User>,
    /// There are more than one answer holds.
    pub truncated: bool,
}

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// 12 to 256 characters. Only its argon2id hash is kept.
    pub password: ShownOnce,
}

/// Another password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPassword {
    /// 12 to 256 characters.
    pub password: ShownOnce,
}

/// A browser in which somebody is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its number.
    pub id: i64,
    /// The address that signed in.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
    /// When it began.
    pub created_ms: i64,
    /// When it was last used, to the minute.
    pub used_ms: i64,
}

/// Somebody's sessions, the one used last first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// The sessions.
    pub sessions: Vec<Session>,
}

/// What was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedOut {
    /// Whose.
    pub user: String,
    /// How many sessions there were.
    pub sessions: u64,
}

// === impl User ===

impl From<callgate_model::User> for User {
    fn from(user: callgate_model::User) -> User {
        User { name: user.name, disabled: user.disabled, created_ms: user.created_ms }
    }
}

// === impl Session ===

impl From<callgate_model::Session> for Session {
    fn from(session: callgate_model::Session) -> Session {
        let callgate_model::Session { id, address, agent, created_ms, used_ms, .. } = session;
        Session { id, address, agent, created_ms, used_ms }
    }
}
