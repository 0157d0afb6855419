//! The access token of a call: whose it is, and whether it is for this API.

use std::sync::Arc;

use callgate_config::Credential;
use callgate_identity::{KeyEntry, TokenEntry, TokenFault};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};

use super::identify::{challenged, guessed, unknown};
use super::proof::{self, Proof};
use super::route::Routed;
use super::state::Call;
use crate::caller::Caller;

/// Verifies a token, and notes whose it is.
///
/// # Errors
/// `credential_unknown`, `credential_expired`, `credential_revoked`, `token_misdirected`, `token_unproven`, `locked_out`.
pub(super) fn verified(
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
                proof::judge(call, routed, &entry, text, shown)?;
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
            Err(guessed(call, routed, challenged(routed, refusal)))
        }
        // No guess: every token comes to this within minutes, and its client then asks for another.
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
    token: Arc<TokenEntry>,
) -> Result<Caller, Refused> {
    if key.consumer.id == token.client.consumer.id {
        return Ok(Caller::KeyAndToken(key, token));
    }
    call.record.consumer = Some(Arc::clone(&key.consumer.name));
    let gate_side = format!("the token is of consumer `{}`", token.client.consumer.name);
    Err(Refusal::new(Code::NotAllowed, "The key and the token are not of one consumer.")
        .rule(format!("{}.access", routed.access().1.place))
        .gate_side(gate_side))
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
