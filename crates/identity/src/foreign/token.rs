//! A verified token of another issuer.

use std::fmt;
use std::sync::{Arc, OnceLock};

use callgate_model::bounds;

use super::claims::Claims;
use super::issuer::ForeignIssuer;
use super::key_set::KeyMark;
use super::profile::Said;
use crate::cells::CellSet;
use crate::entry::Grants;
use crate::tokens::Bound;

/// What a token says, once its signature was found good.
pub struct ForeignToken {
    /// Whose word it is.
    pub issuer: Arc<ForeignIssuer>,
    /// The issuer's client that asked for it.
    pub client: Arc<str>,
    /// On whose behalf: the client itself, unless a person signed in.
    pub subject: Box<str>,
    /// Its scopes; a token names neither APIs nor addresses.
    pub grants: Grants,
    /// Whom it is for.
    pub audiences: Box<[Box<str>]>,
    /// What it is worth nothing without: each of these.
    pub bound: Box<[Bound]>,
    /// From when it is not valid any more by the issuer's clock, Unix milliseconds.
    pub expires_ms: i64,
    not_before_ms: i64,
    /// Every claim that is a short text, sorted by name.
    texts: Box<[(Box<str>, Box<str>)]>,
    /// What signed it, and the number of the issuer's keys that it was found among.
    key: Arc<KeyMark>,
    keys_number: u64,
    client_cells: OnceLock<Arc<ForeignClient>>,
}

/// A client of another issuer, once a call of it was let in.
#[derive(Debug)]
pub struct ForeignClient {
    /// The cells of limits that count per key: a client is its tokens' key.
    pub cells: CellSet,
    /// Differs from that of every other caller, most likely; for quotas that count per key.
    pub number: u64,
    /// The same for the store, which keeps it for longer than a process.
    pub subject: Box<str>,
}

// === impl ForeignToken ===

impl ForeignToken {
    pub(super) fn new(
        issuer: &Arc<ForeignIssuer>,
        claims: &Claims,
        said: Said,
        key: &Arc<KeyMark>,
        keys_number: u64,
    ) -> Result<ForeignToken, &'static str> {
        let expires_ms = claims.moment_ms("exp")?.ok_or("without an end (`exp`)")?;
        // A token that was issued in the future is not valid before then either.
        let not_before_ms = claims.moment_ms("nbf")?.max(claims.moment_ms("iat")?).unwrap_or(i64::MIN);
        Ok(ForeignToken {
            issuer: Arc::clone(issuer),
            client: said.client.into(),
            subject: said.subject,
            grants: Grants { scopes_text: said.scopes.join(" ").into(), scopes: said.scopes, ..Grants::default() },
            audiences: said.audiences,
            bound: claims.bound()?,
            expires_ms,
            not_before_ms,
            texts: claims.texts(),
            key: Arc::clone(key),
            keys_number,
            client_cells: OnceLock::new(),
        })
    }

    /// A claim that is a short text.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        let place = self.texts.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
        self.texts.get(place).map(|(_, text)| &**text)
    }

    /// Whether the key that signed it is still one of its issuer's. One comparison while the keys are what they were.
    #[must_use]
    pub fn is_vouched_for(&self) -> bool {
        self.issuer.number() == self.keys_number || self.issuer.has(&self.key)
    }

    /// Whether its time is over, by a clock that may be as far from the issuer's as is taken.
    #[must_use]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        now_ms >= self.expires_ms.saturating_add(SKEW_MS)
    }

    /// Whether its time has not come, likewise.
    #[must_use]
    pub fn is_early(&self, now_ms: i64) -> bool {
        now_ms < self.not_before_ms.saturating_sub(SKEW_MS)
    }

    /// Its client, as limits count it; known once a call of it was let in.
    #[must_use]
    pub fn holder(&self) -> Option<&Arc<ForeignClient>> {
        self.client_cells.get()
    }

    pub(super) fn set_holder(&self, find: impl FnOnce() -> Arc<ForeignClient>) {
        self.client_cells.get_or_init(find);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a minute")]
const SKEW_MS: i64 = bounds::ISSUER_SKEW_MAX.as_millis() as i64;

impl fmt::Debug for ForeignToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ForeignToken(of {} by {})", self.client, self.issuer.url)
    }
}
