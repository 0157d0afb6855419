//! The audit log.

use axum::extract::State;
use axum::http::StatusCode;
use callgate_store::AuditFilter;

use super::{limit, past};
use crate::desk::Desk;
use crate::extract::{Answer, Search};
use crate::problem::AdminError;
use crate::views::{AuditEntries, AuditEntry, AuditQuery, AuditVerdict};

/// Who did what to what, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", operation_id = "audit_list", params(AuditQuery),
    responses((status = 200, body = AuditEntries)))]
pub(crate) async fn list(
    State(desk): State<Desk>,
    Search(query): Search<AuditQuery>,
) -> Result<Answer<AuditEntries>, AdminError> {
    let filter = AuditFilter {
        since_ms: past("since", query.since.as_deref(), desk.now_ms())?,
        limit: limit(query.limit)?,
        act: query.act,
        actor: query.actor,
        subject: query.subject,
        before_seq: query.before,
    };
    let entries = desk.registry().store().audit_list(&filter).await?.into_iter().map(AuditEntry::from).collect();
    Ok(Answer(StatusCode::OK, AuditEntries { entries }))
}

/// Walks along the whole chain and tells the first entry that is not as it was written.
#[utoipa::path(get, path = "/v1/audit/verify", tag = "audit", operation_id = "audit_verify",
    responses((status = 200, body = AuditVerdict)))]
pub(crate) async fn verify(State(desk): State<Desk>) -> Result<Answer<AuditVerdict>, AdminError> {
    Ok(Answer(StatusCode::OK, desk.registry().store().audit_verify().await?.into()))
}
