//! A token of an issuer that is not this gate: whether its word counts here, and which consumer it means.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use callgate_config::Credential;
use callgate_identity::foreign::{ForeignIssuer, LookedFor};
use callgate_identity::{ConsumerEntry, ForeignFault, ForeignToken, NameDigest};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, bounds};

use super::identify::{challenged, guessed, unknown};
use super::proof::{self, Proof};
use super::route::Routed;
use super::state::Call;

/// Whether a call waits for a key that its token names and nobody has seen.
#[derive(Default)]
pub enum Looking {
    /// Not needed so far.
    #[default]
    No,
    /// For this; until then nothing is judged.
    Wanted(Pin<Box<dyn Future<Output = LookedFor>>>),
    /// It was waited for.
    Done(LookedFor),
}

/// Verifies a token, and notes whose it is.
///
/// # Errors
/// `credential_unknown`, `credential_expired`, `credential_not_yet_valid`, `token_misdirected`, `token_unproven`,
/// `consumer_unknown`, `issuer_unavailable`, `locked_out`.
pub(super) fn verified(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    text: &str,
    shown: Option<&Proof>,
) -> Result<(Arc<ForeignToken>, Arc<ConsumerEntry>), Refused> {
    let found = call.gate.foreign.verify(text, &routed.api.issuers, call.began_ms());
    if let Ok(token) | Err(ForeignFault::Expired(token) | ForeignFault::NotYetValid(token)) = &found {
        call.record.issuer = Some(Arc::clone(&token.issuer.url));
        call.record.client_id = Some(Arc::clone(&token.client));
    }
    let token = match found {
        Ok(token) => token,
        Err(fault) => return Err(refused(call, routed, fault)),
    };
    let wanted = routed.api.foreign_audience.as_ref();
    if !token.audiences.iter().any(|audience| wanted == Some(audience)) {
        return Err(misdirected(routed, &token));
    }
    if !token.bound.is_empty() || shown.is_some() {
        proof::judge(call, routed, &token.bound, text, shown)?;
    }
    let consumer = consumer(call, routed, &token)?;
    call.record.consumer = Some(Arc::clone(&consumer.name));
    call.gate.foreign.admit(&token);
    Ok((token, consumer))
}

fn refused(call: &mut Call<'_>, routed: &Routed<'_>, fault: ForeignFault) -> Refused {
    let unknown = || unknown(routed, Credential::Token);
    match fault {
        ForeignFault::Refused { issuer, why } => {
            let of = issuer.map_or_else(String::new, |issuer| format!(" (it says that it is of `{}`)", issuer.url));
            guessed(call, routed, unknown().gate_side(format!("the token is {why}{of}")))
        }
        ForeignFault::KeyUnknown { issuer, kid } => {
            let named = kid.as_deref().map_or_else(|| "no key".to_owned(), |kid| format!("key `{kid}`"));
            let gate_side = format!("the token names {named}, which `{}` does not have", issuer.url);
            let refusal = unknown().gate_side(gate_side);
            if issuer.is_known_to_lack(kid.as_deref()) {
                return guessed(call, routed, refusal);
            }
            match call.looking {
                Looking::Done(LookedFor::Unasked) => unavailable(&issuer, &named),
                Looking::Done(LookedFor::Absent | LookedFor::Found) => guessed(call, routed, refusal),
                Looking::No | Looking::Wanted(_) => {
                    call.looking = Looking::Wanted(Box::pin(issuer.look_for(kid)));
                    refusal
                }
            }
        }
        // No guess: every token comes to this, and its client then asks for another.
        ForeignFault::Expired(_) => challenged(routed, Refusal::new(Code::CredentialExpired, "The token has expired.")),
        ForeignFault::NotYetValid(_) => {
            let refusal = Refusal::new(Code::CredentialNotYetValid, "The token is not valid yet.");
            challenged(routed, refusal)
                .gate_side("by its `nbf` or `iat`: compare this machine's clock with the issuer's")
        }
    }
}

/// Nobody can say whether the token is good: so it is not taken, and it is not said to be bad either.
fn unavailable(issuer: &ForeignIssuer, named: &str) -> Refused {
    let fault = issuer
        .seen()
        .fault
        .map_or_else(|| "it was asked a moment ago".to_owned(), |fault| format!("the last time {fault}"));
    let wait_ns = u64::try_from(bounds::ISSUER_LOOK_EVERY_MIN.as_nanos()).unwrap_or(u64::MAX);
    Refusal::new(
        Code::IssuerUnavailable,
        "The token\u{2019}s issuer could not be asked for the key that the token names.",
    )
    .gate_side(format!("the token names {named}, which `{}` was not seen to have; {fault}", issuer.url))
    .retry_after_ns(wait_ns)
}

/// A token that another API's server was given must not open this one (RFC 9068 section 4).
fn misdirected(routed: &Routed<'_>, token: &ForeignToken) -> Refused {
    let wanted = routed.api.foreign_audience.as_deref().unwrap_or_default();
    let detail = format!("The token is not for this API: ask its issuer for one for `{wanted}`.");
    challenged(routed, Refusal::new(Code::TokenMisdirected, detail))
        .gate_side(format!("the token is for `{}`; taken: `{wanted}`", token.audiences.join("`, `")))
}

/// The consumer is looked up on every call: one that was removed calls no more.
fn consumer(call: &Call<'_>, routed: &Routed<'_>, token: &ForeignToken) -> Result<Arc<ConsumerEntry>, Refused> {
    let name = consumer_name(routed.api.consumer_claim.as_deref(), token);
    let known = call.snapshot.issuers.iter().find(|known| Arc::ptr_eq(&known.issuer, &token.issuer));
    let may_name = |name: &&str| known.is_none_or(|known| known.may_name(name));
    let named = name.filter(may_name);
    if let Some(consumer) = named.and_then(|name| call.gate.keys.consumer_named(&NameDigest::of(name))) {
        return Ok(consumer);
    }
    let claim = routed.api.consumer_claim.as_deref().unwrap_or("client");
    let gate_side = match name {
        Some(name) if named.is_none() => format!(
            "the token\u{2019}s {claim} is `{name}`, which its issuer can\u{2019}t name: the setting `consumers` of `{}` lacks it",
            token.issuer.url
        ),
        Some(name) => format!(
            "the token\u{2019}s {claim} is `{name}`, and no consumer has that name: `callgate consumers create {name}` makes one"
        ),
        None => format!("the token has no text in `{claim}`"),
    };
    let rule = format!("apis.{}.tokens.consumer", routed.api.name);
    Err(Refusal::new(Code::ConsumerUnknown, "The token names no consumer that is known here.")
        .rule(rule)
        .gate_side(gate_side))
}

/// What a token says of its consumer.
fn consumer_name<'t>(claim: Option<&str>, token: &'t ForeignToken) -> Option<&'t str> {
    claim.map_or(Some(&*token.client), |claim| token.claim(claim))
}

// === impl Looking ===

impl Looking {
    /// Whether the call waits.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self, Looking::Wanted(_))
    }

    /// What is to be waited for, if anything is.
    pub(super) fn take(&mut self) -> Option<Pin<Box<dyn Future<Output = LookedFor>>>> {
        match std::mem::take(self) {
            Looking::Wanted(looking) => Some(looking),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl fmt::Debug for Looking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Looking::No => formatter.write_str("No"),
            Looking::Wanted(_) => formatter.write_str("Wanted"),
            Looking::Done(found) => write!(formatter, "Done({found:?})"),
        }
    }
}
