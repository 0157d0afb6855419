//! From a text to a verified token. Cheap questions first: a signature is checked only for an issuer that is taken and a key
//! that it has.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::bounds;

use super::claims::Claims;
use super::header::Header;
use super::issuer::ForeignIssuer;
use super::token::ForeignToken;
use super::{ForeignFault, json, profile};

/// Verifies a text that was not seen before.
pub(super) fn read(text: &str, accepted: &[Arc<ForeignIssuer>]) -> Result<ForeignToken, ForeignFault> {
    let Parts { header, claims, signed, signature } = Parts::of(text).map_err(ForeignFault::unknown)?;
    let issuer = claims.text("iss").and_then(|url| accepted.iter().find(|issuer| *issuer.url == *url));
    let issuer = issuer.ok_or_else(|| ForeignFault::unknown("of an issuer that this API does not take"))?;
    let refused = |why| ForeignFault::Refused { issuer: Some(Arc::clone(issuer)), why };
    let keys = issuer.keys();
    let key_unknown = || ForeignFault::KeyUnknown { issuer: Arc::clone(issuer), kid: header.kid.clone() };
    let keys = keys.as_ref().ok_or_else(key_unknown)?;
    if !keys.set.knows(header.kid.as_deref()) {
        return Err(key_unknown());
    }
    let key = keys.set.find(header.kid.as_deref(), header.algorithm);
    let key =
        key.ok_or_else(|| refused("signed by another algorithm than its key is for, or names no key of several"))?;
    if !key.signed(signed.as_bytes(), signature, header.algorithm) {
        return Err(refused("not signed by the key that it names"));
    }
    let said = profile::read(issuer.profile, header.typ.as_deref(), &claims).map_err(refused)?;
    ForeignToken::new(issuer, &claims, said, key.mark(), keys.number).map_err(refused)
}

/// Whose word a text claims to be, verified or not.
pub(super) fn claimed_issuer(text: &str) -> Option<Box<str>> {
    Parts::of(text).ok()?.claims.text("iss").map(Box::from)
}

/// A token, taken apart.
struct Parts<'t> {
    header: Header,
    claims: Claims,
    /// What the signature is about.
    signed: &'t str,
    signature: &'t str,
}

// === impl Parts ===

impl Parts<'_> {
    fn of(text: &str) -> Result<Parts<'_>, &'static str> {
        if text.len() > bounds::FOREIGN_TOKEN_BYTES_MAX {
            return Err("longer than tokens are");
        }
        const FORM: &str = "not a token by its form";
        let (signed, signature) = text.rsplit_once('.').ok_or(FORM)?;
        let (header, claims) = signed.split_once('.').ok_or(FORM)?;
        let object =
            |part: &str| json::object(&URL_SAFE_NO_PAD.decode(part).map_err(|_| FORM)?).map_err(|_| FORM_INSIDE);
        Ok(Parts { header: Header::read(&object(header)?)?, claims: Claims(object(claims)?), signed, signature })
    }
}

const FORM_INSIDE: &str = "not a token by what is in it: no JSON object, or one that names a member twice";
