//! Consumers: who calls, as a customer.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use super::cut;
use crate::access::Asker;
use crate::desk::Desk;
use crate::extract::{Answer, Asked, Named};
use crate::problem::{AdminCode, AdminError};
use crate::views::{Consumer, ConsumerCreate, ConsumerPlan, ConsumerRemoved, Consumers};

/// Every consumer.
#[utoipa::path(get, path = "/v1/consumers", tag = "consumers", operation_id = "consumers_list",
    responses((status = 200, body = Consumers)))]
pub(crate) async fn list(State(desk): State<Desk>) -> Result<Answer<Consumers>, AdminError> {
    let mut consumers = desk.registry().consumers().await?;
    let truncated = cut(&mut consumers);
    let consumers = consumers.into_iter().map(Consumer::from).collect();
    Ok(Answer(StatusCode::OK, Consumers { consumers, truncated }))
}

/// Makes a consumer.
#[utoipa::path(post, path = "/v1/consumers", tag = "consumers", operation_id = "consumers_create",
    request_body = ConsumerCreate, responses((status = 201, body = Consumer)))]
pub(crate) async fn create(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Asked(asked): Asked<ConsumerCreate>,
) -> Result<Answer<Consumer>, AdminError> {
    known_plan(&desk, asked.plan.as_deref())?;
    let consumer = desk.registry().create_consumer(&actor, &asked.name, asked.plan.as_deref()).await?;
    Ok(Answer(StatusCode::CREATED, consumer.into()))
}

/// One consumer.
#[utoipa::path(get, path = "/v1/consumers/{name}", tag = "consumers", operation_id = "consumers_show",
    params(("name" = String, Path)), responses((status = 200, body = Consumer)))]
pub(crate) async fn show(State(desk): State<Desk>, Named(name): Named<String>) -> Result<Answer<Consumer>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.registry().consumer(&name).await?.into()))
}

/// Puts a consumer on a plan, or takes it off every one.
#[utoipa::path(patch, path = "/v1/consumers/{name}", tag = "consumers", operation_id = "consumers_set_plan",
    params(("name" = String, Path)), request_body = ConsumerPlan, responses((status = 200, body = Consumer)))]
pub(crate) async fn set_plan(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
    Asked(asked): Asked<ConsumerPlan>,
) -> Result<Answer<Consumer>, AdminError> {
    known_plan(&desk, asked.plan.as_deref())?;
    let consumer = desk.registry().set_plan(&actor, &name, asked.plan.as_deref()).await?;
    Ok(Answer(StatusCode::OK, consumer.into()))
}

/// Removes a consumer and all its keys.
#[utoipa::path(delete, path = "/v1/consumers/{name}", tag = "consumers", operation_id = "consumers_remove",
    params(("name" = String, Path)), responses((status = 200, body = ConsumerRemoved)))]
pub(crate) async fn remove(
    State(desk): State<Desk>,
    Extension(Asker(actor)): Extension<Asker>,
    Named(name): Named<String>,
) -> Result<Answer<ConsumerRemoved>, AdminError> {
    let removed = desk.registry().remove_consumer(&actor, &name).await?;
    let keys = removed.key_ids.iter().map(ToString::to_string).collect();
    Ok(Answer(StatusCode::OK, ConsumerRemoved { consumer: removed.consumer.into(), keys }))
}

/// A plan that the configuration does not have would limit nobody, silently.
fn known_plan(desk: &Desk, plan: Option<&str>) -> Result<(), AdminError> {
    let Some(plan) = plan else { return Ok(()) };
    let names: Vec<_> = desk.operations().plans().into_iter().map(|plan| plan.name).collect();
    if names.iter().any(|name| name == plan) {
        return Ok(());
    }
    let known = match names.as_slice() {
        [] => "it has none; write one under `plans:`".to_owned(),
        names => format!("it has `{}`", names.join("`, `")),
    };
    Err(AdminError::new(AdminCode::RequestUnfit, format!("plan `{plan}` is not in the configuration: {known}")))
}
