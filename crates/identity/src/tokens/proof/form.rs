//! A proof's text: read strictly, and verified by the key that stands in it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::bounds;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The algorithms that a proof may be signed by; the last is an older name of the one before (RFC 9864).
pub const ALGORITHMS: [&str; 3] = ["ES256", "Ed25519", "EdDSA"];

/// RFC 9449 section 4.2. What stands beside these means nothing here.
#[derive(Debug, Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Jwk,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

/// A public key (RFC 7517).
#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: Option<String>,
    /// The private half: whoever shows it has none.
    #[serde(default)]
    d: Option<IgnoredAny>,
}

/// What a proof says.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) jti: String,
    pub(super) htm: String,
    pub(super) htu: String,
    /// RFC 7519 section 2 allows fractions.
    pub(super) iat: f64,
    #[serde(default)]
    pub(super) ath: Option<String>,
    #[serde(default)]
    pub(super) nonce: Option<String>,
}

const NO_PROOF: &str = "it is not a proof by its form";

/// What a proof says, and the thumbprint of the key that signed it; or why it is none.
pub(super) fn read(text: &str) -> Result<(Claims, String), &'static str> {
    if text.len() > bounds::PROOF_BYTES_MAX {
        return Err("it is longer than any proof");
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(NO_PROOF)?;
    let (header, claims) = signed.split_once('.').ok_or(NO_PROOF)?;
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| NO_PROOF);
    let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| NO_PROOF)?;
    if header.typ != "dpop+jwt" {
        return Err("its type is not `dpop+jwt`");
    }
    if header.crit.is_some() {
        return Err("it asks for something that is not known here (`crit`)");
    }
    if header.jwk.d.is_some() {
        return Err("it shows a private key, which is nobody's secret any more");
    }
    let signature = decoded(signature)?;
    let thumbprint = verify(&header, signed.as_bytes(), &signature)?;
    let claims: Claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| NO_PROOF)?;
    if !(1..=bounds::PROOF_ID_BYTES_MAX).contains(&claims.jti.len()) {
        return Err("its `jti` is empty or too long");
    }
    Ok((claims, thumbprint))
}

fn verify(header: &Header, signed: &[u8], signature: &[u8]) -> Result<String, &'static str> {
    let Jwk { kty, crv, x, y, .. } = &header.jwk;
    let coordinate = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == 32);
        bytes.ok_or("its key can't be read (`jwk`)")
    };
    let (holds, members) = match (&*header.alg, &**kty, &**crv, y) {
        ("ES256", "EC", "P-256", Some(y)) => {
            let point = [&[4], &*coordinate(x)?, &*coordinate(y)?].concat();
            let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
            (UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature), members)
        }
        ("Ed25519" | "EdDSA", "OKP", "Ed25519", None) => {
            let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
            (UnparsedPublicKey::new(&ED25519, coordinate(x)?).verify(signed, signature), members)
        }
        _ => return Err("its algorithm is not taken, or its key is not for it (ES256 and Ed25519 are)"),
    };
    holds.map_err(|_| "its signature is not by the key in it")?;
    // The members in order, without a space (RFC 7638 section 3); they are base64url, so nothing in them needs escaping.
    Ok(URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes())))
}
