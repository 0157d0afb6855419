//! Access tokens of issuers that are not this gate: JWTs whose signature says who made them.
//!
//! An issuer's word counts as far as a key of its vouches for it, and no further: the algorithm is the key's, never the token's
//! choice; the type, the audience and the moments are looked at as the issuer's profile says. [`ForeignTokens::verify`] is
//! what the gate asks; [`ForeignIssuer`] is an issuer with its keys. Who fetches those is elsewhere: this crate knows no sockets.

mod algorithm;
mod claims;
mod header;
mod issuer;
mod json;
pub mod key_set;
pub mod metadata;
mod profile;
mod token;
mod verify;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use callgate_model::bounds;

pub use algorithm::Algorithm;
pub use issuer::{ForeignIssuer, LookedFor, Seen};
pub use key_set::KeySet;
pub use profile::client_claim;
pub use token::{ForeignClient, ForeignToken};

use crate::remembered::{Remembered, Remembers};
use crate::shards::SHARDS;

/// Verified tokens, and the clients that they came from.
pub struct ForeignTokens {
    remembered: Remembered<ForeignToken>,
    /// By the digest of issuer and client. Written when a client's first call is let in.
    clients: Mutex<HashMap<[u8; 32], Arc<ForeignClient>>>,
}

/// Why a presented token leads to no caller.
#[derive(Debug, Clone)]
pub enum ForeignFault {
    /// None that is taken; why, for the operator. The issuer is known if it was one of those that are asked for here.
    Refused {
        /// Whose it claims to be.
        issuer: Option<Arc<ForeignIssuer>>,
        /// `the token is …`.
        why: &'static str,
    },
    /// It names a key that its issuer was not seen to have.
    KeyUnknown {
        /// Whose it claims to be.
        issuer: Arc<ForeignIssuer>,
        /// The key's name.
        kid: Option<Box<str>>,
    },
    /// Its time is over.
    Expired(Arc<ForeignToken>),
    /// Its time has not come.
    NotYetValid(Arc<ForeignToken>),
}

// === impl ForeignTokens ===

impl ForeignTokens {
    /// Nothing verified yet.
    #[must_use]
    pub fn new() -> ForeignTokens {
        let per_shard = bounds::FOREIGN_TOKENS_REMEMBERED_MAX / SHARDS;
        ForeignTokens { remembered: Remembered::new(per_shard), clients: Mutex::default() }
    }

    /// What this token of one of these issuers says at this moment (Unix milliseconds). Whom it is for is not judged here:
    /// that differs from API to API.
    ///
    /// # Errors
    /// See [`ForeignFault`].
    pub fn verify(
        &self,
        presented: &str,
        accepted: &[Arc<ForeignIssuer>],
        now_ms: i64,
    ) -> Result<Arc<ForeignToken>, ForeignFault> {
        let is_taken = |token: &Arc<ForeignToken>| {
            accepted.iter().any(|issuer| Arc::ptr_eq(issuer, &token.issuer)) && token.is_vouched_for()
        };
        let token = match self.remembered.get(presented, 0).filter(is_taken) {
            Some(token) => token,
            None => {
                let token = Arc::new(verify::read(presented, accepted)?);
                if !token.is_expired(now_ms) {
                    self.remembered.put(presented, 0, &token, now_ms);
                }
                token
            }
        };
        if token.is_expired(now_ms) {
            Err(ForeignFault::Expired(token))
        } else if token.is_early(now_ms) {
            Err(ForeignFault::NotYetValid(token))
        } else {
            Ok(token)
        }
    }

    /// Whether a text claims to be a token of one of these issuers, good or not: what must not go on to anybody else.
    #[must_use]
    pub fn claims_to_be_of(&self, text: &str, accepted: &[Arc<ForeignIssuer>]) -> bool {
        if accepted.is_empty() {
            return false;
        }
        let claimed = verify::claimed_issuer(text);
        claimed.is_some_and(|url| accepted.iter().any(|issuer| *issuer.url == *url))
    }

    /// Notes whose limits this token's calls count against: from here on its [`ForeignToken::holder`] is known. Asked for
    /// only when a call is let in, so that nobody else can fill the table; when it is full, the other clients of an issuer
    /// share one place.
    pub fn admit(&self, token: &ForeignToken) {
        token.set_holder(|| {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            let place = place_of(&token.issuer.url, Some(&token.client));
            if let Some(known) = clients.get(&place) {
                return Arc::clone(known);
            }
            let is_full = clients.len() >= bounds::FOREIGN_CLIENTS_MAX;
            let client = Some(&*token.client).filter(|_| !is_full);
            let place = place_of(&token.issuer.url, client);
            Arc::clone(clients.entry(place).or_insert_with(|| {
                let (number, _) = place.split_first_chunk().unwrap_or((&[0; 8], &[]));
                Arc::new(ForeignClient {
                    cells: crate::CellSet::default(),
                    // A key's id is ASCII, so this bit is none of its.
                    number: u64::from_be_bytes(*number) | 1 << 63,
                    subject: format!("issuer:{}:{}", token.issuer.url, client.unwrap_or_default()).into(),
                })
            }))
        });
    }
}

/// No client's name is empty, so that the place of all others is nobody's.
fn place_of(issuer: &str, client: Option<&str>) -> [u8; 32] {
    let text = format!("{}\0{issuer}\0{}", issuer.len(), client.unwrap_or_default());
    let mut place = [0; 32];
    place.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    place
}

impl Default for ForeignTokens {
    fn default() -> ForeignTokens {
        ForeignTokens::new()
    }
}

impl fmt::Debug for ForeignTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ForeignTokens")
    }
}

impl Remembers for ForeignToken {
    fn ends_ms(&self) -> i64 {
        self.expires_ms
    }

    fn is_over(&self, now_ms: i64) -> bool {
        self.is_expired(now_ms)
    }
}

// === impl ForeignFault ===

impl ForeignFault {
    fn unknown(why: &'static str) -> ForeignFault {
        ForeignFault::Refused { issuer: None, why }
    }
}

#[cfg(test)]
mod tests;
