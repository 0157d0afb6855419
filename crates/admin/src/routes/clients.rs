//! OAuth clients: programs that ask for access tokens.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use callgate_identity::ClientRequest;
use callgate_model::{Grant, Secret};

use super::cut;
use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked, Named};
use crate::problem::{AdminCode, AdminError};
use crate::views::{Client, ClientCreate, ClientCreated, Clients, ShownOnce};

/// Every client.
#[utoipa::path(get, path = "/v1/clients", tag = "clients", operation_id = "clients_list",
    responses((status = 200, body = Clients)))]
pub(crate) async fn list(State(desk): State<Desk>) -> Result<Answer<Clients>, AdminError> {
    let mut clients = desk.registry().clients().await?;
    let truncated = cut(&mut clients);
    let names = desk.registry().consumer_names().await?;
    // A consumer removed between the two reads took its clients along.
    let view =
        |client: callgate_model::Client| Some(Client::of(client.clone(), names.get(&client.consumer_id)?.clone()));
    Ok(Answer(StatusCode::OK, Clients { clients: clients.into_iter().filter_map(view).collect(), truncated }))
}

/// Makes a client. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/clients", tag = "clients", operation_id = "clients_create",
    request_body = ClientCreate, responses((status = 201, body = ClientCreated)))]
pub(crate) async fn create(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<ClientCreate>,
) -> Result<Answer<ClientCreated>, AdminError> {
    let ClientCreate { name, consumer, grants, scopes, redirects, public } = asked;
    let grants = grants.into_iter().map(Grant::from).collect();
    let request = ClientRequest { name, consumer, grants, scopes, redirects, public };
    let made = desk.registry().create_client(&actor, request).await?;
    created(&desk, made).await
}

/// One client.
#[utoipa::path(get, path = "/v1/clients/{name}", tag = "clients", operation_id = "clients_show",
    params(("name" = String, Path)), responses((status = 200, body = Client)))]
pub(crate) async fn show(State(desk): State<Desk>, Named(name): Named<String>) -> Result<Answer<Client>, AdminError> {
    let client = desk.registry().client(&name).await?;
    Ok(Answer(StatusCode::OK, view(&desk, client).await?))
}

/// Gives a client another secret. The old one is refused from now on; its tokens live on.
#[utoipa::path(post, path = "/v1/clients/{name}/rotate-secret", tag = "clients", operation_id = "clients_rotate_secret",
    params(("name" = String, Path)), responses((status = 201, body = ClientCreated)))]
pub(crate) async fn rotate_secret(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<ClientCreated>, AdminError> {
    let (client, secret) = desk.registry().rotate_client_secret(&actor, &name).await?;
    created(&desk, (client, Some(secret))).await
}

/// Removes a client. When the answer comes, the next call with a token of it is refused.
#[utoipa::path(delete, path = "/v1/clients/{name}", tag = "clients", operation_id = "clients_remove",
    params(("name" = String, Path)), responses((status = 200, body = Client)))]
pub(crate) async fn remove(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<Client>, AdminError> {
    let client = desk.registry().remove_client(&actor, &name).await?;
    Ok(Answer(StatusCode::OK, view(&desk, client).await?))
}

async fn created(
    desk: &Desk,
    made: (callgate_model::Client, Option<Secret>),
) -> Result<Answer<ClientCreated>, AdminError> {
    let (client, secret) = made;
    let token_endpoint = desk.registry().tokens().issuer().map(|issuer| format!("{issuer}/oauth/token"));
    let record = view(desk, client).await?;
    let client_secret = secret.map(|secret| ShownOnce(secret.expose().to_owned()));
    Ok(Answer(StatusCode::CREATED, ClientCreated { client_secret, token_endpoint, record }))
}

async fn view(desk: &Desk, client: callgate_model::Client) -> Result<Client, AdminError> {
    let names = desk.registry().consumer_names().await?;
    let gone =
        || AdminError::new(AdminCode::NotFound, format!("the consumer of client `{}` was just removed", client.name));
    let consumer = names.get(&client.consumer_id).cloned().ok_or_else(gone)?;
    Ok(Client::of(client, consumer))
}
