//! The key that a token shall be bound to (RFC 9449 section 5).

use callgate_identity::{ProofFault, ProofOf, Registry};
use callgate_wire::address::canonical;
use http::HeaderMap;

use crate::TOKEN;
use crate::reply::Fault;

/// The thumbprint of the key that the request proves to hold; nothing for a request without a proof.
///
/// # Errors
/// `invalid_dpop_proof`, or `use_dpop_nonce` with the nonce.
pub(crate) fn key(registry: &Registry, headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let mut fields = headers.get_all("dpop").iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(Fault::new("invalid_dpop_proof", "There are two DPoP fields."));
    }
    let text = field.to_str().unwrap_or_default().trim();
    let address = registry.tokens().issuer().and_then(|issuer| canonical(&format!("{issuer}{TOKEN}")));
    let is_address = |asked: &str| address.is_some() && canonical(asked) == address;
    let of = ProofOf { method: "POST", is_address: &is_address, token: None };
    let now_ms = registry.clock().unix_ms();
    match registry.proofs().check(text, &of, now_ms) {
        Ok(thumbprint) => Ok(Some(thumbprint)),
        Err(ProofFault::Wrong(why)) => {
            Err(Fault::new("invalid_dpop_proof", format!("The DPoP proof is not good: {why}.")))
        }
        Err(ProofFault::TooMany) => Err(Fault::unavailable()),
        Err(ProofFault::NonceNeeded) => {
            let nonce = registry.proofs().nonce(now_ms).unwrap_or_default().to_owned();
            Err(Fault::new("use_dpop_nonce", "Put the nonce of this answer into the DPoP proof.").with_nonce(nonce))
        }
    }
}
