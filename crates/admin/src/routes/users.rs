//! People with an account: who may sign in at the issuer.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use callgate_model::Secret;

use super::cut;
use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked, Named};
use crate::problem::AdminError;
use crate::views::{Session, Sessions, SignedOut, User, UserCreate, UserPassword, Users};

/// Every account.
#[utoipa::path(get, path = "/v1/users", tag = "users", operation_id = "users_list",
    responses((status = 200, body = Users)))]
pub(crate) async fn list(State(desk): State<Desk>) -> Result<Answer<Users>, AdminError> {
    let mut users = desk.registry().users().await?;
    let truncated = cut(&mut users);
    Ok(Answer(StatusCode::OK, Users { users: users.into_iter().map(User::from).collect(), truncated }))
}

/// Makes an account.
#[utoipa::path(post, path = "/v1/users", tag = "users", operation_id = "users_create",
    request_body = UserCreate, responses((status = 201, body = User)))]
pub(crate) async fn create(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<UserCreate>,
) -> Result<Answer<User>, AdminError> {
    let user = desk.registry().create_user(&actor, &asked.name, &Secret::new(asked.password.0)).await?;
    Ok(Answer(StatusCode::CREATED, user.into()))
}

/// Gives an account another password. When the answer comes, its sessions and every token on its behalf are over.
#[utoipa::path(post, path = "/v1/users/{name}/password", tag = "users", operation_id = "users_password",
    params(("name" = String, Path)), request_body = UserPassword, responses((status = 200, body = User)))]
pub(crate) async fn password(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
    Asked(asked): Asked<UserPassword>,
) -> Result<Answer<User>, AdminError> {
    let user = desk.registry().set_password(&actor, &name, &Secret::new(asked.password.0)).await?;
    Ok(Answer(StatusCode::OK, user.into()))
}

/// Takes an account's power away. When the answer comes, its sessions and every token on its behalf are over.
#[utoipa::path(post, path = "/v1/users/{name}/disable", tag = "users", operation_id = "users_disable",
    params(("name" = String, Path)), responses((status = 200, body = User)))]
pub(crate) async fn disable(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<User>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.registry().disable_user(&actor, &name).await?.into()))
}

/// Lets somebody sign in again.
#[utoipa::path(post, path = "/v1/users/{name}/enable", tag = "users", operation_id = "users_enable",
    params(("name" = String, Path)), responses((status = 200, body = User)))]
pub(crate) async fn enable(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<User>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.registry().enable_user(&actor, &name).await?.into()))
}

/// Removes an account with everything that came of it.
#[utoipa::path(delete, path = "/v1/users/{name}", tag = "users", operation_id = "users_remove",
    params(("name" = String, Path)), responses((status = 200, body = User)))]
pub(crate) async fn remove(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<User>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.registry().remove_user(&actor, &name).await?.into()))
}

/// The browsers in which somebody is signed in.
#[utoipa::path(get, path = "/v1/users/{name}/sessions", tag = "users", operation_id = "users_sessions",
    params(("name" = String, Path)), responses((status = 200, body = Sessions)))]
pub(crate) async fn sessions(
    State(desk): State<Desk>,
    Named(name): Named<String>,
) -> Result<Answer<Sessions>, AdminError> {
    let sessions = desk.registry().sessions_of(&name).await?.into_iter().map(Session::from).collect();
    Ok(Answer(StatusCode::OK, Sessions { sessions }))
}

/// Ends every session of somebody. Tokens live on: revoke them, too, if a browser was in wrong hands.
#[utoipa::path(post, path = "/v1/users/{name}/sign-out", tag = "users", operation_id = "users_sign_out",
    params(("name" = String, Path)), responses((status = 200, body = SignedOut)))]
pub(crate) async fn sign_out(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<SignedOut>, AdminError> {
    let (user, sessions) = desk.registry().sign_out_user(&actor, &name).await?;
    Ok(Answer(StatusCode::OK, SignedOut { user: user.name, sessions }))
}
