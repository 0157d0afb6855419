//! Identify: the credential leads to a caller.

use std::sync::Arc;

use callgate_config::{Access, Rule};
use callgate_identity::KeyFault;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};

use super::certificate::{self, Held};
use super::credential::Presented;
use super::route::Routed;
use super::state::Call;
use crate::caller::Caller;
use crate::snapshot::KeyPlaces;

/// Finds out who calls.
///
/// # Errors
/// `credential_missing`, `credential_unknown`, `credential_expired`, `credential_not_yet_valid`, `credential_revoked`,
/// `certificate_missing`, `certificate_unknown`, `locked_out`, `not_allowed`.
pub(crate) fn caller(call: &mut Call<'_>, routed: &Routed<'_>, presented: &Presented) -> Result<(), Refused> {
    let (access, guards) = routed.access();
    call.access_only_watches = guards.only_watches(Rule::Access);
    let judgement = match access {
        // A public place below one that asks for scopes: only a credential has them, so nobody passes without one.
        Access::Public if *presented == Presented::Nothing && routed.needs_key() => {
            let only_watches = routed.scoped().all(|guards| guards.only_watches(Rule::Scopes));
            return call.judge(only_watches, Err(missing(routed)));
        }
        Access::Public if *presented == Presented::Nothing => return Ok(()),
        Access::Certificate => by_certificate(call, routed),
        // A key that is shown counts, a wrong one too: falling back on the certificate would hide that it is wrong.
        Access::Either if *presented == Presented::Nothing && call.arrival.certificate.is_some() => {
            by_certificate(call, routed)
        }
        Access::Both => by_key(call, routed, presented).and_then(|()| same_consumer(call, routed)),
        Access::Public | Access::Key | Access::Either => by_key(call, routed, presented),
    };
    call.judge(guards.only_watches(Rule::Access), judgement)
}

fn by_key(call: &mut Call<'_>, routed: &Routed<'_>, presented: &Presented) -> Result<(), Refused> {
    match presented {
        Presented::Nothing => Err(missing(routed)),
        Presented::Unreadable => Err(guessed(call, routed, unknown(routed))),
        Presented::Key(text) => verify(call, routed, text),
    }
}

fn by_certificate(call: &mut Call<'_>, routed: &Routed<'_>) -> Result<(), Refused> {
    let caller = certificate::caller(call, routed)?;
    call.held = Held::of(call, &caller);
    call.record.consumer = Some(Arc::clone(&caller.consumer().name));
    call.caller = Some(caller);
    Ok(())
}

/// The certificate beside a key: it must be of the key's own consumer, or a stolen key would do with any certificate.
fn same_consumer(call: &mut Call<'_>, routed: &Routed<'_>) -> Result<(), Refused> {
    let by_certificate = certificate::caller(call, routed)?;
    let by_key = call.caller.as_ref().map(|caller| caller.consumer().id);
    if by_key == Some(by_certificate.consumer().id) {
        call.held = Held::of(call, &by_certificate);
        return Ok(());
    }
    let detail = "The key and the client certificate are not of one consumer.";
    let gate_side = format!("the certificate is of consumer `{}`", by_certificate.consumer().name);
    let refusal = Refusal::new(Code::NotAllowed, detail).rule(format!("{}.access", routed.access().1.place));
    Err(refusal.gate_side(gate_side))
}

fn verify(call: &mut Call<'_>, routed: &Routed<'_>, text: &str) -> Result<(), Refused> {
    let fault = match call.gate.keys.verify(text, call.began_ms()) {
        Ok(entry) => {
            call.record.consumer = Some(Arc::clone(&entry.consumer.name));
            call.record.key_id = Some(entry.id);
            call.caller = Some(Caller::Key(entry));
            return Ok(());
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
        KeyFault::Garbage => {
            unknown(routed).gate_side("not a key by its shape or checksum: mistyped, cut, or not one of ours")
        }
        KeyFault::Unknown => {
            unknown(routed).gate_side("a well-formed key that was never issued here, or with another secret")
        }
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
/// valid key from that address still passes, so one guesser behind an office's address locks nobody out.
fn guessed(call: &Call<'_>, routed: &Routed<'_>, refusal: Refused) -> Refused {
    match call.gate.lockout.failed(call.record.client, call.began_ns()) {
        None => refusal,
        Some(wait_ns) => {
            Refusal::new(Code::LockedOut, "Too many wrong keys came from your address (setting `lockout`).")
                .rule("lockout")
                .gate_side(format!("apart from the lockout, this call would have heard {}", refusal.code.name()))
                .retry_after_ns(wait_ns)
                .field("www-authenticate", challenge(&routed.api.keys, &routed.api.name, None))
        }
    }
}

fn missing(routed: &Routed<'_>) -> Refused {
    let keys = &routed.api.keys;
    let mut places = Vec::new();
    places.extend(keys.header.as_ref().map(|name| format!("the header `{name}`")));
    places.extend(keys.bearer.then(|| "`Authorization: Bearer`".to_owned()));
    places.extend(keys.query.as_ref().map(|name| format!("the query parameter `{name}`")));
    let or = if routed.access().0 == Access::Either { ", or show a client certificate" } else { "" };
    let detail = format!("API `{}` needs a key; send it in {}{or}.", routed.api.name, places.join(" or "));
    let refusal = Refusal::new(Code::CredentialMissing, detail).rule(format!("{}.access", routed.access().1.place));
    refusal.field("www-authenticate", challenge(keys, &routed.api.name, None))
}

fn unknown(routed: &Routed<'_>) -> Refused {
    challenged(routed, Refusal::new(Code::CredentialUnknown, "This key is not known here."))
}

fn challenged(routed: &Routed<'_>, refusal: Refused) -> Refused {
    let rule = format!("{}.access", routed.access().1.place);
    refusal.rule(rule).field("www-authenticate", challenge(&routed.api.keys, &routed.api.name, Some("invalid_token")))
}

/// RFC 6750 section 3 where Bearer is taken; a scheme of our own where only the header is.
fn challenge(keys: &KeyPlaces, realm: &str, error: Option<&str>) -> String {
    let error = error.map_or_else(String::new, |error| format!(", error=\"{error}\""));
    match &keys.header {
        _ if keys.bearer => format!("Bearer realm=\"{realm}\"{error}"),
        Some(header) => format!("ApiKey realm=\"{realm}\", header=\"{header}\"{error}"),
        None => format!("ApiKey realm=\"{realm}\"{error}"),
    }
}
