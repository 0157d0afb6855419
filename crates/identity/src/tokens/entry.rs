//! A verified token.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use callgate_model::TokensOf;

use super::client::ClientEntry;
use super::cuts::Cuts;
use super::signing::{Claims, Confirmation};
use crate::entry::Grants;
use crate::remembered::Remembers;

/// What whoever sends a token must hold besides. Thumbprints, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// A key, which it proves for each call (RFC 9449).
    Key(Box<str>),
    /// A certificate, which it shows in its handshake (RFC 8705).
    Certificate(Box<str>),
}

/// What a token says, once its signature was found good.
pub struct TokenEntry {
    /// Its number: what a revocation is compared with.
    pub number: i64,
    /// Whose it is.
    pub client: Arc<ClientEntry>,
    /// On whose behalf: the client itself, unless a person signed in.
    pub subject: Box<str>,
    /// The user's number, when a person signed in.
    pub user: Option<i64>,
    /// The number of what they granted.
    pub family: Option<i64>,
    /// Its scopes; a token names neither APIs nor addresses.
    pub grants: Grants,
    /// Whom it is for.
    pub audience: Box<str>,
    /// What it is worth nothing without: each of these.
    pub bound: Box<[Bound]>,
    /// From when it is not valid any more, Unix milliseconds.
    pub expires_ms: i64,
    cuts: Arc<Cuts>,
    /// The epoch at which it was last found alive.
    alive_at: AtomicU64,
}

// === impl TokenEntry ===

impl TokenEntry {
    pub(super) fn new(claims: Claims, number: i64, client: Arc<ClientEntry>, cuts: Arc<Cuts>) -> TokenEntry {
        let confirmation = claims.cnf.unwrap_or_default();
        let key = confirmation.jkt.map(|key| Bound::Key(key.into()));
        let certificate = confirmation.x5t_s256.map(|certificate| Bound::Certificate(certificate.into()));
        TokenEntry {
            number,
            client,
            subject: claims.sub.into(),
            user: claims.user,
            family: claims.family,
            grants: Grants {
                scopes: claims.scope.split(' ').filter(|scope| !scope.is_empty()).map(Into::into).collect(),
                scopes_text: claims.scope.into(),
                ..Grants::default()
            },
            audience: claims.aud.into(),
            bound: key.into_iter().chain(certificate).collect(),
            expires_ms: claims.exp.saturating_mul(1_000),
            cuts,
            alive_at: AtomicU64::new(0),
        }
    }

    /// Whether it was revoked: alone, or with all of its client, its user or its family. One comparison while nothing is revoked.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        let epoch = self.cuts.epoch();
        if self.alive_at.load(Ordering::Acquire) == epoch {
            return false;
        }
        let of = [
            Some(TokensOf::Token(self.number)),
            Some(TokensOf::Client(self.client.number)),
            self.user.map(TokensOf::User),
            self.family.map(TokensOf::Family),
        ];
        let dead = self.number <= self.client.tokens_after || self.cuts.kill(self.number, of.into_iter().flatten());
        if !dead {
            self.alive_at.store(epoch, Ordering::Release);
        }
        dead
    }

    /// What it is bound to, as it says it itself (RFC 7800 section 3.1).
    #[must_use]
    pub fn confirmation(&self) -> Option<Confirmation> {
        let mut confirmation = Confirmation::default();
        for bound in &self.bound {
            match bound {
                Bound::Key(thumbprint) => confirmation.jkt = Some(thumbprint.to_string()),
                Bound::Certificate(thumbprint) => confirmation.x5t_s256 = Some(thumbprint.to_string()),
            }
        }
        (!self.bound.is_empty()).then_some(confirmation)
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        now_ms >= self.expires_ms
    }
}

impl Remembers for TokenEntry {
    fn ends_ms(&self) -> i64 {
        self.expires_ms
    }

    fn is_over(&self, now_ms: i64) -> bool {
        self.is_expired(now_ms)
    }
}

impl fmt::Debug for TokenEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenEntry({} of {})", self.number, self.client.name)
    }
}
