//! The map of the admin API: which path leads to which act.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use crate::access;
use crate::desk::Desk;
use crate::problem::{AdminCode, AdminError};
use crate::routes::{
    admin_tokens, audit, calls, clients, consumers, follow, gate, issuers, keys, signing_keys, tokens, upgrade, users,
};

/// Everything under `/v1`, behind the guard. A request must carry its [`access::Peer`] as an extension.
pub fn router(desk: Desk) -> Router {
    Router::new()
        .route("/v1/status", get(gate::status))
        .route("/v1/plans", get(gate::plans))
        .route("/v1/upstreams", get(gate::upstreams))
        .route("/v1/reload", post(gate::reload))
        .route("/v1/backup", post(gate::backup))
        .route("/v1/upgrade", post(upgrade::upgrade))
        .route("/v1/consumers", get(consumers::list).post(consumers::create))
        .route("/v1/consumers/{name}", get(consumers::show).patch(consumers::set_plan).delete(consumers::remove))
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/import", post(keys::import))
        .route("/v1/keys/{id}", get(keys::show))
        .route("/v1/keys/{id}/revoke", post(keys::revoke))
        .route("/v1/keys/{id}/rotate", post(keys::rotate))
        .route("/v1/clients", get(clients::list).post(clients::create))
        .route("/v1/clients/{name}", get(clients::show).delete(clients::remove))
        .route("/v1/clients/{name}/rotate-secret", post(clients::rotate_secret))
        .route("/v1/users", get(users::list).post(users::create))
        .route("/v1/users/{name}", delete(users::remove))
        .route("/v1/users/{name}/password", post(users::password))
        .route("/v1/users/{name}/disable", post(users::disable))
        .route("/v1/users/{name}/enable", post(users::enable))
        .route("/v1/users/{name}/sessions", get(users::sessions))
        .route("/v1/users/{name}/sign-out", post(users::sign_out))
        .route("/v1/tokens", get(tokens::list))
        .route("/v1/tokens/inspect", post(tokens::inspect))
        .route("/v1/tokens/revoke", post(tokens::revoke))
        .route("/v1/issuers", get(issuers::list))
        .route("/v1/signing-keys", get(signing_keys::list))
        .route("/v1/signing-keys/rotate", post(signing_keys::rotate))
        .route("/v1/audit", get(audit::list))
        .route("/v1/audit/verify", get(audit::verify))
        .route("/v1/calls", get(calls::find))
        .route("/v1/calls/follow", get(follow::follow))
        .route("/v1/calls/{id}", get(calls::show))
        .route("/v1/usage", get(calls::usage))
        .route("/v1/stats", get(calls::stats))
        .route("/v1/admin-tokens", get(admin_tokens::list).post(admin_tokens::create))
        .route("/v1/admin-tokens/{name}", delete(admin_tokens::remove))
        .route("/v1/openapi.json", get(crate::openapi::show))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(desk.clone(), access::guard))
        .with_state(desk)
}

async fn no_such_path() -> AdminError {
    AdminError::new(AdminCode::NotFound, "no act of the admin API answers here; GET /v1/openapi.json lists them")
}

async fn no_such_method() -> AdminError {
    AdminError::new(AdminCode::MethodNotAllowed, "use one of the methods in the Allow field")
}
