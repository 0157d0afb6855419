//! Issuers that are not this gate.

use axum::extract::State;
use axum::http::StatusCode;

use crate::desk::Desk;
use crate::extract::Answer;
use crate::views::Issuers;

/// The issuers beside the gate's own, and what was seen of their keys.
#[utoipa::path(get, path = "/v1/issuers", tag = "issuers", operation_id = "issuers_list",
    responses((status = 200, body = Issuers)))]
pub(crate) async fn list(State(desk): State<Desk>) -> Answer<Issuers> {
    Answer(StatusCode::OK, Issuers { issuers: desk.operations().issuers() })
}
