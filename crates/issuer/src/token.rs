//! Tokens: issued, looked into, revoked.

mod granted;

use std::sync::Arc;

use bytes::Bytes;
use callgate_identity::{ClientEntry, Issued, Registry, RegistryError, TokenRequest};
use callgate_model::{Grant, Secret};
use callgate_store::Actor;
use http::{HeaderMap, Response, StatusCode, Uri};
use serde_json::{Value, json};

use crate::form::Form;
use crate::proof;
use crate::reply::{Fault, json};

/// Bytes of a resource indicator: it stands in every token that is issued for it.
const RESOURCE_BYTES_MAX: usize = 512;

/// Bytes of all scopes of a token: with the longest names of everything else it stays below what the gate reads of one
/// (`CREDENTIAL_BYTES_MAX`).
const SCOPES_BYTES_MAX: usize = 1024;

/// RFC 6749 sections 4.4, 4.1.3 and 6.
pub(crate) async fn issue(
    registry: &Registry,
    client: Arc<ClientEntry>,
    form: &Form,
    headers: &HeaderMap,
) -> Result<Response<Bytes>, Fault> {
    let grant = form.get("grant_type").ok_or_else(|| Fault::request("`grant_type` is missing."))?;
    let Some(grant) = Grant::from_name(grant) else {
        return Err(Fault::new(
            "unsupported_grant_type",
            "This issuer knows client_credentials, authorization_code and refresh_token.",
        ));
    };
    if !client.grants.contains(&grant) {
        let description = format!("This client was not created for the grant type {}.", grant.name());
        return Err(Fault::new("unauthorized_client", description));
    }
    let key = proof::key(registry, headers)?;
    match grant {
        Grant::ClientCredentials => {}
        Grant::AuthorizationCode => return granted::redeem(registry, client, form, key).await,
        Grant::RefreshToken => return granted::refresh(registry, client, form, key).await,
    }
    let scopes = scopes(&client, form.get("scope"))?;
    let audience = form.get("resource").map(resource).transpose()?;
    let is_bound = key.is_some();
    let issued =
        registry.issue_token(TokenRequest { client, scopes, audience, key }).await.map_err(|error| match error {
            // Removed in this very moment.
            RegistryError::Store(callgate_store::StoreError::NotFound { .. }) => Fault::client(),
            error => unavailable(&error),
        })?;
    Ok(json(StatusCode::OK, &told(&issued, is_bound)))
}

/// RFC 6749 section 5.1.
fn told(issued: &Issued, is_bound: bool) -> Value {
    let mut told = json!({
        "access_token": issued.text.expose(),
        "token_type": if is_bound { "DPoP" } else { "Bearer" },
        "expires_in": (issued.token.expires_ms - issued.token.issued_ms) / 1_000,
    });
    add_scope(&mut told, &issued.token.scopes.join(" "));
    told
}

/// RFC 7662 section 2: of a token that is not good, nothing is said but that.
pub(crate) async fn introspect(
    registry: &Registry,
    client: &ClientEntry,
    form: &Form,
) -> Result<Response<Bytes>, Fault> {
    let text = token(form)?;
    let nothing = json!({ "active": false });
    let Ok(entry) = registry.tokens().verify(text.expose(), registry.clock().unix_ms()) else {
        // A refresh token is nobody's business but its client's.
        let found = registry.find_refresh(&text).await.map_err(|error| unavailable(&error))?;
        let found = found.filter(|found| found.is_current && found.family.client_id == client.number);
        let answer = found.map_or(nothing, |found| {
            json!({
                "active": true,
                "iss": registry.tokens().issuer().as_deref(),
                "sub": found.user.name,
                "aud": found.family.audience,
                "client_id": &*client.name,
                "scope": found.family.scopes.join(" "),
                "exp": found.family.ends_ms / 1_000,
                "token_type": "refresh_token",
            })
        });
        return Ok(json(StatusCode::OK, &answer));
    };
    let mut answer = json!({
        "active": true,
        "iss": registry.tokens().issuer().as_deref(),
        "sub": entry.subject,
        "aud": entry.audience,
        "client_id": &*entry.client.name,
        "exp": entry.expires_ms / 1_000,
        "jti": entry.number.to_string(),
        "token_type": if entry.bound.is_empty() { "Bearer" } else { "DPoP" },
    });
    add_scope(&mut answer, &entry.grants.scopes_text);
    if let (Some(confirmation), Some(members)) = (entry.confirmation(), answer.as_object_mut()) {
        members.insert("cnf".to_owned(), json!(confirmation));
    }
    Ok(json(StatusCode::OK, &answer))
}

/// RFC 7009 section 2: 200 also for what is no token any more, or never was; and only the client's own.
pub(crate) async fn revoke(registry: &Registry, client: &ClientEntry, form: &Form) -> Result<Response<Bytes>, Fault> {
    let (actor, text) = (Actor::Client(client.name.to_string()), token(form)?);
    // A refresh token takes all of its family along (RFC 7009 section 2.1).
    if !registry.revoke_refresh(&actor, &text, client).await.map_err(|error| unavailable(&error))? {
        registry.revoke_token(&actor, &text, Some(client)).await.map_err(|error| unavailable(&error))?;
    }
    Ok(json(StatusCode::OK, &json!({})))
}

/// A scope has at least one word (RFC 6749 section 3.3); without one, the member is left out.
fn add_scope(answer: &mut Value, scope: &str) {
    if let Some(members) = answer.as_object_mut().filter(|_| !scope.is_empty()) {
        members.insert("scope".to_owned(), scope.into());
    }
}

fn token(form: &Form) -> Result<Secret, Fault> {
    form.get("token").map(Secret::new).ok_or_else(|| Fault::request("`token` is missing."))
}

/// What is asked for, each once; without a word, all that the client may have.
pub(crate) fn scopes(client: &ClientEntry, asked: Option<&str>) -> Result<Vec<String>, Fault> {
    let scopes = match asked {
        Some(asked) => asked_for(client, asked)?,
        None => client.scopes.iter().map(|scope| scope.to_string()).collect(),
    };
    if scopes.iter().map(|scope| scope.len() + 1).sum::<usize>() > SCOPES_BYTES_MAX {
        return Err(Fault::new("invalid_scope", "These are too many scopes for one token: ask for fewer at a time."));
    }
    Ok(scopes)
}

fn asked_for(client: &ClientEntry, asked: &str) -> Result<Vec<String>, Fault> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
        if !client.scopes.iter().any(|own| &**own == scope) {
            return Err(Fault::new("invalid_scope", "The client asks for a scope that it was not given."));
        }
        if scopes.iter().all(|known| known != scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}

/// RFC 8707 section 2: an absolute URI without a fragment.
pub(crate) fn resource(text: &str) -> Result<String, Fault> {
    let is_one = text.len() <= RESOURCE_BYTES_MAX
        && !text.contains('#')
        && text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some());
    if is_one {
        Ok(text.to_owned())
    } else {
        Err(Fault::new("invalid_target", "`resource` is an absolute URI without a fragment."))
    }
}

fn unavailable(error: &RegistryError) -> Fault {
    tracing::warn!("the issuer could not do what it was asked: {error}");
    Fault::unavailable()
}
