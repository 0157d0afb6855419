use callgate_store::KeyRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a signing key does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SigningKeyRole {
    /// Published, not used yet.
    Next,
    /// Signs.
    Current,
    /// Signs no more; what it signed is still good.
    Previous,
}

/// A key that signs access tokens, without its private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKey {
    /// Its `kid`: the thumbprint of RFC 7638.
    pub id: String,
    /// As RFC 7518 names it.
    pub algorithm: String,
    /// What it does now.
    pub role: SigningKeyRole,
    /// When it was made.
    pub created_ms: i64,
    /// Since when it has its role.
    pub role_since_ms: i64,
}

/// The keys that sign access tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SigningKeys {
    /// Current, next, previous.
    pub keys: Vec<SigningKey>,
}

/// How the next key comes to sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningKeysRotate {
    /// A key has leaked: every key is given up, and every token is dead.
    #[serde(default)]
    pub at_once: bool,
}

// === impl SigningKeys ===

impl From<Vec<callgate_store::SigningKey>> for SigningKeys {
    fn from(keys: Vec<callgate_store::SigningKey>) -> SigningKeys {
        SigningKeys { keys: keys.into_iter().map(SigningKey::from).collect() }
    }
}

impl From<callgate_store::SigningKey> for SigningKey {
    fn from(key: callgate_store::SigningKey) -> SigningKey {
        let role = match key.role {
            KeyRole::Next => SigningKeyRole::Next,
            KeyRole::Current => SigningKeyRole::Current,
            KeyRole::Previous => SigningKeyRole::Previous,
        };
        let callgate_store::SigningKey { id, algorithm, created_ms, role_since_ms, .. } = key;
        SigningKey { id, algorithm, role, created_ms, role_since_ms }
    }
}
