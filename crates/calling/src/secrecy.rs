//! What must not be shown: credentials in fields and in queries.
//!
//! A terminal is shared, recorded and pasted into tickets. So what this client shows or keeps of a *request* has
//! `[redacted]` where a credential was. One list, used for showing, for keeping, and for what a redirect to another
//! origin must not get.

use std::borrow::Cow;

use callgate_model::Secret;
use http::HeaderName;

use crate::request::Request;

/// Stands where a credential was.
pub const REDACTED: &str = "[redacted]";

/// A field whose name has one of these in it carries a credential.
const FIELD_PARTS: &[&str] =
    &["authorization", "cookie", "api-key", "apikey", "token", "secret", "password", "session", "signature", "x-auth"];

/// A parameter whose name is one of these, with `-`, `_` and case left aside, carries a credential.
const PARAMETERS: &[&str] = &[
    "key",
    "sig",
    "signature",
    "auth",
    "authorization",
    "code",
    "jwt",
    "pass",
    "passwd",
    "pwd",
    "xamzsignature",
    "xamzcredential",
    "credential",
    "credentials",
];

/// The same for one that has any of these in its name.
const PARAMETER_PARTS: &[&str] = &["apikey", "token", "secret", "password", "accesskey", "session"];

/// Shorter ones are not searched for in texts: they would be found everywhere.
const SEARCHED_BYTES_MIN: usize = 6;

/// Whether a field of this name carries a credential.
#[must_use]
pub fn is_credential_field(name: &HeaderName) -> bool {
    FIELD_PARTS.iter().any(|part| name.as_str().contains(part))
}

/// A field's value as it may be shown. The scheme before the credential (`Bearer`) stays: it is half of what goes wrong.
#[must_use]
pub fn field<'value>(name: &HeaderName, value: &'value str) -> Cow<'value, str> {
    if !is_credential_field(name) {
        return Cow::Borrowed(value);
    }
    match value.split_once(' ') {
        Some((scheme, rest)) if name.as_str().contains("authorization") && !rest.is_empty() => {
            Cow::Owned(format!("{scheme} {REDACTED}"))
        }
        _ => Cow::Borrowed(REDACTED),
    }
}

/// A target or a whole URL with its key-like parameters replaced.
#[must_use]
pub fn target(text: &str) -> String {
    let Some((path, query)) = text.split_once('?') else { return text.to_owned() };
    let shown: Vec<Cow<'_, str>> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_credential_parameter(name) => {
                Cow::Owned(format!("{name}={REDACTED}"))
            }
            _ => Cow::Borrowed(pair),
        })
        .collect();
    format!("{path}?{}", shown.join("&"))
}

/// Every credential that a request carries, to be searched for in what somebody else says about it.
#[must_use]
pub fn credentials(request: &Request) -> Vec<Secret> {
    let mut found = Vec::new();
    for (name, value) in request.fields.iter().filter(|(name, _)| is_credential_field(name)) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name.as_str().contains("cookie") {
            found.extend(value.split(';').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned()));
        } else if let Some((_, rest)) = value.split_once(' ') {
            found.push(rest.to_owned());
        }
        found.push(value);
    }
    for pair in request.url.query().unwrap_or("").split('&') {
        if let Some((name, value)) = pair.split_once('=')
            && is_credential_parameter(name)
        {
            found.push(value.to_owned());
        }
    }
    found.retain(|text| text.trim().len() >= SEARCHED_BYTES_MIN);
    // The longest first, so that no rest of one is left after another was taken out of it.
    found.sort_by_key(|text| std::cmp::Reverse(text.len()));
    found.into_iter().map(|text| Secret::new(text.trim())).collect()
}

/// A text of somebody else's without the credentials of the request that it answers.
#[must_use]
pub fn without(text: &str, credentials: &[Secret]) -> String {
    credentials.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), REDACTED))
}

/// A text that may be long or secret, cut to what is needed to recognise it.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 16;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn is_credential_parameter(name: &str) -> bool {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    PARAMETERS.contains(&name.as_str()) || PARAMETER_PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_fields_are_replaced_and_schemes_stay() {
        for (name, value, expect) in [
            ("authorization", "Bearer abc", "Bearer [redacted]"),
            ("authorization", "abc", "[redacted]"),
            ("proxy-authorization", "Basic eA==", "Basic [redacted]"),
            ("x-api-key", "a b", "[redacted]"),
            ("cookie", "a=b; c=d", "[redacted]"),
            ("x-csrf-token", "t", "[redacted]"),
            ("accept", "*/*", "*/*"),
            ("x-key-count", "3", "3"),
        ] {
            assert_eq!(field(&HeaderName::from_static(name), value), expect, "{name}: {value}");
        }
    }

    #[test]
    fn key_like_parameters_are_replaced() {
        for (text, expect) in [
            ("/x", "/x"),
            ("/x?q=a&api_key=abc", "/x?q=a&api_key=[redacted]"),
            ("/x?apiKey=abc&key=&page=2", "/x?apiKey=[redacted]&key=&page=2"),
            (
                "https://a/x?X-Amz-Signature=1&access-token=2",
                "https://a/x?X-Amz-Signature=[redacted]&access-token=[redacted]",
            ),
            ("/x?monkey=1&keys=2&zip_code=3", "/x?monkey=1&keys=2&zip_code=3"),
        ] {
            assert_eq!(target(text), expect);
        }
    }
}
