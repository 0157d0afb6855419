//! Tokens on a person's behalf: for a code, and for a refresh token.

use std::sync::Arc;

use bytes::Bytes;
use callgate_identity::registry::{GrantFault, Granted, Presented};
use callgate_identity::{ClientEntry, Registry};
use callgate_model::Secret;
use http::{Response, StatusCode};
use serde_json::json;

use super::{resource, scopes, told, unavailable};
use crate::form::Form;
use crate::reply::{Fault, json};

/// RFC 6749 section 4.1.3, RFC 7636 section 4.5. `redirect_uri` may be left out (OAuth 2.1): the verifier does its work.
pub(super) async fn redeem(
    registry: &Registry,
    client: Arc<ClientEntry>,
    form: &Form,
    key: Option<String>,
) -> Result<Response<Bytes>, Fault> {
    let code = form.get("code").ok_or_else(|| Fault::request("`code` is missing."))?;
    let verifier = form.get("code_verifier").ok_or_else(|| Fault::request("`code_verifier` is missing (RFC 7636)."))?;
    let is_verifier = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
    if !is_verifier {
        return Err(Fault::request("`code_verifier` is 43 to 128 letters, digits, `-`, `.`, `_` or `~`."));
    }
    let presented = Presented {
        client,
        text: Secret::new(code),
        verifier: Secret::new(verifier),
        redirect: form.get("redirect_uri").map(str::to_owned),
        scopes: None,
        audience: form.get("resource").map(resource).transpose()?,
        key,
    };
    let is_bound = presented.key.is_some();
    answer(is_bound, registry.redeem(presented).await)
}

/// RFC 6749 section 6.
pub(super) async fn refresh(
    registry: &Registry,
    client: Arc<ClientEntry>,
    form: &Form,
    key: Option<String>,
) -> Result<Response<Bytes>, Fault> {
    let text = form.get("refresh_token").ok_or_else(|| Fault::request("`refresh_token` is missing."))?;
    let fewer = form.get("scope").map(|asked| scopes(&client, Some(asked))).transpose()?;
    let presented = Presented {
        client,
        text: Secret::new(text),
        verifier: Secret::new(""),
        redirect: None,
        scopes: fewer,
        audience: form.get("resource").map(resource).transpose()?,
        key,
    };
    let is_bound = presented.key.is_some();
    answer(is_bound, registry.refresh(presented).await)
}

fn answer(is_bound: bool, outcome: Result<Granted, GrantFault>) -> Result<Response<Bytes>, Fault> {
    match outcome {
        Ok(Granted { issued, refresh }) => {
            let mut said = told(&issued, is_bound);
            if let (Some(refresh), Some(members)) = (refresh, said.as_object_mut()) {
                members.insert("refresh_token".to_owned(), json!(refresh.expose()));
            }
            Ok(json(StatusCode::OK, &said))
        }
        Err(GrantFault::Worthless(why)) => {
            // One answer for all of them: whoever tries texts must not learn which was one.
            tracing::info!("a code or refresh token was refused: {why}");
            Err(Fault::new(
                "invalid_grant",
                "This code or refresh token is not, or not any more, good for this client.",
            ))
        }
        Err(GrantFault::Scope) => Err(Fault::new("invalid_scope", "The client asks for a scope that was not granted.")),
        Err(GrantFault::Audience) => {
            Err(Fault::new("invalid_target", "The client asks for a resource that was not granted."))
        }
        Err(GrantFault::Failed(error)) => Err(unavailable(&error)),
    }
}
