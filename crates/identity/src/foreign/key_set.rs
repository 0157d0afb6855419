//! The keys that an issuer publishes (RFC 7517), as far as they are of use.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::{Profile, bounds};
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::{json, profile};

/// RFC 7518 section 3.3: at least 2048. Past 8192 a signature takes longer than anybody should be able to ask for.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Members that a public key does not have: the private part of RSA, EC and OKP keys, and a shared secret.
const PRIVATE: [&str; 3] = ["d", "p", "k"];

/// A key that signatures are verified by.
pub struct IssuerKey {
    /// What it may have signed: what the key says, or all that its kind can do and the issuer's profile takes.
    pub algorithms: Vec<Algorithm>,
    /// Its kind, for people: `RSA 2048`.
    pub kind: String,
    key: DecodingKey,
    mark: Arc<KeyMark>,
}

/// What tells a key from every other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyMark {
    /// Its name, if the issuer gave it one.
    kid: Option<Box<str>>,
    /// Its numbers.
    parts: Vec<Vec<u8>>,
}

/// Every key of an issuer.
#[derive(Debug, Default)]
pub struct KeySet {
    /// The keys that count.
    pub keys: Vec<IssuerKey>,
    /// What was left out, and why: for people.
    pub left_out: Vec<String>,
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JSON Web Key Set, for tokens of this profile.
    ///
    /// # Errors
    /// Why nothing of it can be used, as a sentence's end: `the key set …`.
    pub fn read(bytes: &[u8], profile: Profile) -> Result<KeySet, String> {
        let set = json::object(bytes)?;
        let Some(Value::Array(found)) = set.get("keys") else { return Err("has no list `keys`".to_owned()) };
        if found.len() > bounds::ISSUER_KEYS_MAX {
            return Err(format!("has {} keys; {} at most are taken", found.len(), bounds::ISSUER_KEYS_MAX));
        }
        let mut keys = KeySet::default();
        for (index, value) in found.iter().enumerate() {
            let kid = value.get("kid").and_then(Value::as_str);
            let name = kid.map_or_else(|| format!("number {}", index + 1), |kid| format!("`{kid}`"));
            match IssuerKey::read(value, profile) {
                // RFC 7517 section 4.5: keys of one kind should have names of their own. Which one would count is a guess.
                Ok(key) if keys.has_twin_of(&key) => keys.left_out.push(format!("{name}: another has this name")),
                Ok(key) => keys.keys.push(key),
                Err(why) => keys.left_out.push(format!("{name}: {why}")),
            }
        }
        match keys.keys.as_slice() {
            [] if found.is_empty() => Err("is empty".to_owned()),
            [] => Err(format!("has no key that can be used: {}", keys.left_out.join("; "))),
            _ => Ok(keys),
        }
    }

    fn has_twin_of(&self, key: &IssuerKey) -> bool {
        let clashes = |other: &IssuerKey| {
            other.kid() == key.kid() && other.algorithms.iter().any(|algorithm| key.algorithms.contains(algorithm))
        };
        key.kid().is_some() && self.keys.iter().any(clashes)
    }

    /// The key that a token says it was signed by. A token that names none was signed by the only one there is.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&IssuerKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithms.contains(&algorithm) && kid.is_none_or(|kid| key.kid() == Some(kid)));
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Whether it has this key still.
    pub(super) fn has(&self, key: &KeyMark) -> bool {
        self.keys.iter().any(|own| *own.mark == *key)
    }

    /// Whether a token that names this key was signed by one that is here, whatever the algorithm.
    pub(super) fn knows(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.keys.iter().any(|key| key.kid() == Some(kid)))
    }

    /// Whether both have the very same keys.
    pub(super) fn is_same(&self, other: &KeySet) -> bool {
        let same = |one: &IssuerKey, other: &IssuerKey| one.mark == other.mark && one.algorithms == other.algorithms;
        self.keys.len() == other.keys.len() && self.keys.iter().zip(&other.keys).all(|(one, other)| same(one, other))
    }
}

// === impl IssuerKey ===

impl IssuerKey {
    fn read(value: &Value, profile: Profile) -> Result<IssuerKey, String> {
        let Value::Object(members) = value else { return Err("it is no JSON object".to_owned()) };
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            // Whoever reads the set can sign with it.
            return Err("its private part is published".to_owned());
        }
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Err("it is not for signatures".to_owned());
        }
        if let Some(Value::Array(operations)) = members.get("key_ops")
            && !operations.iter().any(|operation| operation == "verify")
        {
            return Err("it is not for verifying".to_owned());
        }
        let kid = text("kid");
        if kid.is_some_and(|kid| kid.len() > bounds::FOREIGN_CLAIM_BYTES_MAX) {
            return Err("its `kid` is too long".to_owned());
        }
        let (kind, can, key, parts) = material(members)?;
        let taken = profile::algorithms(profile);
        let mut algorithms: Vec<Algorithm> = can.iter().copied().filter(|can| taken.contains(can)).collect();
        if let Some(name) = text("alg") {
            let named = Algorithm::from_name(name);
            algorithms.retain(|algorithm| Some(*algorithm) == named);
        }
        if algorithms.is_empty() {
            let what = text("alg").unwrap_or(&kind);
            return Err(format!("profile `{}` takes no tokens signed by `{what}`", profile.name()));
        }
        let mark = Arc::new(KeyMark { kid: kid.map(Box::from), parts });
        Ok(IssuerKey { algorithms, kind, key, mark })
    }

    /// Whether this key made this signature, in base64url, of these bytes. The algorithm must be one of its own.
    pub(super) fn signed(&self, message: &[u8], signature: &str, algorithm: Algorithm) -> bool {
        // The key's family is compared with the algorithm's once more in there.
        jsonwebtoken::crypto::verify(signature, message, &self.key, algorithm.of_library()).unwrap_or(false)
    }

    /// Its name, if the issuer gave it one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.mark.kid.as_deref()
    }

    pub(super) fn mark(&self) -> &Arc<KeyMark> {
        &self.mark
    }
}

impl std::fmt::Debug for IssuerKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "IssuerKey({:?}, {})", self.kid(), self.kind)
    }
}

type Material = (String, &'static [Algorithm], DecodingKey, Vec<Vec<u8>>);

/// The key itself: its kind, what it could sign, and its numbers.
fn material(members: &Map<String, Value>) -> Result<Material, String> {
    let bytes = |name: &str| {
        let text = members.get(name).and_then(Value::as_str);
        let read = text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        read.ok_or_else(|| format!("its `{name}` is missing, or not base64url"))
    };
    let member = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let of_length = |name: &str| {
        let read = bytes(name)?;
        if read.len() == 32 { Ok(read) } else { Err(format!("its `{name}` has {} bytes instead of 32", read.len())) }
    };
    match (member("kty"), member("crv")) {
        ("RSA", _) => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            let leading: Vec<u8> = n.iter().copied().skip_while(|byte| *byte == 0).collect();
            let first = leading.first().map_or(0, |first| 8 - first.leading_zeros() as usize);
            let bits = leading.len().saturating_sub(1) * 8 + first;
            if !RSA_BITS.contains(&bits) {
                return Err(format!("it has {bits} bits; {} to {} are taken", RSA_BITS.start(), RSA_BITS.end()));
            }
            let key = DecodingKey::from_rsa_raw_components(&leading, &e);
            Ok((format!("RSA {bits}"), &[Algorithm::Rs256, Algorithm::Ps256], key, vec![leading, e]))
        }
        ("EC", "P-256") => {
            let (x, y) = (of_length("x")?, of_length("y")?);
            let key = DecodingKey::from_ec_components(member("x"), member("y"));
            let key = key.map_err(|_| "its point can't be read".to_owned())?;
            Ok(("EC P-256".to_owned(), &[Algorithm::Es256], key, vec![x, y]))
        }
        ("OKP", "Ed25519") => {
            let x = of_length("x")?;
            let key = DecodingKey::from_ed_components(member("x"));
            let key = key.map_err(|_| "its point can't be read".to_owned())?;
            Ok(("Ed25519".to_owned(), &[Algorithm::Ed25519], key, vec![x]))
        }
        (kind, curve) => Err(format!("keys of kind `{}` are not taken", format!("{kind} {curve}").trim())),
    }
}

#[cfg(test)]
mod tests;
