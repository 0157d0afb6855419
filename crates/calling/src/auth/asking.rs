//! What is asked of an issuer (RFC 8414, 6749, 7636, 7009), and never of anybody else.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use callgate_model::Clock;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderName, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kept::Kept;
use super::{Login, random};
use crate::error::CallError;
use crate::request::{Payload, Request};
use crate::send::{Sending, send};
use crate::url::Url;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// An address that is none, or that nobody should send a secret to.
    #[error("`{url}` {why}")]
    Address {
        /// As written.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The issuer could not be asked.
    #[error("{url} could not be asked: {}", source.in_full())]
    Unasked {
        /// Where.
        url: String,
        /// Why.
        source: Box<CallError>,
    },
    /// The issuer said no.
    #[error("{issuer} says {said}")]
    Refused {
        /// Which.
        issuer: String,
        /// Its error, and its words for it.
        said: String,
    },
    /// What the issuer said is not what the standards have it say.
    #[error("{url} answered {what}")]
    Odd {
        /// Where.
        url: String,
        /// What is odd about it.
        what: String,
    },
    /// Nobody came back from signing in.
    #[error("nobody came back from signing in within {} minutes: try again", within.as_secs() / 60)]
    NobodyCame {
        /// How long was waited.
        within: Duration,
    },
    /// No socket for the way back.
    #[error("no port of this machine can be listened on")]
    NoWayBack(#[source] io::Error),
    /// The system gave no random bytes.
    #[error("the system's random generator did not answer")]
    NoRandomness,
    /// Nothing is kept.
    #[error("{} is kept: `callgate auth login ISSUER --client NAME` gets one", match issuer { Some(issuer) => format!("no token of {issuer}"), None => "no token".to_owned() })]
    NotKept {
        /// Of which issuer.
        issuer: Option<String>,
    },
    /// Tokens of several issuers are.
    #[error("tokens of several issuers are kept: say which; `callgate auth status` lists them")]
    Several,
    /// It can't be led on.
    #[error("the token of {issuer} is over, and there is nothing to lead it on by: `callgate auth login` gets another")]
    Over {
        /// Whose.
        issuer: String,
    },
    /// Forgotten here, and perhaps not there.
    #[error("the token of {issuer} is forgotten here, but the issuer could not be told: {source}")]
    ForgottenOnly {
        /// Whose.
        issuer: String,
        /// Why.
        source: Box<AuthError>,
    },
    /// The file can't be read or written.
    #[error("{} can't be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read the file.
    #[error("{} can be read by other users: if nobody did, `chmod 600` it; otherwise log out and in again", path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
    },
}

/// An issuer whose documents were read.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) name: String,
    pub(super) token_endpoint: String,
    pub(super) revocation_endpoint: Option<String>,
    authorization_endpoint: Option<String>,
    says_iss: bool,
}

/// Where a person is sent, and what must come back.
pub(super) struct Sent {
    pub(super) address: String,
    pub(super) state: String,
    pub(super) verifier: String,
}

/// What an issuer gave (RFC 6749 section 5.1).
#[derive(Deserialize)]
pub(super) struct Asked {
    pub(super) access_token: String,
    #[serde(default)]
    expires_in: Option<u32>,
    #[serde(default)]
    pub(super) refresh_token: Option<String>,
    #[serde(default)]
    pub(super) scope: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: String,
    #[serde(default)]
    authorization_endpoint: Option<String>,
    #[serde(default)]
    revocation_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A token answer is a few kilobytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// For each question.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// When an issuer does not say how long a token is good (RFC 6749 section 5.1 only recommends it).
const GOOD_FOR_S: u32 = 300;

// === impl Issuer ===

impl Issuer {
    /// Reads the issuer's metadata, and holds it against the address that was asked.
    pub(super) async fn discover(written: &str) -> Result<Issuer, AuthError> {
        let name = written.trim_end_matches('/');
        let url = safe(name)?;
        // RFC 8414 section 3.1: between the host and the path.
        let path = url.path().trim_end_matches('/').to_owned();
        let document = format!("{}/.well-known/oauth-authorization-server{path}", url.origin());
        let metadata: Metadata = ask(&document, Method::GET, None).await?;
        if metadata.issuer.trim_end_matches('/') != name {
            let what = format!("as issuer `{}`, which is not `{name}`", metadata.issuer);
            return Err(AuthError::Odd { url: document, what });
        }
        let Metadata { issuer: name, token_endpoint, authorization_endpoint, revocation_endpoint, .. } = metadata;
        let says_iss = metadata.authorization_response_iss_parameter_supported;
        let issuer = Issuer { name, token_endpoint, revocation_endpoint, authorization_endpoint, says_iss };
        issuer.check()?;
        Ok(issuer)
    }

    pub(super) fn of(kept: &Kept) -> Result<Issuer, AuthError> {
        let issuer = Issuer {
            name: kept.issuer.clone(),
            token_endpoint: kept.token_endpoint.clone(),
            revocation_endpoint: kept.revocation_endpoint.clone(),
            authorization_endpoint: None,
            says_iss: false,
        };
        issuer.check()?;
        Ok(issuer)
    }

    /// Every address that gets a secret is of the issuer's own origin.
    fn check(&self) -> Result<(), AuthError> {
        let own = safe(&self.name)?.origin();
        let all = [Some(&self.token_endpoint), self.revocation_endpoint.as_ref(), self.authorization_endpoint.as_ref()];
        for address in all.into_iter().flatten() {
            if safe(address)?.origin() != own {
                let why = "is at another origin than the issuer: nothing is sent there";
                return Err(AuthError::Address { url: address.clone(), why });
            }
        }
        Ok(())
    }

    pub(super) async fn by_secret(&self, login: &Login) -> Result<Asked, AuthError> {
        let mut form = Form::of("client_credentials", &login.client_id, login.secret.as_deref());
        form.put("scope", Some(login.scopes.join(" ")).filter(|scope| !scope.is_empty()).as_deref());
        form.put("resource", login.resource.as_deref());
        self.token(form).await
    }

    /// The address that a person opens to sign in.
    pub(super) fn sends_to(&self, login: &Login, redirect: &str) -> Result<Sent, AuthError> {
        let Some(endpoint) = &self.authorization_endpoint else {
            let what = "nowhere to sign in: give the client's secret, so that it asks for itself".to_owned();
            return Err(AuthError::Odd { url: self.name.clone(), what });
        };
        let (verifier, state) = (random::text()?, random::text()?);
        let mut form = Form::default();
        form.put("response_type", Some("code"));
        form.put("client_id", Some(&login.client_id));
        form.put("redirect_uri", Some(redirect));
        form.put("scope", Some(login.scopes.join(" ")).filter(|scope| !scope.is_empty()).as_deref());
        form.put("resource", login.resource.as_deref());
        form.put("state", Some(&state));
        form.put("code_challenge", Some(&random::challenge(&verifier)));
        form.put("code_challenge_method", Some("S256"));
        let separator = if endpoint.contains('?') { '&' } else { '?' };
        Ok(Sent { address: format!("{endpoint}{separator}{}", form.0), state, verifier })
    }

    /// What came back: the code, if it is the answer to our question and this issuer's (RFC 9207).
    pub(super) fn code(&self, query: &str, state: &str) -> Result<String, AuthError> {
        let get = |name: &str| {
            let mut values = query.split('&').filter_map(|pair| pair.split_once('='));
            values.find(|(known, _)| *known == name).map(|(_, value)| decoded(value))
        };
        let odd = |what: &str| AuthError::Odd { url: self.name.clone(), what: what.to_owned() };
        if get("state").as_deref() != Some(state) {
            return Err(odd("to another question than ours (`state`)"));
        }
        match get("iss") {
            Some(iss) if iss != self.name => return Err(odd("in another issuer's name (`iss`)")),
            None if self.says_iss => return Err(odd("without its name (`iss`)")),
            _ => {}
        }
        if let Some(error) = get("error") {
            let said = get("error_description").map_or_else(|| error.clone(), |words| format!("{error}: {words}"));
            return Err(AuthError::Refused { issuer: self.name.clone(), said });
        }
        get("code").filter(|code| !code.is_empty()).ok_or_else(|| odd("without a code"))
    }

    pub(super) async fn redeem(
        &self,
        login: &Login,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<Asked, AuthError> {
        let mut form = Form::of("authorization_code", &login.client_id, None);
        form.put("code", Some(code));
        form.put("code_verifier", Some(verifier));
        form.put("redirect_uri", Some(redirect));
        form.put("resource", login.resource.as_deref());
        self.token(form).await
    }

    /// Another access token by what is kept.
    pub(super) async fn lead_on(&self, kept: &Kept) -> Result<Asked, AuthError> {
        let mut form = match (&kept.refresh_token, &kept.secret) {
            (Some(refresh), secret) => {
                let mut form = Form::of("refresh_token", &kept.client_id, secret.as_deref());
                form.put("refresh_token", Some(refresh));
                form
            }
            (None, Some(secret)) => {
                let mut form = Form::of("client_credentials", &kept.client_id, Some(secret));
                form.put("scope", kept.scope.as_deref());
                form
            }
            (None, None) => return Err(AuthError::Over { issuer: kept.issuer.clone() }),
        };
        form.put("resource", kept.resource.as_deref());
        self.token(form).await
    }

    /// RFC 7009: the refresh token takes the access tokens along.
    pub(super) async fn revoke(&self, kept: &Kept) -> Result<(), AuthError> {
        let Some(endpoint) = &self.revocation_endpoint else { return Ok(()) };
        let mut form = Form::default();
        form.put("client_id", Some(&kept.client_id));
        form.put("client_secret", kept.secret.as_deref());
        form.put("token", Some(kept.refresh_token.as_ref().unwrap_or(&kept.access_token)));
        // An answer without a body is as good (section 2.2).
        self.posted::<Value>(endpoint, form, true).await.map(|_| ())
    }

    async fn token(&self, form: Form) -> Result<Asked, AuthError> {
        let asked: Option<Asked> = self.posted(&self.token_endpoint, form, false).await?;
        asked.ok_or_else(|| AuthError::Odd { url: self.token_endpoint.clone(), what: "nothing".to_owned() })
    }

    async fn posted<T: DeserializeOwned>(&self, url: &str, form: Form, any: bool) -> Result<Option<T>, AuthError> {
        let (status, body) = exchange(url, Method::POST, Some(form)).await?;
        if (200..300).contains(&status) {
            return match serde_json::from_slice(&body) {
                Ok(read) => Ok(Some(read)),
                Err(_) if any => Ok(None),
                Err(_) => {
                    Err(AuthError::Odd { url: url.to_owned(), what: "something that is no token answer".to_owned() })
                }
            };
        }
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(printable);
        let said = match (text("error"), text("error_description")) {
            (Some(error), Some(words)) => format!("{error}: {words}"),
            (Some(error), None) => error,
            (None, _) => format!("status {status}"),
        };
        Err(AuthError::Refused { issuer: self.name.clone(), said })
    }
}

// === impl Asked ===

impl Asked {
    pub(super) fn expires_ms(&self, clock: &Clock) -> i64 {
        let lasts_s = i64::from(self.expires_in.unwrap_or(GOOD_FOR_S));
        clock.unix_ms().saturating_add(lasts_s.saturating_mul(1_000))
    }
}

/// A form, or a query.
#[derive(Default)]
struct Form(String);

// === impl Form ===

impl Form {
    fn of(grant: &str, client_id: &str, secret: Option<&str>) -> Form {
        let mut form = Form::default();
        form.put("grant_type", Some(grant));
        form.put("client_id", Some(client_id));
        form.put("client_secret", secret);
        form
    }

    fn put(&mut self, name: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                self.0.push(char::from(byte));
            } else {
                // Writing into a String never fails.
                let _always_ok = write!(self.0, "%{byte:02X}");
            }
        }
    }
}

/// An address that a secret may go to: https, or this machine.
fn safe(written: &str) -> Result<Url, AuthError> {
    let fault = |why| AuthError::Address { url: written.to_owned(), why };
    let (url, user) = Url::parse(written).map_err(|_| fault("is no address"))?;
    if user.is_some() {
        return Err(fault("has a user in it"));
    }
    let is_here = url.host == "localhost" || url.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if url.scheme == crate::url::Scheme::Http && !is_here {
        return Err(fault("is not https: whatever is sent there can be read on its way"));
    }
    Ok(url)
}

async fn ask<T: DeserializeOwned>(url: &str, method: Method, form: Option<Form>) -> Result<T, AuthError> {
    let (status, body) = exchange(url, method, form).await?;
    let odd = |what: String| AuthError::Odd { url: url.to_owned(), what };
    if status != 200 {
        return Err(odd(format!("with status {status}: is this an issuer?")));
    }
    serde_json::from_slice(&body).map_err(|_| odd("something that is no document of an issuer".to_owned()))
}

/// One question, one answer; a redirect is an answer, since following it would carry secrets elsewhere.
async fn exchange(written: &str, method: Method, form: Option<Form>) -> Result<(u16, Vec<u8>), AuthError> {
    let url = safe(written)?;
    let unasked = |source| AuthError::Unasked { url: written.to_owned(), source: Box::new(source) };
    let odd = |what: &str| AuthError::Odd { url: written.to_owned(), what: what.to_owned() };
    let host = HeaderValue::from_str(&url.authority()).map_err(|_| odd("no request, since its host is none"))?;
    let mut fields: Vec<(HeaderName, HeaderValue)> =
        vec![(HOST, host), (ACCEPT, HeaderValue::from_static("application/json"))];
    let payload = match form {
        Some(form) => {
            fields.push((CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")));
            Payload::Whole(Bytes::from(form.0))
        }
        None => Payload::Nothing,
    };
    let sending = Sending { total: Some(ANSWERED_WITHIN), ..Sending::default() };
    let mut answer = send(&Request { method, url, fields, payload }, &sending).await.map_err(unasked)?;
    let mut body = Vec::new();
    while let Some(piece) = answer.piece().await.map_err(unasked)? {
        body.extend_from_slice(&piece);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(odd("more than an issuer has to say"));
        }
    }
    Ok((answer.status.as_u16(), body))
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (hex(rest.next()), hex(rest.next()));
                let both = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                bytes.push(both.unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    printable(&String::from_utf8_lossy(&bytes))
}

/// What comes from outside never moves a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(token_endpoint: &str) -> Issuer {
        Issuer {
            name: "https://id.example.com".to_owned(),
            token_endpoint: token_endpoint.to_owned(),
            revocation_endpoint: None,
            authorization_endpoint: None,
            says_iss: true,
        }
    }

    #[test]
    fn only_the_answer_to_our_question_is_one() {
        let check = |query: &str, expect: &str| {
            let outcome = issuer("https://id.example.com/token").code(query, "ours");
            let told = outcome.unwrap_or_else(|error| error.to_string());
            assert!(told.contains(expect), "{query}: {told}");
        };
        check("code=a%20b&state=ours&iss=https%3A%2F%2Fid.example.com", "a b");
        check("code=x&state=other&iss=https%3A%2F%2Fid.example.com", "`state`");
        check("code=x&iss=https%3A%2F%2Fid.example.com", "`state`");
        check("code=x&state=ours&iss=https%3A%2F%2Fevil.example", "`iss`");
        check("code=x&state=ours", "`iss`");
        check("state=ours&iss=https%3A%2F%2Fid.example.com", "without a code");
        let refused = "error=access_denied&error_description=no%1b%5b31m&state=ours&iss=https%3A%2F%2Fid.example.com";
        check(refused, "access_denied: no?[31m");
    }

    #[test]
    fn a_secret_goes_nowhere_else() {
        let check = |endpoint: &str, expect: &str| {
            let told = issuer(endpoint).check().map_or_else(|error| error.to_string(), |()| "good".to_owned());
            assert!(told.contains(expect), "{endpoint}: {told}");
        };
        check("https://id.example.com/oauth/token", "good");
        check("https://id.example.com:443/oauth/token", "good");
        check("https://id.example.com:8443/oauth/token", "at another origin");
        check("https://id.example.com.evil.example/token", "at another origin");
        check("http://id.example.com/oauth/token", "is not https");
        check("https://me:word@id.example.com/oauth/token", "has a user in it");
    }
}
