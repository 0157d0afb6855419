//! From what a command line asked for to a [`Request`]: the defaults, and the changes to them.

use std::fmt::Write as _;

use bytes::Bytes;
use callgate_model::Secret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};

use crate::items::Edit;
use crate::problem::Problem;
use crate::request::{Payload, Request};
use crate::url::{Url, User};

/// What this client calls itself.
const NAME: &str = concat!("callgate/", env!("CARGO_PKG_VERSION"));

/// A request in the making. Both command lines, HTTPie's and curl's, fill one.
#[derive(Debug)]
pub(crate) struct Draft {
    /// As typed; absent means GET, or POST where there is a body.
    pub(crate) method: Option<String>,
    pub(crate) url: String,
    /// Pairs for the query, encoded.
    pub(crate) query: Vec<String>,
    pub(crate) accept: &'static str,
    pub(crate) payload: Payload,
    /// The body's type, unless a field says another.
    pub(crate) content_type: Option<&'static str>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) user: Option<User>,
    /// The full value of `Authorization`, where an option other than a user gives one.
    pub(crate) bearer: Option<Secret>,
}

// === impl Draft ===

impl Draft {
    pub(crate) fn new(url: String) -> Draft {
        Draft {
            method: None,
            url,
            query: Vec::new(),
            accept: "*/*",
            payload: Payload::Nothing,
            content_type: None,
            edits: Vec::new(),
            user: None,
            bearer: None,
        }
    }

    /// The request, or nothing after adding what is wrong to `problems`.
    pub(crate) fn finish(self, problems: &mut Vec<Problem>) -> Option<Request> {
        let url = Url::parse(&self.url).map_err(|problem| problems.push(problem)).ok();
        let method = self.method(problems);
        let (url, url_user) = url.unzip();
        let authority = url.as_ref().map(Url::authority).unwrap_or_default();
        let mut fields = vec![
            (HOST, value(&authority, problems)),
            (USER_AGENT, HeaderValue::from_static(NAME)),
            (ACCEPT, HeaderValue::from_static(self.accept)),
        ];
        if let Some(user) = self.user.or(url_user.flatten()) {
            fields.push((AUTHORIZATION, value(&basic(&user), problems)));
        }
        if let Some(token) = self.bearer {
            fields.push((AUTHORIZATION, value(&format!("Bearer {}", token.expose()), problems)));
        }
        if let Some(content_type) = self.content_type {
            fields.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        }
        apply(&mut fields, self.edits, problems);
        leave_framing_to_the_sender(&mut fields, &self.payload, problems);
        for (_, value) in fields.iter_mut().filter(|(name, _)| crate::secrecy::is_credential_field(name)) {
            value.set_sensitive(true);
        }
        let mut url = url?;
        for pair in &self.query {
            url.append_query(pair);
        }
        Some(Request { method: method?, url, fields, payload: self.payload })
    }

    fn method(&self, problems: &mut Vec<Problem>) -> Option<Method> {
        let Some(typed) = &self.method else {
            let has_body = !matches!(self.payload, Payload::Nothing);
            return Some(if has_body { Method::POST } else { Method::GET });
        };
        // As typed: methods are case-sensitive (RFC 9110 section 9.1).
        Method::from_bytes(typed.as_bytes())
            .map_err(|_| problems.push(Problem::new(format!("method `{typed}`"), "write a word such as GET or PATCH")))
            .ok()
    }
}

/// The first change to a field replaces its default, further ones add to it.
fn apply(fields: &mut Vec<(HeaderName, HeaderValue)>, edits: Vec<Edit>, problems: &mut Vec<Problem>) {
    let mut changed: Vec<HeaderName> = Vec::new();
    for edit in edits {
        let (Edit::Set(name, _) | Edit::Remove(name)) = &edit;
        // Edits are parsed with this check already; a name that fails it can't get here.
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        let at = fields.iter().position(|(known, _)| *known == name);
        let first = !changed.contains(&name);
        if first {
            fields.retain(|(known, _)| *known != name);
            changed.push(name.clone());
        }
        if let Edit::Set(_, text) = edit {
            let value = value(&text, problems);
            match at {
                // A changed default stays in its place: some servers want Host first.
                Some(at) if first => fields.insert(at.min(fields.len()), (name, value)),
                _ => fields.push((name, value)),
            }
        }
    }
}

/// The length of the body is counted, never believed: a wrong one would be two requests to some servers. Command lines
/// that were copied from elsewhere have it, so a right one is no mistake.
fn leave_framing_to_the_sender(
    fields: &mut Vec<(HeaderName, HeaderValue)>,
    payload: &Payload,
    problems: &mut Vec<Problem>,
) {
    let length = payload.length().unwrap_or(0).to_string();
    for (name, value) in fields.iter() {
        let stated = String::from_utf8_lossy(value.as_bytes());
        if *name == CONTENT_LENGTH && stated != length {
            let what =
                format!("Content-Length `{}`, and the body has {length} bytes", crate::secrecy::shortened(&stated));
            problems.push(Problem::new(what, "leave the field out: it is counted"));
        } else if *name == TRANSFER_ENCODING && !stated.eq_ignore_ascii_case("chunked") {
            let what = format!("Transfer-Encoding `{}`", crate::secrecy::shortened(&stated));
            problems.push(Problem::new(what, "write `chunked`, or leave it out"));
        }
    }
    fields.retain(|(name, _)| *name != CONTENT_LENGTH);
}

/// A field's value. Control characters can't be sent: a line break would begin another field.
fn value(text: &str, problems: &mut Vec<Problem>) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or_else(|_| {
        let shown: String = text.escape_debug().collect();
        problems.push(Problem::new(
            format!("header value `{}`", crate::secrecy::shortened(&shown)),
            "leave out line breaks and other control characters",
        ));
        HeaderValue::from_static("")
    })
}

/// RFC 7617.
fn basic(user: &User) -> String {
    format!("Basic {}", base64(format!("{}:{}", user.name, user.password.expose()).as_bytes()))
}

/// RFC 4648 section 4, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) as usize & 63;
            let letter = ALPHABET.get(index).copied().unwrap_or(b'=');
            text.push(if place > group.len() { '=' } else { letter.into() });
        }
    }
    text
}

/// The members of a JSON object, in their order, each value as it was written.
#[derive(Debug, Default)]
pub(crate) struct Members(Vec<(String, String)>);

// === impl Members ===

impl Members {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a member, or changes it where it stands.
    pub(crate) fn set(&mut self, name: String, json: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = json,
            None => self.0.push((name, json)),
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        let mut text = String::from("{");
        for (at, (name, json)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            // Writing to a String can't fail.
            let _written = write!(text, "{comma}{}:{json}", quoted(name));
        }
        text.push('}');
        text.into()
    }
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_rfc_4648_section_10() {
        for (bytes, expect) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(base64(bytes.as_bytes()), expect);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
