//! `calls.db`: recent calls, and exact usage by the hour.
//!
//! Separate from what the gate issued, because it is written all the time and may be lost: `synchronous=NORMAL` keeps the
//! file sound through a power cut and costs at most its last second. It is opened beside a [`crate::Store`], whose hold on
//! the folder covers it.

mod find;
mod retention;
#[cfg(test)]
mod tests;
mod usage;

use std::path::Path;
use std::sync::Arc;

use callgate_model::record::CallRecord;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteSynchronous;

pub use find::CallFilter;
pub use usage::{UsageFilter, UsageRow};

use crate::database::{CALLS, Database, Opening};
use crate::error::{Fault, StoreError};
use crate::row::to_json;
use crate::{folder, store};

/// The open file; clones share it.
#[derive(Debug, Clone)]
pub struct CallsDb {
    database: Database,
    retention: Arc<retention::Retention>,
}

/// A call to be kept.
#[derive(Debug, Clone)]
pub struct StoredCall {
    /// The whole record.
    pub record: Box<CallRecord>,
    /// How many calls it stands for, when recent calls are sampled; 1 when all are kept.
    pub weight: u32,
}

// === impl CallsDb ===

impl CallsDb {
    /// Opens or makes the file in a data folder, to be kept under so many bytes:
    /// [`callgate_model::bounds::CALLS_DB_BYTES_MAX`] unless the operator says otherwise.
    ///
    /// # Errors
    /// As [`crate::Store::open`], but for the hold: that is the store's.
    pub async fn open(folder: &Path, bytes_max: u64) -> Result<CallsDb, StoreError> {
        folder::prepare(folder)?;
        let opening = Opening { schema: &CALLS, synchronous: SqliteSynchronous::Normal, busy_time: store::BUSY_TIME };
        let database = Database::open(folder, opening, None).await?;
        Ok(CallsDb { database, retention: Arc::new(retention::Retention::new(bytes_max)) })
    }

    /// Keeps calls, all or none, and drops the oldest where the file grows past its bound. A call that is there already
    /// stays as it is.
    pub async fn insert_calls(&self, calls: &[StoredCall]) -> Result<(), StoreError> {
        let rows = calls.iter().map(Row::of).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| Fault::from(error).into_error(self.database.file()))?;
        let retention = Arc::clone(&self.retention);
        self.database
            .act(move |connection| {
                Box::pin(async move {
                    for row in rows {
                        row.insert(connection).await?;
                    }
                    Ok(retention.apply(connection).await?)
                })
            })
            .await
    }

    /// Waits until everything asked for so far is written, then closes the file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// A call as its columns, made outside the writer.
struct Row {
    call_id: [u8; 16],
    at_ms: i64,
    api: Option<Arc<str>>,
    route: Option<Arc<str>>,
    consumer: Option<Arc<str>>,
    key_id: Option<String>,
    status: u16,
    code: Option<&'static str>,
    path: Box<str>,
    weight: u32,
    record: String,
}

// === impl Row ===

impl Row {
    fn of(call: &StoredCall) -> Result<Row, sqlx::Error> {
        let record = &call.record;
        // In observe mode nothing is refused, and what would have been must be found by the same code.
        let refusal = record.refusal.as_deref().or(record.would_refuse.first());
        Ok(Row {
            call_id: *record.call_id.0.as_bytes(),
            at_ms: record.started_ms,
            api: record.api.clone(),
            route: record.route.clone(),
            consumer: record.consumer.clone(),
            key_id: record.key_id.map(|id| id.to_string()),
            status: record.status,
            code: refusal.map(|refusal| refusal.code.name()),
            path: record.path.clone(),
            weight: call.weight,
            record: to_json(record)?,
        })
    }

    async fn insert(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let sql = "INSERT INTO calls (call_id, at_ms, api, route, consumer, key_id, status, code, path, weight, record) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(self.call_id.to_vec())
            .bind(self.at_ms)
            .bind(self.api)
            .bind(self.route)
            .bind(self.consumer)
            .bind(self.key_id)
            .bind(self.status)
            .bind(self.code)
            .bind(self.path.into_string())
            .bind(self.weight)
            .bind(self.record)
            .execute(connection)
            .await
            .map(drop)
    }
}
