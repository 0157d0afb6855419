//! Where a call carries its credential. Found once; removed wherever it stands before the call goes upstream.

use std::borrow::Cow;

use callgate_config::{Credential, Rule};
use callgate_identity::TokenTable;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, key};
use callgate_wire::query;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::proof::{self, Proof};
use super::read::Incoming;
use super::route::Routed;
use super::state::Call;
use crate::Gate;

/// The credentials that a call presents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Presented {
    /// Where a key is looked for.
    pub(crate) key: Found,
    /// Where a token is.
    pub(crate) token: Found,
    /// What came to prove that the token is its sender's.
    pub(crate) proof: Option<Box<Proof>>,
}

/// How an Authorization field carries a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RFC 6750.
    Bearer,
    /// RFC 9449: with a proof beside it.
    Proof,
}

/// What stands in the place of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Found {
    /// Nothing.
    #[default]
    Nothing,
    /// A text; may be anything that a caller wrote there.
    Text(String),
    /// Something that is not even text.
    Unreadable,
}

// === impl Presented ===

impl Presented {
    /// Whether there is neither a key nor a token.
    pub(crate) fn is_nothing(&self) -> bool {
        self.key == Found::Nothing && self.token == Found::Nothing
    }
}

/// Finds the key and the token of a call.
///
/// # Errors
/// `credential_ambiguous` when there are two of one kind: which one counts would be the gate's guess, and the upstream's
/// another.
pub(crate) fn find<B>(call: &mut Call<'_>, routed: &Routed<'_>, request: &Incoming<B>) -> Result<Presented, Refused> {
    let proof = if routed.looks_for(Credential::Token) { proof::find(call, routed, request) } else { None };
    let mut presented = Presented { proof, ..Presented::default() };
    for kind in [Credential::Key, Credential::Token] {
        if !routed.looks_for(kind) {
            continue;
        }
        let mut found = all(kind, routed, request);
        let one = if found.len() < 2 {
            found.pop().map_or(Found::Nothing, |(_, found)| found)
        } else {
            let places: Vec<&str> = found.iter().map(|(place, _)| *place).collect();
            let (count, name, places) = (places.len(), kind.name(), places.join(", "));
            let detail = format!("The call brought {count} {name}s (in {places}); send one.");
            let refusal =
                Refusal::new(Code::CredentialAmbiguous, detail).rule(format!("apis.{}.{name}s", routed.api.name));
            call.judge(routed.access().1.only_watches(Rule::Access), Err(refusal))?;
            Found::Unreadable
        };
        match kind {
            Credential::Key => presented.key = one,
            _ => presented.token = one,
        }
    }
    Ok(presented)
}

/// Whatever stands in a place of this kind.
fn all<'a, B>(kind: Credential, routed: &Routed<'a>, request: &Incoming<B>) -> Vec<(&'a str, Found)> {
    let keys = &routed.api.keys;
    let mut found = Vec::new();
    if kind == Credential::Key
        && let Some(name) = &keys.header
    {
        found.extend(request.headers().get_all(name).iter().map(|value| (name.as_str(), text(value))));
    }
    if kind == Credential::Token || keys.bearer {
        let fields = request.headers().get_all(AUTHORIZATION).iter().filter_map(carried);
        let own = fields.filter(|(scheme, found)| kind_of(*scheme, found, routed) == Some(kind));
        found.extend(own.map(|(_, found)| ("authorization", found)));
    }
    if kind == Credential::Key
        && let (Some(name), Some(raw)) = (&keys.query, request.query())
    {
        found.extend(query::values(raw, name).map(|value| ("the query", Found::Text(Cow::into_owned(value)))));
    }
    found
}

/// What an Authorization field holds. Where it can be both, the form decides; where both are needed, a key has a place of its
/// own. No key is sent with a proof.
fn kind_of(scheme: Scheme, found: &Found, routed: &Routed<'_>) -> Option<Credential> {
    if scheme == Scheme::Proof {
        return Some(Credential::Token).filter(|kind| routed.looks_for(*kind));
    }
    let takes_key = routed.looks_for(Credential::Key) && routed.api.keys.bearer && !routed.access().0.needs_all();
    Some(match found {
        _ if !routed.looks_for(Credential::Token) => Credential::Key,
        Found::Text(text) if takes_key && !TokenTable::looks_like_token(text) => Credential::Key,
        _ => Credential::Token,
    })
}

/// Removes every trace of a credential from the fields that go upstream. Where this route takes keys or tokens, a Bearer
/// field is ours whatever it says; elsewhere it may be the upstream's own token, and only what is ours by its form goes.
pub(crate) fn strip(headers: &mut HeaderMap, routed: &Routed<'_>, gate: &Gate) {
    let (keys, takes_keys) = (&routed.api.keys, routed.api.takes_keys);
    let needed = routed.looks_for(Credential::Key) && keys.bearer || routed.looks_for(Credential::Token);
    let own_token = |text: &str| gate.tokens.as_ref().is_some_and(|tokens| tokens.has_our_form(text));
    let foreign_token = |text: &str| gate.foreign.claims_to_be_of(text, &routed.api.issuers);
    let is_ours = |text: &str| key::inspect(text).is_ok() || own_token(text) || foreign_token(text);
    if let Some(name) = &keys.header
        && (takes_keys || headers.get_all(name).iter().any(has_key_shape))
    {
        headers.remove(name);
    }
    let carries_ours = |value: &HeaderValue| match carried(value) {
        Some((_, Found::Text(text))) => needed || is_ours(&text),
        Some(_) => needed,
        None => false,
    };
    if headers.get_all(AUTHORIZATION).iter().any(carries_ours) {
        headers.remove(AUTHORIZATION);
        headers.remove(proof::FIELD);
    }
    if routed.api.takes_tokens {
        // A proof is for this gate's address; elsewhere it proves nothing.
        headers.remove(proof::FIELD);
    }
}

pub(super) fn text(value: &HeaderValue) -> Found {
    value.to_str().map_or(Found::Unreadable, |text| Found::Text(text.trim().to_owned()))
}

/// The credential of an Authorization field; the scheme is compared without case (RFC 9110 section 11.1). None for other
/// schemes.
pub(super) fn carried(value: &HeaderValue) -> Option<(Scheme, Found)> {
    let bytes = value.as_bytes();
    let begins = |name: &[u8]| bytes.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let (scheme, length) = match () {
        () if begins(b"bearer") => (Scheme::Bearer, 6),
        () if begins(b"dpop") => (Scheme::Proof, 4),
        () => return None,
    };
    if bytes.get(length).is_some_and(|byte| !matches!(byte, b' ' | b'\t')) {
        return None;
    }
    let Ok(text) = value.to_str() else { return Some((scheme, Found::Unreadable)) };
    Some((scheme, Found::Text(text.get(length..).unwrap_or_default().trim().to_owned())))
}

fn has_key_shape(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| key::inspect(text.trim()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &[u8], expect: Option<&str>) {
        let found = carried(&HeaderValue::from_bytes(value).unwrap());
        let found = found.map(|found| match found {
            (scheme, Found::Text(text)) => format!("{scheme:?} {text}"),
            other => format!("{other:?}"),
        });
        assert_eq!(found.as_deref(), expect, "{value:?}");
    }

    #[test]
    fn bearer_tokens() {
        check(b"Bearer abc", Some("Bearer abc"));
        check(b"bEaReR  abc ", Some("Bearer abc"));
        check(b"Bearer", Some("Bearer "));
        check(b"DPoP abc", Some("Proof abc"));
        check(b"dpopabc", None);
        check(b"Bearer\tabc", Some("Bearer abc"));
        check(b"Bearerabc", None);
        check(b"Basic abc", None);
        check(b"Bearer \xff", Some("(Bearer, Unreadable)"));
    }
}
