//! The access token of a call: whose it is, and whether it is for this API.

use std::sync::Arc;

use callgate_config::Credential;
use callgate_identity::{ConsumerEntry, ForeignToken, KeyEntry, TokenEntry, TokenFault};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};

use super::foreign;
use super::identify::{challenged, guessed, unknown};
use super::proof::{self, Proof};
use super::route::Routed;
use super::state::Call;
use crate::caller::Caller;

/// A good token, and whose it is.
pub(super) enum Good {
    /// Of the gate's own issuer.
    Own(Arc<TokenEntry>),
    /// Of another, with the consumer that it names.
    Foreign(Arc<ForeignToken>, Arc<ConsumerEntry>),
}

/// Verifies a token, and notes whose it is.
///
/// # Errors
/// `credential_unknown`, `credential_expired`, `credential_not_yet_valid`, `credential_revoked`, `token_misdirected`,
/// `token_unproven`, `consumer_unknown`, `issuer_unavailable`, `locked_out`.
pub(super) fn verified(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    text: &str,
    shown: Option<&Proof>,
) -> Result<Good, Refused> {
    let api = routed.api;
    // Every token of ours begins as no other does; what does not is a question for the others, where there are any.
    let is_ours = || api.takes_own_tokens && call.gate.tokens.as_ref().is_some_and(|tokens| tokens.has_our_form(text));
    if api.issuers.is_empty() || is_ours() {
        return own(call, routed, text, shown).map(Good::Own);
    }
    foreign::verified(call, routed, text, shown).map(|(token, consumer)| Good::Foreign(token, consumer))
}

fn own(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    text: &str,
    shown: Option<&Proof>,
) -> Result<Arc<TokenEntry>, Refused> {
    let found = match &call.gate.tokens {
        Some(tokens) => tokens.verify(text, call.began_ms()),
        None => Err(TokenFault::NotOurs("this gate issues no tokens")),
    };
    if let Ok(entry) | Err(TokenFault::Revoked(entry) | TokenFault::Expired(entry)) = &found {
        // Whose it was is for the operator, of a revoked one too.
        call.record.consumer = Some(Arc::clone(&entry.client.consumer.name));
        call.record.client_id = Some(Arc::clone(&entry.client.name));
        call.record.token = Some(entry.number);
    }
    match found {
        Ok(entry) if routed.api.audiences.contains(&entry.audience) => {
            if !entry.bound.is_empty() || shown.is_some() {
                proof::judge(call, routed, &entry.bound, text, shown)?;
            }
            Ok(entry)
        }
        Ok(entry) => Err(misdirected(routed, &entry)),
        Err(TokenFault::NotOurs(why)) => {
            Err(guessed(call, routed, unknown(routed, Credential::Token).gate_side(format!("the token is {why}"))))
        }
        Err(TokenFault::Revoked(entry)) => {
            let refusal = Refusal::new(Code::CredentialRevoked, "The token was revoked.").gate_side(format!(
                "token {} of client `{}` was revoked, alone or with its client",
                entry.number, entry.client.name
            ));
            // No guess: it proved to be ours, and its client asks for another one when it hears 401.
            Err(challenged(routed, refusal))
        }
        // Nor is this: every token comes to it within minutes.
        Err(TokenFault::Expired(_)) => {
            Err(challenged(routed, Refusal::new(Code::CredentialExpired, "The token has expired.")))
        }
    }
}

/// A key and a token: of one consumer, or a stolen key would do with anybody's token.
///
/// # Errors
/// `not_allowed`.
pub(super) fn beside(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    key: Arc<KeyEntry>,
    token: Good,
) -> Result<Caller, Refused> {
    let of_token = token.consumer();
    if key.consumer.id == of_token.id {
        return Ok(match token {
            Good::Own(token) => Caller::KeyAndToken(key, token),
            Good::Foreign(token, _) => Caller::KeyAndForeign(key, token),
        });
    }
    call.record.consumer = Some(Arc::clone(&key.consumer.name));
    let gate_side = format!("the token is of consumer `{}`", of_token.name);
    Err(Refusal::new(Code::NotAllowed, "The key and the token are not of one consumer.")
        .rule(format!("{}.access", routed.access().1.place))
        .gate_side(gate_side))
}

// === impl Good ===

impl Good {
    fn consumer(&self) -> &Arc<ConsumerEntry> {
        match self {
            Good::Own(token) => &token.client.consumer,
            Good::Foreign(_, consumer) => consumer,
        }
    }
}

impl From<Good> for Caller {
    fn from(good: Good) -> Caller {
        match good {
            Good::Own(token) => Caller::Token(token),
            Good::Foreign(token, consumer) => Caller::Foreign(token, consumer),
        }
    }
}

/// A token that one API's server was given must not open another API (RFC 9068 section 4).
fn misdirected(routed: &Routed<'_>, entry: &TokenEntry) -> Refused {
    let wanted = routed.api.audiences.first().map_or("", |audience| audience);
    let detail = format!("The token is not for this API: ask for one with `resource={wanted}`.");
    challenged(routed, Refusal::new(Code::TokenMisdirected, detail)).gate_side(format!(
        "the token is for `{}`; taken: `{}`",
        entry.audience,
        routed.api.audiences.join("`, `")
    ))
}
