//! API keys.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use callgate_identity::KeyRequest;
use callgate_model::{KeyId, Secret, quantity};

use super::cut;
use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked, Named, Search};
use crate::problem::{AdminCode, AdminError};
use crate::views::{Key, KeyCreate, KeyCreated, KeyImport, KeyRotate, Keys, KeysQuery, ShownOnce};

/// How long an old key is still taken after a rotation, when nobody says.
const OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// The keys of a consumer, or all.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", operation_id = "keys_list", params(KeysQuery),
    responses((status = 200, body = Keys)))]
pub(crate) async fn list(
    State(desk): State<Desk>,
    Search(query): Search<KeysQuery>,
) -> Result<Answer<Keys>, AdminError> {
    let mut keys = desk.registry().keys(query.consumer.as_deref()).await?;
    let truncated = cut(&mut keys);
    let names = desk.registry().consumer_names().await?;
    let now_ms = desk.now_ms();
    let view = |key: callgate_model::Key| {
        // A consumer removed between the two reads took its keys along.
        let consumer = names.get(&key.consumer_id)?.clone();
        Some(Key::at(key, consumer, now_ms))
    };
    Ok(Answer(StatusCode::OK, Keys { keys: keys.into_iter().filter_map(view).collect(), truncated }))
}

/// Makes a key. Its text is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", operation_id = "keys_create", request_body = KeyCreate,
    responses((status = 201, body = KeyCreated)))]
pub(crate) async fn create(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<KeyCreate>,
) -> Result<Answer<KeyCreated>, AdminError> {
    known_apis(&desk, &asked.apis)?;
    let request = KeyRequest {
        consumer: asked.consumer,
        label: asked.label,
        kind: asked.kind.into(),
        scopes: asked.scopes,
        apis: asked.apis,
        ips: asked.ips,
        not_before: asked.not_before,
        expires: asked.expires,
    };
    let consumer = request.consumer.clone();
    let (key, text) = desk.registry().create_key(&actor, request).await?;
    let record = Key::at(key, consumer, desk.now_ms());
    Ok(Answer(StatusCode::CREATED, KeyCreated { key: ShownOnce(text), record }))
}

/// Takes a key over from elsewhere.
#[utoipa::path(post, path = "/v1/keys/import", tag = "keys", operation_id = "keys_import", request_body = KeyImport,
    responses((status = 201, body = Key)))]
pub(crate) async fn import(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<KeyImport>,
) -> Result<Answer<Key>, AdminError> {
    known_apis(&desk, &asked.apis)?;
    let request = KeyRequest {
        consumer: asked.consumer,
        label: asked.label,
        scopes: asked.scopes,
        apis: asked.apis,
        ips: asked.ips,
        not_before: asked.not_before,
        expires: asked.expires,
        ..KeyRequest::default()
    };
    let consumer = request.consumer.clone();
    let key = desk.registry().import_key(&actor, request, Secret::new(asked.key.0)).await?;
    Ok(Answer(StatusCode::CREATED, Key::at(key, consumer, desk.now_ms())))
}

/// One key.
#[utoipa::path(get, path = "/v1/keys/{id}", tag = "keys", operation_id = "keys_show", params(("id" = String, Path)),
    responses((status = 200, body = Key)))]
pub(crate) async fn show(State(desk): State<Desk>, Named(id): Named<KeyId>) -> Result<Answer<Key>, AdminError> {
    let key = desk.registry().key(id).await?;
    view(&desk, key).await.map(|key| Answer(StatusCode::OK, key))
}

/// Revokes a key. When the answer comes, the next call with it is refused.
#[utoipa::path(post, path = "/v1/keys/{id}/revoke", tag = "keys", operation_id = "keys_revoke",
    params(("id" = String, Path)), responses((status = 200, body = Key)))]
pub(crate) async fn revoke(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(id): Named<KeyId>,
) -> Result<Answer<Key>, AdminError> {
    let key = desk.registry().revoke_key(&actor, id).await?;
    view(&desk, key).await.map(|key| Answer(StatusCode::OK, key))
}

/// Makes a key that may do the same; the old one is taken for a while more.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", tag = "keys", operation_id = "keys_rotate",
    params(("id" = String, Path)), request_body = KeyRotate, responses((status = 201, body = KeyCreated)))]
pub(crate) async fn rotate(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(id): Named<KeyId>,
    Asked(asked): Asked<KeyRotate>,
) -> Result<Answer<KeyCreated>, AdminError> {
    let overlap = asked.overlap.as_deref().map(quantity::duration).transpose();
    let overlap = overlap.map_err(|problem| AdminError::new(AdminCode::RequestUnfit, format!("overlap: {problem}")))?;
    let overlap = overlap.unwrap_or(OVERLAP_DEFAULT);
    let (key, text) = desk.registry().rotate_key(&actor, id, overlap, asked.expires, asked.kind.into()).await?;
    let record = view(&desk, key).await?;
    Ok(Answer(StatusCode::CREATED, KeyCreated { key: ShownOnce(text), record }))
}

async fn view(desk: &Desk, key: callgate_model::Key) -> Result<Key, AdminError> {
    // The table knows the consumer of every key; only one that was removed this very moment is missing.
    let entry = desk.registry().table().get(key.id);
    let gone = || AdminError::new(AdminCode::NotFound, format!("the consumer of key `{}` was just removed", key.id));
    let consumer = entry.ok_or_else(gone)?.consumer.name.to_string();
    Ok(Key::at(key, consumer, desk.now_ms()))
}

/// A key for an API that is not there would open nothing; most likely its name was mistyped.
fn known_apis(desk: &Desk, apis: &[String]) -> Result<(), AdminError> {
    let known = desk.operations().apis();
    let missing = apis.iter().filter(|api| !known.contains(api));
    let problems: Vec<_> = missing
        .map(|api| format!("api `{api}` is not in the configuration: it has `{}`", known.join("`, `")))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(AdminError::with_problems(AdminCode::RequestUnfit, problems)) }
}
