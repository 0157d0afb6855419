//! The keys that sign access tokens.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked};
use crate::problem::AdminError;
use crate::views::{SigningKeys, SigningKeysRotate};

/// The keys: current, next, previous.
#[utoipa::path(get, path = "/v1/signing-keys", tag = "signing-keys", operation_id = "signing_keys_list",
    responses((status = 200, body = SigningKeys)))]
pub(crate) async fn list(State(desk): State<Desk>) -> Result<Answer<SigningKeys>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.registry().signing_keys().await?.into()))
}

/// Lets the next key sign, and makes one more.
#[utoipa::path(post, path = "/v1/signing-keys/rotate", tag = "signing-keys", operation_id = "signing_keys_rotate",
    request_body = SigningKeysRotate, responses((status = 200, body = SigningKeys)))]
pub(crate) async fn rotate(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<SigningKeysRotate>,
) -> Result<Answer<SigningKeys>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.registry().rotate_signing_keys(&actor, asked.at_once).await?.into()))
}
