//! The keys that sign tokens, and a token's text.
//!
//! Every token that one key signs has the very same header, so the gate compares the header's text instead of reading it:
//! another algorithm, another type, a `kid` that leads elsewhere, a key or an address of a key inside the token, a `crit`
//! that nobody understands: none of them is this text. What is left is one signature by one known key.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::Secret;
use callgate_store::{KeyRole, NewSigningKey, SigningKey};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a token says (RFC 9068 section 2.2). Moments are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// On whose behalf.
    pub sub: String,
    /// Whom it is for.
    pub aud: String,
    /// From when it is not valid any more.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its number, which the store gave it.
    pub jti: String,
    /// To which client.
    pub client_id: String,
    /// What it may do, with a space between.
    #[serde(default)]
    pub scope: String,
}

/// Why a key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The system gave no random bytes.
    #[error("the system's random generator did not answer; no signing key was made")]
    NoRandomness,
    /// What lies in the store is no key.
    #[error("signing key `{id}` can't be read: its file or its row was changed")]
    Damaged {
        /// Its `kid`.
        id: String,
    },
    /// The library did not sign.
    #[error("the token could not be signed")]
    Unsigned(#[source] jsonwebtoken::errors::Error),
}

/// The only algorithm so far (RFC 7518 section 3.4).
const ALGORITHM: &str = "ES256";
/// RFC 9068 section 2.1.
const TYPE: &str = "at+jwt";

/// One key, as the gate verifies by it.
pub(super) struct VerifyingKey {
    /// The first part of every token that it signed.
    header: String,
    key: DecodingKey,
}

/// The key that signs.
pub(super) struct Signer {
    header: Header,
    key: EncodingKey,
}

/// Every key of the store, ready for use.
#[derive(Default)]
pub(super) struct Keys {
    verifying: Vec<VerifyingKey>,
    signer: Option<Signer>,
    jwks: Vec<Value>,
}

/// Makes a key pair.
///
/// # Errors
/// [`SigningError::NoRandomness`].
pub(crate) fn make() -> Result<NewSigningKey, SigningError> {
    let no_randomness = |_| SigningError::NoRandomness;
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let document = document.map_err(no_randomness)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref());
    let pair = pair.map_err(|_| SigningError::NoRandomness)?;
    let public_key = pair.public_key().as_ref().to_vec();
    let id = thumbprint(&public_key).ok_or(SigningError::NoRandomness)?;
    let private_key = Secret::new(URL_SAFE_NO_PAD.encode(document.as_ref()));
    Ok(NewSigningKey { id, algorithm: ALGORITHM.to_owned(), public_key, private_key })
}

/// The coordinates of an uncompressed point of P-256 (SEC 1 section 2.3.3), as a JWK has them.
fn coordinates(public_key: &[u8]) -> Option<(String, String)> {
    let (4, point) = public_key.split_first()? else { return None };
    let (x, y) = (point.len() == 64).then(|| point.split_at(32))?;
    Some((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}

/// RFC 7638 section 3: the members in order, without a space.
fn thumbprint(public_key: &[u8]) -> Option<String> {
    let (x, y) = coordinates(public_key)?;
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes())))
}

// === impl Keys ===

impl Keys {
    pub(super) fn of(stored: &[SigningKey]) -> Result<Keys, SigningError> {
        let mut keys = Keys::default();
        for key in stored {
            let damaged = || SigningError::Damaged { id: key.id.clone() };
            let (x, y) = coordinates(&key.public_key).ok_or_else(damaged)?;
            let is_itself = key.algorithm == ALGORITHM && thumbprint(&key.public_key).is_some_and(|id| id == key.id);
            if !is_itself {
                return Err(damaged());
            }
            let header =
                Header { typ: Some(TYPE.to_owned()), kid: Some(key.id.clone()), ..Header::new(Algorithm::ES256) };
            let encoded = serde_json::to_vec(&header).map_err(|_| damaged())?;
            keys.verifying.push(VerifyingKey {
                header: URL_SAFE_NO_PAD.encode(encoded),
                key: DecodingKey::from_ec_der(&key.public_key),
            });
            keys.jwks.push(json!({
                "kty": "EC", "crv": "P-256", "alg": ALGORITHM, "use": "sig", "kid": key.id, "x": x, "y": y,
            }));
            if key.role == KeyRole::Current {
                let der = URL_SAFE_NO_PAD.decode(key.private_key.expose()).map_err(|_| damaged())?;
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(|_| damaged())?;
                if pair.public_key().as_ref() != key.public_key {
                    return Err(damaged());
                }
                keys.signer = Some(Signer { header, key: EncodingKey::from_ec_der(&der) });
            }
        }
        Ok(keys)
    }

    /// The JSON Web Key Set (RFC 7517 section 5) for other resource servers: every key whose tokens may be about, and the
    /// next one, so that nobody meets a key that was not published before.
    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": self.jwks })
    }

    /// The text of a token; none while there is no key.
    pub(super) fn sign(&self, claims: &Claims) -> Option<Result<String, SigningError>> {
        let signer = self.signer.as_ref()?;
        Some(jsonwebtoken::encode(&signer.header, claims, &signer.key).map_err(SigningError::Unsigned))
    }

    /// What a token says, if one of these keys signed it; or why it is none of ours, for the operator.
    /// Whether a text has the header of one of these keys.
    pub(super) fn made(&self, text: &str) -> bool {
        text.split_once('.').is_some_and(|(header, _)| self.verifying.iter().any(|key| key.header == header))
    }

    pub(super) fn verify(&self, text: &str) -> Result<Claims, &'static str> {
        let (header, _) = text.split_once('.').ok_or("not a token by its form")?;
        let key = self.verifying.iter().find(|key| key.header == header);
        let key = key.ok_or("another issuer's, or of a signing key that was given up")?;
        let mut validation = Validation::new(Algorithm::ES256);
        // By the gate's own clock, and by the API's audience: neither is known here.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let read = jsonwebtoken::decode::<Claims>(text, &key.key, &validation);
        Ok(read.map_err(|_| "its signature is not by the key that it names, or it says other things than ours do")?.claims)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.verifying.len())
    }
}
