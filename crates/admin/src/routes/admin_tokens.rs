//! Admin tokens: who may administer over TCP.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked, Named};
use crate::problem::AdminError;
use crate::views::{AdminToken, AdminTokenCreate, AdminTokenCreated, AdminTokens, ShownOnce};

/// Every admin token.
#[utoipa::path(get, path = "/v1/admin-tokens", tag = "admin-tokens", operation_id = "admin_tokens_list",
    responses((status = 200, body = AdminTokens)))]
pub(crate) async fn list(State(desk): State<Desk>) -> Result<Answer<AdminTokens>, AdminError> {
    let tokens = desk.registry().store().admin_tokens_list().await?.into_iter().map(AdminToken::from).collect();
    Ok(Answer(StatusCode::OK, AdminTokens { tokens }))
}

/// Makes an admin token. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/admin-tokens", tag = "admin-tokens", operation_id = "admin_tokens_create",
    request_body = AdminTokenCreate, responses((status = 201, body = AdminTokenCreated)))]
pub(crate) async fn create(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<AdminTokenCreate>,
) -> Result<Answer<AdminTokenCreated>, AdminError> {
    let made = desk.registry().store().admin_tokens_create(&actor, &asked.name, asked.role.into()).await?;
    let token = ShownOnce(made.text.expose().to_owned());
    Ok(Answer(StatusCode::CREATED, AdminTokenCreated { token, record: made.token.into() }))
}

/// Takes an admin token's power away.
#[utoipa::path(delete, path = "/v1/admin-tokens/{name}", tag = "admin-tokens", operation_id = "admin_tokens_remove",
    params(("name" = String, Path)), responses((status = 200, body = AdminToken)))]
pub(crate) async fn remove(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<AdminToken>, AdminError> {
    let token = desk.registry().store().admin_tokens_remove(&actor, &name).await?;
    Ok(Answer(StatusCode::OK, token.into()))
}
