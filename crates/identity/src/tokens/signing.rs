//! The keys that sign tokens, and a token's text.
//!
//! Every token that one key signs has the very same header, so the gate compares the header's text instead of reading it:
//! another algorithm, another type, a `kid` that leads elsewhere, a key or an address of a key inside the token, a `crit`
//! that nobody understands: none of them is this text. What is left is one signature by one known key.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::{Secret, SigningAlgorithm};
use callgate_store::{KeyRole, NewSigningKey, SigningKey};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
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
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The user's number, when a person signed in: what a revocation is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// Likewise, the number of what they granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<i64>,
    /// What whoever sends it must prove to hold; nothing, and whoever has it may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// RFC 7800 section 3.1: thumbprints of what a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confirmation {
    /// Of a key (RFC 9449 section 6.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jkt: Option<String>,
    /// Of a certificate (RFC 8705 section 3.1).
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
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
    Unsigned,
}

/// RFC 9068 section 2.1.
const TYPE: &str = "at+jwt";

/// One key, as the gate verifies by it.
struct VerifyingKey {
    /// The first part of every token that it signed.
    header: String,
    /// Read once: it is half the work of a verification.
    key: ParsedPublicKey,
}

/// The key that signs.
struct Signer {
    header: String,
    pair: Pair,
}

/// Both halves of a key.
enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
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
pub(crate) fn make(algorithm: SigningAlgorithm) -> Result<NewSigningKey, SigningError> {
    let random = SystemRandom::new();
    let document = match algorithm {
        SigningAlgorithm::Es256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map(|made| made.as_ref().to_vec())
        }
        SigningAlgorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random).map(|made| made.as_ref().to_vec()),
        SigningAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
            .and_then(|pair| AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map(|made| made.as_ref().to_vec())),
    };
    let document = document.map_err(|_| SigningError::NoRandomness)?;
    let public_key = Pair::read(algorithm, &document).ok_or(SigningError::NoRandomness)?.public();
    let jwk = jwk(algorithm, &public_key).ok_or(SigningError::NoRandomness)?;
    let id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| SigningError::NoRandomness)?;
    let private_key = Secret::new(URL_SAFE_NO_PAD.encode(document));
    Ok(NewSigningKey { id, algorithm: algorithm.name().to_owned(), public_key, private_key })
}

fn verification(algorithm: SigningAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        SigningAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        SigningAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        SigningAlgorithm::Ed25519 => &ED25519,
    }
}

fn decoding_key(algorithm: SigningAlgorithm, public_key: &[u8]) -> DecodingKey {
    match algorithm {
        SigningAlgorithm::Es256 => DecodingKey::from_ec_der(public_key),
        SigningAlgorithm::Rs256 => DecodingKey::from_rsa_der(public_key),
        SigningAlgorithm::Ed25519 => DecodingKey::from_ed_der(public_key),
    }
}

fn jwk(algorithm: SigningAlgorithm, public_key: &[u8]) -> Option<Jwk> {
    Jwk::from_decoding_key(&decoding_key(algorithm, public_key), None).ok()
}

// === impl Pair ===

impl Pair {
    fn read(algorithm: SigningAlgorithm, document: &[u8]) -> Option<Pair> {
        match algorithm {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document).ok().map(Pair::Es256)
            }
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(document).ok().map(|pair| Pair::Rs256(Box::new(pair))),
            SigningAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8(document).ok().map(Pair::Ed25519),
        }
    }

    /// A point of P-256 or of Curve25519; or both numbers of an RSA key, as PKCS #1 has them.
    fn public(&self) -> Vec<u8> {
        match self {
            Pair::Es256(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rs256(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let random = SystemRandom::new();
        match self {
            Pair::Es256(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
        .map_err(|_| SigningError::Unsigned)
    }
}

// === impl Keys ===

impl Keys {
    pub(super) fn of(stored: &[SigningKey]) -> Result<Keys, SigningError> {
        let mut keys = Keys::default();
        for key in stored {
            let damaged = || SigningError::Damaged { id: key.id.clone() };
            let algorithm = SigningAlgorithm::from_name(&key.algorithm).ok_or_else(damaged)?;
            let jwk = jwk(algorithm, &key.public_key).ok_or_else(damaged)?;
            if jwk.thumbprint(ThumbprintHash::SHA256).ok().as_ref() != Some(&key.id) {
                return Err(damaged());
            }
            let header = json!({ "typ": TYPE, "alg": algorithm.name(), "kid": key.id }).to_string();
            let header = URL_SAFE_NO_PAD.encode(header);
            keys.jwks.push(published(&jwk, algorithm, &key.id).ok_or_else(damaged)?);
            let parsed = ParsedPublicKey::new(verification(algorithm), &key.public_key).map_err(|_| damaged())?;
            keys.verifying.push(VerifyingKey { header: header.clone(), key: parsed });
            if key.role == KeyRole::Previous {
                continue;
            }
            // The next one is tried before anything relies on it.
            let document = URL_SAFE_NO_PAD.decode(key.private_key.expose()).map_err(|_| damaged())?;
            let pair = Pair::read(algorithm, &document).filter(|pair| pair.public() == key.public_key);
            let pair = pair.ok_or_else(damaged)?;
            if key.role == KeyRole::Current {
                keys.signer = Some(Signer { header, pair });
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
        self.signer.as_ref().map(|signer| signer.sign(claims))
    }

    /// Whether a text has the header of one of these keys.
    pub(super) fn made(&self, text: &str) -> bool {
        text.split_once('.').is_some_and(|(header, _)| self.verifying.iter().any(|key| key.header == header))
    }

    /// What a token says, if one of these keys signed it; or why it is none of ours, for the operator. By whose clock it is
    /// judged and whom it is for is not known here.
    pub(super) fn verify(&self, text: &str) -> Result<Claims, &'static str> {
        const WRONG: &str = "its signature is not by the key that it names, or it says other things than ours do";
        let (signed, signature) = text.rsplit_once('.').ok_or("not a token by its form")?;
        let (header, claims) = signed.split_once('.').ok_or("not a token by its form")?;
        let key = self.verifying.iter().find(|key| key.header == header);
        let key = key.ok_or("another issuer's, or of a signing key that was given up")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| WRONG)?;
        key.key.verify_sig(signed.as_bytes(), &signature).map_err(|_| WRONG)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| WRONG)?;
        serde_json::from_slice(&claims).map_err(|_| WRONG)
    }
}

/// A public key as others find it.
fn published(jwk: &Jwk, algorithm: SigningAlgorithm, id: &str) -> Option<Value> {
    let mut published = serde_json::to_value(&jwk.algorithm).ok()?;
    let members = published.as_object_mut()?;
    for (name, value) in [("alg", algorithm.name()), ("use", "sig"), ("kid", id)] {
        members.insert(name.to_owned(), value.into());
    }
    Some(published)
}

// === impl Signer ===

impl Signer {
    fn sign(&self, claims: &Claims) -> Result<String, SigningError> {
        let claims = serde_json::to_vec(claims).map_err(|_| SigningError::Unsigned)?;
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.verifying.len())
    }
}
