//! Who a call is from, once identified: a consumer, and the credential that says so.

use std::fmt;
use std::sync::Arc;

use callgate_identity::{CellSet, ConsumerEntry, ForeignToken, Grants, KeyEntry, NameDigest, TokenEntry};

/// Who calls.
#[derive(Debug, Clone)]
pub enum Caller {
    /// The holder of a key.
    Key(Arc<KeyEntry>),
    /// The holder of an access token.
    Token(Arc<TokenEntry>),
    /// The holder of both, of one consumer: the key is who calls, the token is what may be done, and for whom.
    KeyAndToken(Arc<KeyEntry>, Arc<TokenEntry>),
    /// The holder of a token of another issuer, and the consumer that it names.
    Foreign(Arc<ForeignToken>, Arc<ConsumerEntry>),
    /// The same beside a key of that consumer.
    KeyAndForeign(Arc<KeyEntry>, Arc<ForeignToken>),
    /// The holder of a client certificate.
    Certificate {
        /// Whose it is.
        consumer: Arc<ConsumerEntry>,
        /// What the configuration says of it.
        caller: Arc<CertificateCaller>,
    },
}

/// Who calls with a certificate, as compiled from the configuration.
#[derive(Debug)]
pub struct CertificateCaller {
    /// The name in the certificate.
    pub name: Box<str>,
    /// Its consumer's name, ready to be looked up.
    pub consumer: NameDigest,
    /// What it may do.
    pub grants: Grants,
    /// The cells of limits that count per key: a certificate is its holder's key. They outlive the snapshot.
    pub cells: Arc<CellSet>,
    /// Differs from that of every other caller; for quotas that count per key.
    pub number: u64,
    /// The same for the store, which keeps it for longer than a process.
    pub subject: Box<str>,
}

// === impl Caller ===

impl Caller {
    /// Whose calls these are.
    #[must_use]
    pub fn consumer(&self) -> &Arc<ConsumerEntry> {
        match self {
            Caller::Key(entry) | Caller::KeyAndToken(entry, _) | Caller::KeyAndForeign(entry, _) => &entry.consumer,
            Caller::Token(entry) => &entry.client.consumer,
            Caller::Foreign(_, consumer) | Caller::Certificate { consumer, .. } => consumer,
        }
    }

    /// What the credential may do: its scopes, and the APIs and addresses it is for.
    #[must_use]
    pub fn grants(&self) -> &Grants {
        match self {
            Caller::Key(entry) => &entry.grants,
            Caller::Token(entry) | Caller::KeyAndToken(_, entry) => &entry.grants,
            Caller::Foreign(token, _) | Caller::KeyAndForeign(_, token) => &token.grants,
            Caller::Certificate { caller, .. } => &caller.grants,
        }
    }

    /// The cells of limits that count per key.
    #[must_use]
    pub fn cells(&self) -> &CellSet {
        match self {
            Caller::Key(entry) | Caller::KeyAndToken(entry, _) | Caller::KeyAndForeign(entry, _) => &entry.cells,
            Caller::Token(entry) => &entry.client.cells,
            // There is one from the moment on at which the call is let in.
            Caller::Foreign(token, consumer) => token.holder().map_or(&consumer.cells, |holder| &holder.cells),
            Caller::Certificate { caller, .. } => &caller.cells,
        }
    }

    /// The key, if it is one.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<KeyEntry>> {
        match self {
            Caller::Key(entry) | Caller::KeyAndToken(entry, _) | Caller::KeyAndForeign(entry, _) => Some(entry),
            Caller::Token(_) | Caller::Foreign(..) | Caller::Certificate { .. } => None,
        }
    }

    /// The token, if there is one of this gate.
    #[must_use]
    pub fn token(&self) -> Option<&Arc<TokenEntry>> {
        match self {
            Caller::Token(entry) | Caller::KeyAndToken(_, entry) => Some(entry),
            Caller::Key(_) | Caller::Foreign(..) | Caller::KeyAndForeign(..) | Caller::Certificate { .. } => None,
        }
    }

    /// The token, if there is one of another issuer.
    #[must_use]
    pub fn foreign(&self) -> Option<&Arc<ForeignToken>> {
        match self {
            Caller::Foreign(token, _) | Caller::KeyAndForeign(_, token) => Some(token),
            Caller::Key(_) | Caller::Token(_) | Caller::KeyAndToken(..) | Caller::Certificate { .. } => None,
        }
    }

    /// The subject of quotas that count per key, as a number.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Caller::Key(entry) | Caller::KeyAndToken(entry, _) | Caller::KeyAndForeign(entry, _) => {
                u64::from_be_bytes(entry.id.as_str().as_bytes().try_into().unwrap_or_default())
            }
            // A key's id is ASCII, so this bit is none of its.
            Caller::Token(entry) => (1 << 63) | entry.client.number.unsigned_abs(),
            Caller::Foreign(token, _) => token.holder().map_or(u64::MAX, |holder| holder.number),
            Caller::Certificate { caller, .. } => caller.number,
        }
    }

    /// The same for the store.
    pub(crate) fn subject(&self) -> String {
        match self {
            Caller::Key(entry) | Caller::KeyAndToken(entry, _) | Caller::KeyAndForeign(entry, _) => {
                format!("key:{}", entry.id)
            }
            Caller::Token(entry) => format!("client:{}", entry.client.number),
            Caller::Foreign(token, _) => token.holder().map_or_else(String::new, |holder| holder.subject.to_string()),
            Caller::Certificate { caller, .. } => caller.subject.to_string(),
        }
    }
}

/// The credential at the beginning of a sentence: `Key Ab12Cd34`.
impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Key(entry) => write!(formatter, "Key {}", entry.id),
            Caller::Token(entry) | Caller::KeyAndToken(_, entry) => {
                write!(formatter, "The token of client `{}`", entry.client.name)
            }
            Caller::Foreign(token, _) | Caller::KeyAndForeign(_, token) => {
                write!(formatter, "The token of client `{}`", token.client)
            }
            Caller::Certificate { caller, .. } => write!(formatter, "The certificate of `{}`", caller.name),
        }
    }
}
