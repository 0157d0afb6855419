//! What a bound token is worth nothing without: a key that the caller proves to hold for this very call (RFC 9449), or the
//! certificate of its connection (RFC 8705).

use callgate_identity::tokens::proof::ALGORITHMS;
use callgate_identity::{Bound, ProofFault, ProofOf};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_wire::address::canonical;
use callgate_wire::path;
use http::header::{AUTHORIZATION, HeaderName};

use super::credential::{self, Found, Scheme};
use super::identify;
use super::read::Incoming;
use super::route::Routed;
use super::state::Call;

/// Where a proof stands.
pub(super) const FIELD: HeaderName = HeaderName::from_static("dpop");

/// What a call brought beside its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    text: Found,
    /// The token is sent by the scheme `DPoP`.
    by_scheme: bool,
    /// What the call's address is, as the caller knows it.
    address: Option<String>,
}

/// Finds the proof of a call; most bring none.
pub(super) fn find<B>(call: &Call<'_>, routed: &Routed<'_>, request: &Incoming<B>) -> Option<Box<Proof>> {
    let mut fields = request.headers().get_all(&FIELD).iter();
    let text = match (fields.next(), fields.next()) {
        (None, _) => Found::Nothing,
        (Some(field), None) => credential::text(field),
        (Some(_), Some(_)) => Found::Unreadable,
    };
    let schemes = request.headers().get_all(AUTHORIZATION).iter().filter_map(credential::carried);
    let by_scheme = schemes.into_iter().any(|(scheme, _)| scheme == Scheme::Proof);
    if text == Found::Nothing && !by_scheme {
        return None;
    }
    let scheme = if call.secure { "https" } else { "http" };
    let asked = canonical(&format!("{scheme}://{}{}", request.authority, request.path));
    let public = routed.api.public_url.as_deref().and_then(|url| {
        let below = path::cut_prefix(&request.path, &routed.api.path)?;
        canonical(&format!("{}{below}", url.trim_end_matches('/')))
    });
    // Where the file says how callers know it, what they say in `Host` is no address: another server may pass proofs on.
    let address = if routed.api.public_url.is_some() { public } else { asked };
    Some(Box::new(Proof { text, by_scheme, address }))
}

/// Holds a token that is bound to these against what came with it.
///
/// # Errors
/// `token_unproven`, `overloaded`.
pub(super) fn judge(
    call: &Call<'_>,
    routed: &Routed<'_>,
    to: &[Bound],
    text: &str,
    shown: Option<&Proof>,
) -> Result<(), Refused> {
    let by_scheme = shown.is_some_and(|shown| shown.by_scheme);
    let mut needs_key = false;
    for bound in to {
        match bound {
            Bound::Key(thumbprint) => {
                needs_key = true;
                let Some(shown) = shown.filter(|shown| shown.by_scheme) else {
                    let detail =
                        "The token is bound to a key: send it as `Authorization: DPoP`, with a proof in `DPoP`.";
                    return Err(unproven(routed, detail.to_owned(), "invalid_token"));
                };
                by_key(call, routed, text, shown, thumbprint)?;
            }
            Bound::Certificate(thumbprint) => {
                let of_connection = call.arrival.certificate.as_ref().and_then(|shown| shown.thumbprint());
                if of_connection.as_deref() != Some(thumbprint) {
                    let detail =
                        "The token is bound to a client certificate, and this connection has another one, or none.";
                    return Err(unproven(routed, detail.to_owned(), "invalid_token"));
                }
            }
        }
    }
    if by_scheme && !needs_key {
        // Whoever believes in a proof must not be let in without one (RFC 9449 section 7.1).
        let detail = "The token is bound to no key: send it as `Authorization: Bearer`.";
        return Err(unproven(routed, detail.to_owned(), "invalid_token"));
    }
    Ok(())
}

fn by_key(call: &Call<'_>, routed: &Routed<'_>, text: &str, shown: &Proof, thumbprint: &str) -> Result<(), Refused> {
    let Found::Text(proof) = &shown.text else {
        let detail = "The token is bound to a key, and there is no proof beside it, or more than one.";
        return Err(unproven(routed, detail.to_owned(), "invalid_dpop_proof"));
    };
    let Some(proofs) = &call.gate.proofs else {
        return Err(unproven(routed, "This gate takes no proofs.".to_owned(), "invalid_token"));
    };
    let is_address = |asked: &str| shown.address.is_some() && canonical(asked) == shown.address;
    let of = ProofOf { method: &call.record.method, is_address: &is_address, token: Some(text) };
    match proofs.check(proof, &of, call.began_ms()) {
        Ok(of_proof) if of_proof == thumbprint => Ok(()),
        Ok(_) => {
            Err(unproven(routed, "The proof is by another key than the token\u{2019}s.".to_owned(), "invalid_token"))
        }
        Err(ProofFault::Wrong(why)) => {
            let refusal = unproven(routed, format!("The proof is not good: {why}."), "invalid_dpop_proof");
            Err(refusal
                .gate_side(format!("the call's own address: `{}`", shown.address.as_deref().unwrap_or_default())))
        }
        Err(ProofFault::NonceNeeded) => {
            let nonce = proofs.nonce(call.began_ms()).unwrap_or_default().to_owned();
            let detail = "Put the nonce in the field `DPoP-Nonce` into the proof.".to_owned();
            Err(unproven(routed, detail, "use_dpop_nonce").field("dpop-nonce", nonce))
        }
        Err(ProofFault::TooMany) => Err(Refusal::new(Code::Overloaded, "Too many proofs are in use.")
            .gate_side("the table of proofs that were used is full (PROOFS_REMEMBERED_MAX)")
            .retry_after_ns(1_000_000_000)),
    }
}

/// RFC 9449 section 7.1.
fn unproven(routed: &Routed<'_>, detail: String, error: &str) -> Refused {
    let challenge = format!(
        "DPoP realm=\"{}\", error=\"{error}\", algs=\"{}\"{}",
        routed.api.name,
        ALGORITHMS.join(" "),
        identify::about(routed)
    );
    Refusal::new(Code::TokenUnproven, detail)
        .rule(format!("{}.access", routed.access().1.place))
        .field("www-authenticate", challenge)
}
