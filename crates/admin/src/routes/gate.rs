//! The gate itself: what runs, plans, reload, backup.

use std::path::Path;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked};
use crate::problem::{AdminCode, AdminError};
use crate::views::{Backup, BackupFile, BackupTo, Plans, Reloaded, Status, Upstreams};

/// What runs here.
#[utoipa::path(get, path = "/v1/status", tag = "gate", operation_id = "status", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(desk): State<Desk>) -> Answer<Status> {
    let gate = desk.operations().summary();
    let status = Status {
        running: gate.is_some(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        data_dir: desk.registry().store().folder().display().to_string(),
        keys: desk.registry().table().len(),
        gate,
    };
    Answer(StatusCode::OK, status)
}

/// The plans of the configuration.
#[utoipa::path(get, path = "/v1/plans", tag = "gate", operation_id = "plans_list",
    responses((status = 200, body = Plans)))]
pub(crate) async fn plans(State(desk): State<Desk>) -> Result<Answer<Plans>, AdminError> {
    let consumers = desk.registry().consumers().await?;
    let mut plans = desk.operations().plans();
    for plan in &mut plans {
        plan.consumers = consumers.iter().filter(|consumer| consumer.plan.as_ref() == Some(&plan.name)).count();
    }
    Ok(Answer(StatusCode::OK, Plans { plans }))
}

/// The servers that calls go to, and how each stands.
#[utoipa::path(get, path = "/v1/upstreams", tag = "gate", operation_id = "upstreams_list",
    responses((status = 200, body = Upstreams)))]
pub(crate) async fn upstreams(State(desk): State<Desk>) -> Result<Answer<Upstreams>, AdminError> {
    let servers = desk.operations().upstreams().ok_or_else(|| {
        let detail = "no gate is running, so no server has calls; `callgate check` shows which the file names";
        AdminError::new(AdminCode::NotRunning, detail)
    })?;
    Ok(Answer(StatusCode::OK, Upstreams { servers }))
}

/// Reads the configuration file again.
#[utoipa::path(post, path = "/v1/reload", tag = "gate", operation_id = "reload",
    responses((status = 200, body = Reloaded)))]
pub(crate) async fn reload(State(desk): State<Desk>) -> Result<Answer<Reloaded>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.operations().reload().await?))
}

/// Copies the whole data folder into a new one, beside the running gate.
#[utoipa::path(post, path = "/v1/backup", tag = "gate", operation_id = "backup", request_body = BackupTo,
    responses((status = 201, body = Backup)))]
pub(crate) async fn backup(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<BackupTo>,
) -> Result<Answer<Backup>, AdminError> {
    let to = Path::new(&asked.to);
    if !to.is_absolute() {
        let detail = format!("to: `{}` is not an absolute path; the gate works in a folder of its own", asked.to);
        return Err(AdminError::new(AdminCode::RequestUnfit, detail));
    }
    desk.operations().flush().await;
    let manifest = desk.registry().store().backup(&actor, to).await?;
    let files = manifest.files.into_iter();
    let files = files.map(|file| BackupFile { name: file.name, bytes: file.bytes, sha256: file.sha256 }).collect();
    Ok(Answer(StatusCode::CREATED, Backup { folder: asked.to, made_ms: manifest.made_ms, files }))
}
