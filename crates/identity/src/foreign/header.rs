//! The header of a signed token (RFC 7515 section 4): whatever says how it is to be verified, and by what.

use serde_json::{Map, Value};

use super::algorithm::Algorithm;

/// Members that bring a key along, say where one is, change what is signed, or must be understood and are not. A token with
/// one of them is none that an issuer of ours makes, and reading past it is how others were fooled.
const REFUSED: [&str; 9] = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "epk"];

/// What it says, as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    pub(super) typ: Option<Box<str>>,
}

// === impl Header ===

impl Header {
    /// Reads the members of a header.
    ///
    /// # Errors
    /// Why no token with it is taken, for the operator.
    pub(super) fn read(members: &Map<String, Value>) -> Result<Header, &'static str> {
        if REFUSED.iter().any(|name| members.contains_key(*name)) {
            return Err(
                "signed in a way that is not taken: its header brings a key, or an address of one, or something to be understood",
            );
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(Box::from(text.as_str()))),
            Some(_) => Err("without a readable header: a member is no text"),
        };
        let algorithm = text("alg")?.ok_or("without a readable header: it names no algorithm")?;
        let algorithm = Algorithm::from_name(&algorithm);
        let algorithm = algorithm
            .ok_or("signed by an algorithm that is not taken: `none`, a shared secret, or one of little use")?;
        Ok(Header { algorithm, kid: text("kid")?, typ: text("typ")? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::object;
    use super::*;

    #[test]
    fn a_header_says_how_and_nothing_else() {
        let read = |text: &str| Header::read(&object(text.as_bytes()).unwrap());
        let good = read(r#"{"alg":"ES256","kid":"a","typ":"at+jwt","x5t":"abc","nonce":"n"}"#).unwrap();
        assert_eq!(
            (good.algorithm, good.kid.as_deref(), good.typ.as_deref()),
            (Algorithm::Es256, Some("a"), Some("at+jwt"))
        );
        assert_eq!(read(r#"{"alg":"EdDSA"}"#).unwrap().algorithm, Algorithm::Ed25519);
        for algorithm in ["none", "None", "NONE", "HS256", "HS512", "RS384", "ES512", "es256", "RSA-OAEP", ""] {
            assert!(read(&format!(r#"{{"alg":"{algorithm}"}}"#)).is_err(), "{algorithm}");
        }
        for more in REFUSED {
            assert!(read(&format!(r#"{{"alg":"ES256","{more}":null}}"#)).is_err(), "{more}");
        }
        for wrong in [r#"{}"#, r#"{"alg":["ES256"]}"#, r#"{"alg":"ES256","kid":7}"#, r#"{"alg":"ES256","typ":null}"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
