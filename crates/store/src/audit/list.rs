//! Looking entries up.

use callgate_model::bounds::LISTING_MAX;
use sqlx::{QueryBuilder, Row};

use super::AuditEntry;
use crate::error::StoreError;
use crate::store::Store;
use crate::{hex, row};

/// Which entries; the default is the newest of all.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// An act (`key.revoke`) or all on one kind of thing (`key`).
    pub act: Option<String>,
    /// As the log writes it: `uid:1000`.
    pub actor: Option<String>,
    /// What it was done to.
    pub subject: Option<String>,
    /// Not before, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Only entries before this one: where the last page ended.
    pub before_seq: Option<i64>,
    /// At most so many; never more than the bound of a listing.
    pub limit: Option<usize>,
}

// === impl Store ===

impl Store {
    /// Entries, newest first.
    pub async fn audit_list(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let filter = filter.clone();
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let rows = query(filter).build().fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }
}

fn query(filter: AuditFilter) -> QueryBuilder<sqlx::Sqlite> {
    let mut query = QueryBuilder::new("SELECT seq, at_ms, actor, act, subject, detail, hash FROM audit WHERE 1");
    if let Some(act) = filter.act {
        let family = format!("{act}.");
        query.push(" AND (act = ").push_bind(act);
        query.push(" OR substr(act, 1, length(").push_bind(family.clone()).push(")) = ").push_bind(family).push(")");
    }
    if let Some(actor) = filter.actor {
        query.push(" AND actor = ").push_bind(actor);
    }
    if let Some(subject) = filter.subject {
        query.push(" AND subject = ").push_bind(subject);
    }
    if let Some(since_ms) = filter.since_ms {
        query.push(" AND at_ms >= ").push_bind(since_ms);
    }
    if let Some(before_seq) = filter.before_seq {
        query.push(" AND seq < ").push_bind(before_seq);
    }
    let limit = filter.limit.unwrap_or(LISTING_MAX).min(LISTING_MAX);
    query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

fn from_row(row: &sqlx::sqlite::SqliteRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        seq: row.try_get("seq")?,
        at_ms: row.try_get("at_ms")?,
        actor: row.try_get("actor")?,
        act: row.try_get("act")?,
        subject: row.try_get("subject")?,
        detail: row::json(row, "detail")?,
        hash: hex::write(row.try_get("hash")?),
    })
}
