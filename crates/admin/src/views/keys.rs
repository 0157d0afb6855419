use callgate_model::KeyId;
use callgate_model::key::Kind;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ShownOnce;

/// An API key, without the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its public id, 8 letters or digits.
    #[schema(value_type = String)]
    pub id: KeyId,
    /// The consumer it belongs to.
    pub consumer: String,
    /// How it stands now.
    pub standing: Standing,
    /// A person's name for it.
    pub label: Option<String>,
    /// Brought from elsewhere.
    pub imported: bool,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The APIs it may call; empty means every one.
    pub apis: Vec<String>,
    /// The addresses it may call from; empty means every one.
    pub ips: Vec<String>,
    /// From when it is valid.
    pub not_before_ms: Option<i64>,
    /// From when it is valid no more.
    pub expires_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
    /// When it was made.
    pub created_ms: i64,
    /// The last call it was seen on, to the minute.
    pub last_used_ms: Option<i64>,
    /// The key that replaces it, after a rotation.
    #[schema(value_type = Option<String>)]
    pub successor: Option<KeyId>,
}

/// How a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Calls with it are taken.
    Active,
    /// It begins later.
    NotYetValid,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

/// Keys, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Keys {
    /// The keys.
    pub keys: Vec<Key>,
    /// There are more than one answer holds; ask for those of a consumer.
    pub truncated: bool,
}

/// Which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct KeysQuery {
    /// Of this consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
}

/// What a key is for; its text says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// For real calls.
    #[default]
    Live,
    /// For trying things out.
    Test,
}

/// A key to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyCreate {
    /// Whose it will be.
    pub consumer: String,
    /// A person's name for it.
    #[serde(default)]
    pub label: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub kind: KeyKind,
    /// What it may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The APIs it may call, by their names in the configuration; empty means every one.
    #[serde(default)]
    pub apis: Vec<String>,
    /// Addresses and networks it may call from; empty means every one.
    #[serde(default)]
    pub ips: Vec<String>,
    /// From when it is valid: `2027-01-31`, `12h` from now.
    #[serde(default)]
    pub not_before: Option<String>,
    /// Until when: `30d` from now, `2027-01-31`.
    #[serde(default)]
    pub expires: Option<String>,
}

/// A key to be taken over from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyImport {
    /// Whose it will be.
    pub consumer: String,
    /// The key as callers send it: 16 to 512 visible ASCII characters. Only its hash is kept.
    pub key: ShownOnce,
    /// A person's name for it.
    #[serde(default)]
    pub label: Option<String>,
    /// What it may do.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The APIs it may call; empty means every one.
    #[serde(default)]
    pub apis: Vec<String>,
    /// Addresses and networks it may call from; empty means every one.
    #[serde(default)]
    pub ips: Vec<String>,
    /// From when it is valid.
    #[serde(default)]
    pub not_before: Option<String>,
    /// Until when.
    #[serde(default)]
    pub expires: Option<String>,
}

/// How a key is rotated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRotate {
    /// How long the old key is still taken: `1d` unless written, `0s` for not at all.
    #[serde(default)]
    pub overlap: Option<String>,
    /// Until when the new key is valid; unless written, as long as the old one was given.
    #[serde(default)]
    pub expires: Option<String>,
    /// What the new key is for.
    #[serde(default)]
    pub kind: KeyKind,
}

/// A new key: the only answer that holds its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyCreated {
    /// The key as callers send it. It is kept nowhere: whoever loses it needs another.
    pub key: ShownOnce,
    /// What is kept of it.
    #[serde(flatten)]
    pub record: Key,
}

// === impl Key ===

impl Key {
    /// A key as it stands at this moment.
    #[must_use]
    pub fn at(key: callgate_model::Key, consumer: String, now_ms: i64) -> Key {
        let standing = if key.revoked_ms.is_some() {
            Standing::Revoked
        } else if key.not_before_ms.is_some_and(|from_ms| now_ms < from_ms) {
            Standing::NotYetValid
        } else if key.expires_ms.is_some_and(|from_ms| now_ms >= from_ms) {
            Standing::Expired
        } else {
            Standing::Active
        };
        Key {
            id: key.id,
            consumer,
            standing,
            label: key.label,
            imported: key.imported,
            scopes: key.scopes,
            apis: key.apis,
            ips: key.ips.iter().map(ToString::to_string).collect(),
            not_before_ms: key.not_before_ms,
            expires_ms: key.expires_ms,
            revoked_ms: key.revoked_ms,
            created_ms: key.created_ms,
            last_used_ms: key.last_used_ms,
            successor: key.successor,
        }
    }
}

impl From<KeyKind> for Kind {
    fn from(kind: KeyKind) -> Kind {
        match kind {
            KeyKind::Live => Kind::Live,
            KeyKind::Test => Kind::Test,
        }
    }
}
