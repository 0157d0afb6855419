//! Identify: the credential leads to a caller.

use std::sync::Arc;

use callgate_config::{Access, Credential, Rule};
use callgate_identity::{KeyEntry, KeyFault};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};

use super::certificate::{self, Held};
use super::credential::{Found, Presented};
use super::route::Routed;
use super::state::Call;
use super::token;
use crate::caller::Caller;

/// Finds out who calls.
///
/// # Errors
/// `credential_missing`, `credential_unknown`, `credential_expired`, `credential_not_yet_valid`, `credential_revoked`,
/// `token_misdirected`, `consumer_unknown`, `issuer_unavailable`, `certificate_missing`, `certificate_unknown`, `locked_out`, `not_allowed`.
pub(crate) fn caller(call: &mut Call<'_>, routed: &Routed<'_>, presented: &Presented) -> Result<(), Refused> {
    let (access, guards) = routed.access();
    call.access_only_watches = guards.only_watches(Rule::Access);
    if access.is_public() && presented.is_nothing() {
        if !routed.asks_for_scopes() {
            return Ok(());
        }
        // A public place below one that asks for scopes: only a credential has them, so nobody passes without one.
        let only_watches = routed.scoped().all(|guards| guards.only_watches(Rule::Scopes));
        return call.judge(only_watches, Err(missing(routed)));
    }
    let judgement = identified(call, routed, access, presented);
    if call.looking.is_wanted() {
        // Not judged yet: whoever called this looks, and asks again.
        return Ok(());
    }
    call.judge(guards.only_watches(Rule::Access), judgement)
}

fn identified(call: &mut Call<'_>, routed: &Routed<'_>, access: Access, presented: &Presented) -> Result<(), Refused> {
    let nothing = presented.is_nothing();
    let by_certificate_alone = access.takes(Credential::Certificate) && !access.needs_all();
    // What is shown counts, a wrong one too: falling back on the certificate would hide that it is wrong.
    if by_certificate_alone && (access.needs(Credential::Certificate) || nothing && call.arrival.certificate.is_some())
    {
        return by_certificate(call, routed);
    }
    let lacks = |kind, found: &Found| access.needs(kind) && *found == Found::Nothing;
    if nothing || lacks(Credential::Key, &presented.key) || lacks(Credential::Token, &presented.token) {
        return Err(missing(routed));
    }
    let key = match &presented.key {
        Found::Nothing => None,
        Found::Unreadable => return Err(guessed(call, routed, unknown(routed, Credential::Key))),
        Found::Text(text) => Some(key(call, routed, text)?),
    };
    let token = match &presented.token {
        Found::Nothing => None,
        Found::Unreadable => return Err(guessed(call, routed, unknown(routed, Credential::Token))),
        Found::Text(text) => Some(token::verified(call, routed, text, presented.proof.as_deref())?),
    };
    call.caller = match (key, token) {
        (Some(key), Some(token)) => Some(token::beside(call, routed, key, token)?),
        (Some(key), None) => Some(Caller::Key(key)),
        (None, token) => token.map(Caller::from),
    };
    if access.needs_all() && access.takes(Credential::Certificate) {
        return same_consumer(call, routed);
    }
    Ok(())
}

fn by_certificate(call: &mut Call<'_>, routed: &Routed<'_>) -> Result<(), Refused> {
    let caller = certificate::caller(call, routed)?;
    call.held = Held::of(call, &caller);
    call.record.consumer = Some(Arc::clone(&caller.consumer().name));
    call.caller = Some(caller);
    Ok(())
}

/// The certificate beside a key or token: it must be of the same consumer, or a stolen key would do with any certificate.
fn same_consumer(call: &mut Call<'_>, routed: &Routed<'_>) -> Result<(), Refused> {
    let by_certificate = certificate::caller(call, routed)?;
    let by_other = call.caller.as_ref().map(|caller| caller.consumer().id);
    if by_other == Some(by_certificate.consumer().id) {
        call.held = Held::of(call, &by_certificate);
        return Ok(());
    }
    let detail = "The client certificate is not of the consumer whose other credential came with it.";
    let gate_side = format!("the certificate is of consumer `{}`", by_certificate.consumer().name);
    let refusal = Refusal::new(Code::NotAllowed, detail).rule(format!("{}.access", routed.access().1.place));
    Err(refusal.gate_side(gate_side))
}

fn key(call: &mut Call<'_>, routed: &Routed<'_>, text: &str) -> Result<Arc<KeyEntry>, Refused> {
    let fault = match call.gate.keys.verify(text, call.began_ms()) {
        Ok(entry) => {
            call.record.consumer = Some(Arc::clone(&entry.consumer.name));
            call.record.key_id = Some(entry.id);
            return Ok(entry);
        }
        Err(fault) => fault,
    };
    let entry = match &fault {
        KeyFault::Garbage | KeyFault::Unknown => None,
        KeyFault::Revoked(entry) | KeyFault::NotYetValid(entry) | KeyFault::Expired(entry) => Some(entry),
    };
    if let Some(entry) = entry {
        // Whose key it was is for the operator: it is the first thing to know about a revoked key that still calls.
        call.record.consumer = Some(Arc::clone(&entry.consumer.name));
        call.record.key_id = Some(entry.id);
    }
    let refusal = match fault {
        KeyFault::Garbage => unknown(routed, Credential::Key)
            .gate_side("not a key by its shape or checksum: mistyped, cut, or not one of ours"),
        KeyFault::Unknown => unknown(routed, Credential::Key)
            .gate_side("a well-formed key that was never issued here, or with another secret"),
        KeyFault::Revoked(entry) => {
            challenged(routed, Refusal::new(Code::CredentialRevoked, format!("Key {} was revoked.", entry.id)))
                .gate_side(format!("key {} of consumer `{}` was revoked", entry.id, entry.consumer.name))
        }
        KeyFault::Expired(entry) => {
            challenged(routed, Refusal::new(Code::CredentialExpired, format!("Key {} has expired.", entry.id)))
        }
        KeyFault::NotYetValid(entry) => {
            challenged(routed, Refusal::new(Code::CredentialNotYetValid, format!("Key {} is not valid yet.", entry.id)))
        }
    };
    Err(guessed(call, routed, refusal))
}

/// Counts a wrong credential against its address; an address with too many hears 429 instead. Only failures are refused: a
/// valid one from that address still passes, so one guesser behind an office's address locks nobody out.
pub(super) fn guessed(call: &Call<'_>, routed: &Routed<'_>, refusal: Refused) -> Refused {
    match call.gate.lockout.failed(call.record.client, call.began_ns()) {
        None => refusal,
        Some(wait_ns) => {
            Refusal::new(Code::LockedOut, "Too many wrong credentials came from your address (setting `lockout`).")
                .rule("lockout")
                .gate_side(format!("apart from the lockout, this call would have heard {}", refusal.code.name()))
                .retry_after_ns(wait_ns)
                .field("www-authenticate", challenge(routed, None))
        }
    }
}

fn missing(routed: &Routed<'_>) -> Refused {
    let access = routed.access().0;
    let keys = &routed.api.keys;
    let looks_for = |kind| routed.looks_for(kind);
    let with_token = looks_for(Credential::Token);
    let mut places = Vec::new();
    if looks_for(Credential::Key) {
        places.extend(keys.header.as_ref().map(|name| format!("the header `{name}`")));
        places
            .extend((keys.bearer && !(with_token && access.needs_all())).then(|| "`Authorization: Bearer`".to_owned()));
        places.extend(keys.query.as_ref().map(|name| format!("the query parameter `{name}`")));
    }
    let mut ways = Vec::new();
    if !places.is_empty() {
        ways.push(("a key", format!("send the key in {}", places.join(" or "))));
    }
    if with_token {
        ways.push(("an access token", "send the token in `Authorization: Bearer`".to_owned()));
    }
    if !access.needs_all() && access.takes(Credential::Certificate) {
        ways.push(("a client certificate", "show the certificate in the TLS handshake".to_owned()));
    }
    // Of several, each is called by its name.
    if let [(_, way)] = ways.as_mut_slice() {
        *way = way.replacen("the key", "it", 1).replacen("the token", "it", 1).replacen("the certificate", "it", 1);
    }
    let word = if access.needs_all() { " and " } else { " or " };
    let (needed, ways): (Vec<&str>, Vec<String>) = ways.into_iter().unzip();
    let detail = format!("API `{}` needs {}; {}.", routed.api.name, needed.join(word), ways.join(word));
    let refusal = Refusal::new(Code::CredentialMissing, detail).rule(format!("{}.access", routed.access().1.place));
    refusal.field("www-authenticate", challenge(routed, None))
}

pub(super) fn unknown(routed: &Routed<'_>, kind: Credential) -> Refused {
    let detail = format!("This {} is not known here.", kind.name());
    challenged(routed, Refusal::new(Code::CredentialUnknown, detail))
}

pub(super) fn challenged(routed: &Routed<'_>, refusal: Refused) -> Refused {
    let rule = format!("{}.access", routed.access().1.place);
    refusal.rule(rule).field("www-authenticate", challenge(routed, Some("invalid_token")))
}

/// RFC 6750 section 3.1, for a caller that is known and may not.
pub(super) fn insufficient(routed: &Routed<'_>, scopes: &[String]) -> String {
    let (realm, scopes, about) = (&routed.api.name, scopes.join(" "), about(routed));
    format!("Bearer realm=\"{realm}\", error=\"insufficient_scope\", scope=\"{scopes}\"{about}")
}

/// Where it says whose tokens are taken (RFC 9728 section 5.1), where any are.
pub(super) fn about(routed: &Routed<'_>) -> String {
    let about = routed.api.resource_metadata.as_ref().filter(|_| routed.looks_for(Credential::Token));
    about.map_or_else(String::new, |url| format!(", resource_metadata=\"{url}\""))
}

/// RFC 6750 section 3 where Bearer is taken; a scheme of our own where only the header is.
fn challenge(routed: &Routed<'_>, error: Option<&str>) -> String {
    let (keys, realm) = (&routed.api.keys, &routed.api.name);
    let error = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
    let takes_bearer = routed.looks_for(Credential::Token) || routed.looks_for(Credential::Key) && keys.bearer;
    match &keys.header {
        _ if takes_bearer => format!("Bearer realm=\"{realm}\"{error}{}", about(routed)),
        Some(header) => format!("ApiKey realm=\"{realm}\", header=\"{header}\"{error}"),
        None => format!("ApiKey realm=\"{realm}\"{error}"),
    }
}
