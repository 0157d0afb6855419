//! Consumers and their keys, as the store keeps them and the gate reads them.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::ids::KeyId;

/// Who calls, as a customer: a person, a team, a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// The number that the store gave it; never given again.
    pub id: i64,
    /// Its name: 1 to 64 of `a-z A-Z 0-9 . _ -`, unique.
    pub name: String,
    /// The plan whose limits it is held to; none means only the limits of the APIs.
    pub plan: Option<String>,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
}

/// A long-lived API key, without the key itself: of that only an HMAC is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Public, in the key's own text; for imported keys, made at import.
    pub id: KeyId,
    /// The consumer it belongs to.
    pub consumer_id: i64,
    /// A person's name for it.
    pub label: Option<String>,
    /// HMAC-SHA-256 of the whole text under the pepper below. Never leaves the store and the key table.
    #[serde(skip)]
    pub hash: [u8; 32],
    /// Which pepper the hash was made with.
    #[serde(skip)]
    pub pepper_id: u32,
    /// Brought from elsewhere: its text does not carry its id, so it is found by its hash.
    pub imported: bool,
    /// What it may do; a route asks for some of these.
    pub scopes: Vec<String>,
    /// The APIs it may call; empty means every one.
    pub apis: Vec<String>,
    /// The addresses it may call from; empty means every one.
    pub ips: Vec<IpNet>,
    /// Not valid before, Unix milliseconds.
    pub not_before_ms: Option<i64>,
    /// Not valid from, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// When it was revoked, Unix milliseconds.
    pub revoked_ms: Option<i64>,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// The last call it was seen on, Unix milliseconds, to the minute.
    pub last_used_ms: Option<i64>,
    /// The key that replaces it, after a rotation.
    pub successor: Option<KeyId>,
}

/// Whether a consumer's name is one: 1 to 64 of `a-z A-Z 0-9 . _ -`, not beginning with `-` or `.`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with(['-', '.'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether a scope is one (RFC 6749 section 3.3: printable ASCII without space, quote and backslash), up to 128 characters.
#[must_use]
pub fn is_scope(scope: &str) -> bool {
    (1..=128).contains(&scope.len()) && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
