//! Which client asks (RFC 6749 section 2.3.1): by Basic, or by the form; never by both.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callgate_identity::{ClientEntry, TokenTable};
use callgate_model::Secret;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::form::Form;
use crate::reply::Fault;

/// The client that asks: one that proves to be itself, or a public one, which has nothing to prove it by.
///
/// # Errors
/// As [`authenticate`].
pub(crate) fn named(tokens: &TokenTable, headers: &HeaderMap, form: &Form) -> Result<Arc<ClientEntry>, Fault> {
    let shows_nothing = !headers.contains_key(AUTHORIZATION) && form.get("client_secret").is_none();
    match form.get("client_id").filter(|_| shows_nothing) {
        Some(name) => tokens.client(name).filter(|client| client.public).ok_or_else(Fault::client),
        None => authenticate(tokens, headers, form),
    }
}

/// The client that proves to be itself.
///
/// # Errors
/// `invalid_client`, whatever was wrong about it; `invalid_request` for two proofs at once.
pub(crate) fn authenticate(tokens: &TokenTable, headers: &HeaderMap, form: &Form) -> Result<Arc<ClientEntry>, Fault> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (field, second) = (fields.next(), fields.next());
    let by_form = form.get("client_secret").map(|secret| (form.get("client_id"), Secret::new(secret)));
    let (name, secret) = match (field, by_form) {
        (Some(_), Some(_)) => return Err(Fault::request("The client shows its secret twice: use one way.")),
        (Some(_), None) if second.is_some() => return Err(Fault::request("There are two Authorization fields.")),
        (Some(field), None) => {
            let (name, secret) = field.to_str().ok().and_then(basic).ok_or_else(Fault::client)?;
            if form.get("client_id").is_some_and(|other| other != name) {
                return Err(Fault::request("The client is named twice, and differently."));
            }
            (name, secret)
        }
        (None, Some((Some(name), secret))) => (name.to_owned(), secret),
        (None, _) => return Err(Fault::client()),
    };
    tokens.authenticate(&name, &secret).ok_or_else(Fault::client)
}

/// Name and secret of a Basic field, each form-encoded before (RFC 6749 section 2.3.1).
fn basic(field: &str) -> Option<(String, Secret)> {
    let (scheme, encoded) = field.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some((decoded(name)?, Secret::new(decoded(secret)?)))
}

fn decoded(text: &str) -> Option<String> {
    // As the value of a form with one parameter; a text with a separator in it is no value.
    if text.contains(['&', '=']) {
        return None;
    }
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    Some(pairs.next().map_or_else(String::new, |(value, _)| Cow::into_owned(value)))
}
