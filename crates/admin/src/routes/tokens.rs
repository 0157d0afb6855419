//! Access tokens: which are valid, what one says, and their revocation.

use std::collections::HashMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use callgate_identity::{TokenEntry, TokenFault};
use callgate_model::Secret;
use callgate_model::bounds::LISTING_MAX;

use super::cut;
use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked, Search};
use crate::problem::{AdminCode, AdminError};
use crate::views::{
    Token, TokenInspect, TokenInspected, TokenSays, TokenStanding, Tokens, TokensQuery, TokensRevoke, TokensRevoked,
};

/// The tokens that are valid now.
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", operation_id = "tokens_list", params(TokensQuery),
    responses((status = 200, body = Tokens)))]
pub(crate) async fn list(
    State(desk): State<Desk>,
    Search(query): Search<TokensQuery>,
) -> Result<Answer<Tokens>, AdminError> {
    let one_more = u32::try_from(LISTING_MAX + 1).unwrap_or(u32::MAX);
    let mut tokens = desk.registry().tokens_list(query.client.as_deref(), one_more).await?;
    let truncated = cut(&mut tokens);
    let clients = desk.registry().clients().await?;
    let names: HashMap<i64, String> = clients.into_iter().map(|client| (client.id, client.name)).collect();
    let users = desk.registry().users().await?;
    let users: HashMap<i64, String> = users.into_iter().map(|user| (user.id, user.name)).collect();
    let view = |token: callgate_model::Token| {
        // A client removed between the two reads took its tokens along.
        let client_id = names.get(&token.client_id)?.clone();
        let user = token.user_id.and_then(|id| users.get(&id).cloned());
        let callgate_model::Token { number, scopes, audience, issued_ms, expires_ms, .. } = token;
        Some(Token { number, client_id, user, scopes, audience, issued_ms, expires_ms })
    };
    Ok(Answer(StatusCode::OK, Tokens { tokens: tokens.into_iter().filter_map(view).collect(), truncated }))
}

/// What a token says, and how it stands. It is in the body, so that no list of requests holds it.
#[utoipa::path(post, path = "/v1/tokens/inspect", tag = "tokens", operation_id = "tokens_inspect",
    request_body = TokenInspect, responses((status = 200, body = TokenInspected)))]
pub(crate) async fn inspect(
    State(desk): State<Desk>,
    Asked(asked): Asked<TokenInspect>,
) -> Result<Answer<TokenInspected>, AdminError> {
    let (standing, why, entry) = match desk.registry().inspect_token(&Secret::new(asked.token.0)) {
        Ok(entry) => (TokenStanding::Active, None, Some(entry)),
        Err(TokenFault::Expired(entry)) => (TokenStanding::Expired, None, Some(entry)),
        Err(TokenFault::Revoked(entry)) => (TokenStanding::Revoked, None, Some(entry)),
        Err(TokenFault::NotOurs(why)) => (TokenStanding::NotOurs, Some(why.to_owned()), None),
    };
    let says = entry.map(|entry| says(&entry));
    Ok(Answer(StatusCode::OK, TokenInspected { standing, why, says }))
}

/// Revokes a token, or every one of a client or on behalf of a user so far. When the answer comes, the next call with it is refused.
#[utoipa::path(post, path = "/v1/tokens/revoke", tag = "tokens", operation_id = "tokens_revoke",
    request_body = TokensRevoke, responses((status = 200, body = TokensRevoked)))]
pub(crate) async fn revoke(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<TokensRevoke>,
) -> Result<Answer<TokensRevoked>, AdminError> {
    let registry = desk.registry();
    let nothing = TokensRevoked { client_id: None, user: None, number: None };
    let revoked = match asked {
        TokensRevoke { token: Some(token), number: None, client: None, user: None } => {
            let token = Secret::new(token.0);
            let entry = match registry.inspect_token(&token) {
                Ok(entry) | Err(TokenFault::Expired(entry) | TokenFault::Revoked(entry)) => entry,
                Err(TokenFault::NotOurs(why)) => {
                    let detail = format!("nothing was revoked: this is no token of this gate's, but {why}");
                    return Err(AdminError::new(AdminCode::NotFound, detail));
                }
            };
            // One that was dead before changes nothing.
            registry.revoke_token(&actor, &token, None).await?;
            TokensRevoked { client_id: Some(entry.client.name.to_string()), number: Some(entry.number), ..nothing }
        }
        TokensRevoke { token: None, number: Some(number), client: None, user: None } => {
            let client = registry.revoke_token_number(&actor, number).await?;
            TokensRevoked { client_id: Some(client), number: Some(number), ..nothing }
        }
        TokensRevoke { token: None, number: None, client: Some(client), user: None } => {
            let client = registry.revoke_tokens_of(&actor, &client).await?;
            TokensRevoked { client_id: Some(client.name), ..nothing }
        }
        TokensRevoke { token: None, number: None, client: None, user: Some(user) } => {
            let user = registry.revoke_tokens_of_user(&actor, &user).await?;
            TokensRevoked { user: Some(user.name), ..nothing }
        }
        _ => {
            let detail = "write one of `token`, `number`, `client` and `user`";
            return Err(AdminError::new(AdminCode::RequestUnfit, detail));
        }
    };
    Ok(Answer(StatusCode::OK, revoked))
}

fn says(entry: &TokenEntry) -> TokenSays {
    TokenSays {
        number: entry.number,
        client_id: entry.client.name.to_string(),
        consumer: entry.client.consumer.name.to_string(),
        subject: entry.subject.to_string(),
        scopes: entry.grants.scopes.iter().map(ToString::to_string).collect(),
        audience: entry.audience.to_string(),
        bound: !entry.bound.is_empty(),
        expires_ms: entry.expires_ms,
    }
}
