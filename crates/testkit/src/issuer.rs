//! An issuer of access tokens that is not the gate: it publishes what a test says, and signs what a test writes.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::upstream::{Connection, ScriptedUpstream};

/// A key pair with a name, ES256.
#[derive(Debug)]
pub struct SigningPair {
    kid: String,
    pair: EcdsaKeyPair,
}

/// A server with metadata (`/.well-known/…`) and a key set (`/jwks`).
#[derive(Debug)]
pub struct ScriptedIssuer {
    server: ScriptedUpstream,
    state: Arc<Mutex<State>>,
}

/// How an issuer answers.
#[derive(Debug, Clone, Default)]
pub enum Manner {
    /// As it should.
    #[default]
    Well,
    /// With exactly these bytes, whatever is asked.
    Bytes(Vec<u8>),
    /// Not at all, and holds the connection.
    Silent,
    /// With spaces that never end.
    Endless,
}

#[derive(Debug, Default)]
struct State {
    keys: Vec<Value>,
    manner: Manner,
    /// Where it says that its keys are, if not at `/jwks`.
    jwks_uri: Option<String>,
}

// === impl SigningPair ===

impl SigningPair {
    /// A new one.
    #[must_use]
    pub fn new(kid: &str) -> SigningPair {
        SigningPair { kid: kid.to_owned(), pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap() }
    }

    /// Its public part (RFC 7517).
    #[must_use]
    pub fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": text(x), "y": text(y) })
    }

    /// A token of exactly these two texts, signed.
    #[must_use]
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    /// What a token is bound to it by (RFC 7638): `jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let member = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        digest_of(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x"), member("y")))
    }

    /// A proof that its holder makes this very call with this token (RFC 9449 section 4.2).
    #[must_use]
    pub fn proof(&self, method: &str, url: &str, token: &str, nonce: &str) -> String {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() });
        // As good as any text that never comes twice.
        let id = SigningPair::new("id").thumbprint();
        let claims = json!({
            "jti": id, "htm": method, "htu": url, "iat": now_s(), "ath": digest_of(token), "nonce": nonce,
        });
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// An access token as RFC 9068 has it, with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid });
        self.sign(&header.to_string(), &claims.to_string())
    }
}

// === impl ScriptedIssuer ===

impl ScriptedIssuer {
    /// Starts one that publishes these keys.
    #[must_use]
    pub fn publishing(keys: &[&SigningPair]) -> ScriptedIssuer {
        let state = Arc::new(Mutex::new(State::default()));
        let of_script = Arc::clone(&state);
        let server = ScriptedUpstream::start(move |connection| answer(connection, &of_script));
        let issuer = ScriptedIssuer { server, state };
        issuer.publish(keys);
        issuer
    }

    /// Publishes these keys from now on, and no others.
    pub fn publish(&self, keys: &[&SigningPair]) {
        self.state.lock().unwrap().keys = keys.iter().map(|key| key.jwk()).collect();
    }

    /// Answers so from now on.
    pub fn behave(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// Says from now on that its keys are there.
    pub fn point_to(&self, jwks_uri: &str) {
        self.state.lock().unwrap().jwks_uri = Some(jwks_uri.to_owned());
    }

    /// Its identifier: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How often its keys were fetched.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.server.received().iter().filter(|request| request.target() == "/jwks").count()
    }

    /// How many connections were made to it.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// What a good token for this audience says: of client `reader`, for ten minutes.
    #[must_use]
    pub fn claims(&self, audience: &str) -> Value {
        let now = now_s();
        json!({
            "iss": self.url(), "sub": "ada", "aud": audience, "client_id": "reader", "scope": "books:read",
            "iat": now, "exp": now + 600, "jti": "1",
        })
    }
}

/// SHA-256, in base64url.
fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

fn answer(connection: &mut Connection, state: &Mutex<State>) {
    while let Some(request) = connection.request() {
        let host = request.field("host").unwrap_or_default().to_owned();
        let (manner, keys, jwks_uri) = {
            let state = state.lock().unwrap();
            (state.manner.clone(), state.keys.clone(), state.jwks_uri.clone())
        };
        let document = match request.target() {
            "/jwks" => json!({ "keys": keys }),
            _ => {
                let own = format!("http://{host}/jwks");
                json!({ "issuer": format!("http://{host}"), "jwks_uri": jwks_uri.unwrap_or(own) })
            }
        };
        let sent = match manner {
            Manner::Well => connection.send(json_reply(&document)),
            Manner::Bytes(bytes) => connection.send(bytes),
            Manner::Silent => {
                connection.hold();
                return;
            }
            Manner::Endless => {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
                let piece = [b' '; 64 * 1024];
                while connection.send(piece) {}
                return;
            }
        };
        if !sent {
            return;
        }
    }
}

fn json_reply(document: &Value) -> Vec<u8> {
    let body = document.to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// Unix seconds.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "tokens of others are made by the machine's clock")]
pub fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
