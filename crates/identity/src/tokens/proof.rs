//! Proofs of possession (RFC 9449): that whoever sends a token holds the key it was issued to.
//!
//! A proof is a small JWT, signed for one call by the caller's own key, which stands in it. A token that is bound says the
//! thumbprint of that key, so a token that was copied is worth nothing without it. The form is read in [`form`]; a proof
//! counts once, which [`seen`] remembers.

mod form;
mod seen;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::bounds;

pub use form::ALGORITHMS;
use seen::{Seen, Taken};

use crate::random::Random;
use crate::registry::RegistryError;

/// What a proof must be about.
#[expect(missing_debug_implementations, reason = "it lasts for one question, and holds one")]
pub struct ProofOf<'a> {
    /// The call's method.
    pub method: &'a str,
    /// Whether this is the call's address, without query and fragment.
    pub is_address: &'a dyn Fn(&str) -> bool,
    /// The token beside it; none where one is asked for.
    pub token: Option<&'a str>,
}

/// Why a proof proves nothing; the caller may know all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofFault {
    /// It is wrong in this way.
    Wrong(&'static str),
    /// It must hold the nonce that the answer gives.
    NonceNeeded,
    /// So many proofs are in use that one more can't be remembered.
    TooMany,
}

/// The proofs of this process.
pub struct Proofs {
    seen: Seen,
    /// What proofs must hold while this process does not know yet which were used before it began.
    nonce: Box<str>,
    /// Later than any moment once another process has taken this one's place: it learns of no proof that is used there.
    began_ms: AtomicI64,
}

// === impl Proofs ===

impl Proofs {
    /// None has been seen yet.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub(crate) fn new(now_ms: i64) -> Result<Proofs, RegistryError> {
        let mut random = Random::new()?;
        let bytes: [u8; 16] = std::array::from_fn(|_| random.byte());
        random.check()?;
        Ok(Proofs { seen: Seen::new(), nonce: URL_SAFE_NO_PAD.encode(bytes).into(), began_ms: AtomicI64::new(now_ms) })
    }

    /// What a proof must hold at this moment; nothing once every proof that was made before this process began is too old.
    #[must_use]
    pub fn nonce(&self, now_ms: i64) -> Option<&str> {
        let since_ms = now_ms.saturating_sub(self.began_ms.load(Ordering::Acquire));
        // A clock that was put back makes old proofs new again.
        (since_ms < millis(bounds::PROOF_NONCE_LASTS)).then_some(&*self.nonce)
    }

    /// Another process takes proofs now: from here on they must hold this one's own nonce.
    pub(crate) fn hand_over(&self) {
        self.began_ms.store(i64::MAX, Ordering::Release);
    }

    /// The thumbprint (RFC 7638) of the key that made this proof, if it is about this very call and counts for the first time.
    ///
    /// # Errors
    /// See [`ProofFault`].
    pub fn check(&self, proof: &str, of: &ProofOf<'_>, now_ms: i64) -> Result<String, ProofFault> {
        let (claims, thumbprint) = form::read(proof).map_err(ProofFault::Wrong)?;
        if claims.htm != of.method {
            return Err(ProofFault::Wrong("it is for another method (`htm`)"));
        }
        let address = claims.htu.split(['?', '#']).next().unwrap_or_default();
        if !(of.is_address)(address) {
            return Err(ProofFault::Wrong("it is for another address (`htu`)"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "a moment far off is far off at the end of the range too")]
        let made_ms = (claims.iat * 1_000.0) as i64;
        let age_ms = now_ms.saturating_sub(made_ms);
        if age_ms.saturating_abs() > millis(bounds::PROOF_SKEW) {
            return Err(ProofFault::Wrong("it was made too long ago, or by a clock that is wrong (`iat`)"));
        }
        if let Some(token) = of.token {
            let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
            if claims.ath.as_deref() != Some(&*hash) {
                return Err(ProofFault::Wrong("it is not for the token beside it (`ath`)"));
            }
        }
        if self.nonce(now_ms).is_some_and(|nonce| claims.nonce.as_deref() != Some(nonce)) {
            return Err(ProofFault::NonceNeeded);
        }
        // Later it is too old.
        let until_ms = now_ms.saturating_sub(age_ms).saturating_add(millis(bounds::PROOF_SKEW));
        match self.seen.take(&(&thumbprint, &claims.jti), now_ms, until_ms) {
            Taken::First => Ok(thumbprint),
            Taken::Again => Err(ProofFault::Wrong("it was used before (`jti`)")),
            Taken::NoRoom => Err(ProofFault::TooMany),
        }
    }
}

/// SHA-256 in base64url: how a certificate is named (RFC 8705 section 3.1).
#[must_use]
pub fn thumbprint(der: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, der))
}

impl fmt::Debug for Proofs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Proofs")
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
