//! Ids, each a type of its own, so that a key's id is never taken for a call's.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of one call: a UUID of version 7, so ids sort by time. Sent as `Callgate-Call-Id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub uuid::Uuid);

impl CallId {
    /// An id for a call that started at this wall-clock moment, with 74 random bits from the caller's generator.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> CallId {
        CallId(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid())
    }

    /// Bytes of its text.
    pub const TEXT_BYTES: usize = uuid::fmt::Hyphenated::LENGTH;

    /// Its text, in a place of the caller's: without an allocation, and without the formatter of the standard library.
    #[must_use]
    pub fn text<'into>(&self, into: &'into mut [u8; CallId::TEXT_BYTES]) -> &'into str {
        self.0.hyphenated().encode_lower(into)
    }

    /// Reads an id as a person pasted it.
    #[must_use]
    pub fn parse(text: &str) -> Option<CallId> {
        uuid::Uuid::try_parse(text.trim()).ok().map(CallId)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

/// The public id of a key: the 8 base62 characters inside the key's own text, or 8 made for an imported one. Not secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// Takes exactly 8 base62 characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<KeyId> {
        let bytes: [u8; 8] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(KeyId(bytes))
    }

    /// The 8 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII alphanumerics are ever let in, so this is always the text that was parsed.
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<KeyId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        KeyId::parse(&text).ok_or_else(|| serde::de::Error::custom("a key id is 8 letters or digits"))
    }
}
