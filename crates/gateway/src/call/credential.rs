//! Where a call carries its credential. Found once; removed wherever it stands before the call goes upstream.

use std::borrow::Cow;

use callgate_config::Rule;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, key};
use callgate_wire::query;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::read::Incoming;
use super::route::Routed;
use super::state::Call;
use crate::snapshot::KeyPlaces;

/// The credential that a call presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presented {
    /// None.
    Nothing,
    /// A key, as text; may be anything that a caller wrote there.
    Key(String),
    /// Something in the place of a key that is not even text.
    Unreadable,
}

/// Finds the key of a call.
///
/// # Errors
/// `credential_ambiguous` when there are two: which one counts would be the gate's guess, and the upstream's another.
pub(crate) fn find<B>(call: &mut Call<'_>, routed: &Routed<'_>, request: &Incoming<B>) -> Result<Presented, Refused> {
    if !routed.needs_key() {
        return Ok(Presented::Nothing);
    }
    let mut found = all(&routed.api.keys, request);
    if found.len() < 2 {
        return Ok(found.pop().map_or(Presented::Nothing, |(_, presented)| presented));
    }
    let places: Vec<&str> = found.iter().map(|(place, _)| *place).collect();
    let detail = format!("The call brought {} keys (in {}); send one.", places.len(), places.join(", "));
    let refusal = Refusal::new(Code::CredentialAmbiguous, detail).rule(format!("apis.{}.keys", routed.api.name));
    call.judge(routed.access().1.only_watches(Rule::Access), Err(refusal))?;
    Ok(Presented::Unreadable)
}

fn all<'a, B>(keys: &'a KeyPlaces, request: &Incoming<B>) -> Vec<(&'a str, Presented)> {
    let mut found = Vec::new();
    if let Some(name) = &keys.header {
        found.extend(request.headers().get_all(name).iter().map(|value| (name.as_str(), text(value))));
    }
    if keys.bearer {
        let fields = request.headers().get_all(AUTHORIZATION).iter();
        found.extend(fields.filter_map(|value| Some(("authorization", bearer(value)?))));
    }
    if let (Some(name), Some(raw)) = (&keys.query, request.query()) {
        found.extend(query::values(raw, name).map(|value| ("the query", Presented::Key(Cow::into_owned(value)))));
    }
    found
}

/// Removes every trace of a key from the fields that go upstream. `needed` is whether this route takes keys: then a Bearer
/// field is ours whatever it says; elsewhere it may be the upstream's own token and only one in the shape of our keys goes.
pub(crate) fn strip(headers: &mut HeaderMap, keys: &KeyPlaces, takes_keys: bool, needed: bool) {
    if let Some(name) = &keys.header
        && (takes_keys || headers.get_all(name).iter().any(has_key_shape))
    {
        headers.remove(name);
    }
    let bearer_is_ours = |value: &HeaderValue| match bearer(value) {
        Some(Presented::Key(text)) => (needed && keys.bearer) || key::inspect(&text).is_ok(),
        Some(_) => needed && keys.bearer,
        None => false,
    };
    if headers.get_all(AUTHORIZATION).iter().any(bearer_is_ours) {
        headers.remove(AUTHORIZATION);
    }
}

fn text(value: &HeaderValue) -> Presented {
    value.to_str().map_or(Presented::Unreadable, |text| Presented::Key(text.trim().to_owned()))
}

/// The token of a Bearer field; the scheme is compared without case (RFC 9110 section 11.1). None for other schemes.
fn bearer(value: &HeaderValue) -> Option<Presented> {
    let (scheme, _) = value.as_bytes().split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    let Ok(text) = value.to_str() else { return Some(Presented::Unreadable) };
    let token = text.get(6..).unwrap_or_default();
    (token.is_empty() || token.starts_with(' ')).then(|| Presented::Key(token.trim().to_owned()))
}

fn has_key_shape(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| key::inspect(text.trim()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &[u8], expect: Option<&str>) {
        let found = bearer(&HeaderValue::from_bytes(value).unwrap());
        let found = found.map(|presented| match presented {
            Presented::Key(text) => text,
            other => format!("{other:?}"),
        });
        assert_eq!(found.as_deref(), expect, "{value:?}");
    }

    #[test]
    fn bearer_tokens() {
        check(b"Bearer abc", Some("abc"));
        check(b"bEaReR  abc ", Some("abc"));
        check(b"Bearer", Some(""));
        check(b"Bearerabc", None);
        check(b"Basic abc", None);
        check(b"Bearer \xff", Some("Unreadable"));
    }
}
