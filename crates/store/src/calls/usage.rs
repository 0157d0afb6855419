//! Usage: how many calls and bytes, by hour, API, route, consumer, key and status. Exact, never sampled.

use std::sync::Arc;

use callgate_model::KeyId;
use callgate_model::bounds::LISTING_MAX;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, SqliteConnection};

use super::CallsDb;
use crate::error::StoreError;
use crate::row::{count, number};

/// Rows that one statement adds: 9 values each, of the 32,766 that a statement may have (sqlite.org/limits.html).
const ROWS_PER_STATEMENT: usize = 512;

/// What was used in one hour by one kind of call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UsageRow {
    /// The hour, by its first millisecond.
    pub hour_ms: i64,
    /// The API, where one was found.
    pub api: Option<Arc<str>>,
    /// The route's template, where one was found.
    pub route: Option<Arc<str>>,
    /// The consumer's name, where one was identified.
    pub consumer: Option<Arc<str>>,
    /// The key's id, where one was identified.
    pub key_id: Option<KeyId>,
    /// The status that the caller was sent.
    pub status: u16,
    /// Calls.
    pub count: u64,
    /// Body bytes from callers.
    pub request_bytes: u64,
    /// Body bytes to callers.
    pub response_bytes: u64,
}

/// Which usage; the default is all of it.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    /// Hours that begin at or after this moment.
    pub since_ms: Option<i64>,
    /// Hours that begin before this moment.
    pub until_ms: Option<i64>,
    /// Of this API.
    pub api: Option<String>,
    /// Of this route.
    pub route: Option<String>,
    /// Of this consumer.
    pub consumer: Option<String>,
    /// Of this key.
    pub key_id: Option<KeyId>,
    /// At most so many rows; never more than the bound of a listing.
    pub limit: Option<usize>,
}

// === impl CallsDb ===

impl CallsDb {
    /// Adds to what is there, all or nothing.
    pub async fn add_usage(&self, rows: &[UsageRow]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        let retention = Arc::clone(&self.retention);
        self.database
            .act(move |connection| {
                Box::pin(async move {
                    let newest_ms = rows.iter().map(|row| row.hour_ms).max();
                    for rows in rows.chunks(ROWS_PER_STATEMENT) {
                        add(connection, rows).await?;
                    }
                    if let Some(newest_ms) = newest_ms {
                        retention.apply_to_usage(connection, newest_ms).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Usage, newest hour first.
    pub async fn usage(&self, filter: UsageFilter) -> Result<Vec<UsageRow>, StoreError> {
        self.database
            .read(move |connection| {
                Box::pin(async move {
                    let rows = query(filter).build().fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }
}

/// Adds rows with one statement. A statement for each row cost ten times as much, most of it between this thread and the
/// database's: at 25,000 calls a second with 10,000 keys that was a quarter of all the gate's work.
async fn add(connection: &mut SqliteConnection, rows: &[UsageRow]) -> Result<(), sqlx::Error> {
    let mut statement = QueryBuilder::new(
        "INSERT INTO usage (hour_ms, api, route, consumer, key_id, status, count, request_bytes, response_bytes) ",
    );
    statement.push_values(rows, |mut values, row| {
        values
            .push_bind(row.hour_ms)
            .push_bind(row.api.as_deref().unwrap_or(""))
            .push_bind(row.route.as_deref().unwrap_or(""))
            .push_bind(row.consumer.as_deref().unwrap_or(""))
            .push_bind(row.key_id.map(|id| id.to_string()).unwrap_or_default())
            .push_bind(row.status)
            .push_bind(number(row.count))
            .push_bind(number(row.request_bytes))
            .push_bind(number(row.response_bytes));
    });
    statement.push(
        " ON CONFLICT DO UPDATE SET count = count + excluded.count, \
         request_bytes = request_bytes + excluded.request_bytes, \
         response_bytes = response_bytes + excluded.response_bytes",
    );
    // Only the text of full statements comes again.
    let again = rows.len() == ROWS_PER_STATEMENT;
    statement.build().persistent(again).execute(connection).await.map(drop)
}

fn query(filter: UsageFilter) -> QueryBuilder<sqlx::Sqlite> {
    let mut query = QueryBuilder::new("SELECT * FROM usage WHERE 1");
    if let Some(since_ms) = filter.since_ms {
        query.push(" AND hour_ms >= ").push_bind(since_ms);
    }
    if let Some(until_ms) = filter.until_ms {
        query.push(" AND hour_ms < ").push_bind(until_ms);
    }
    let texts = [
        (" AND api = ", filter.api),
        (" AND route = ", filter.route),
        (" AND consumer = ", filter.consumer),
        (" AND key_id = ", filter.key_id.map(|id| id.to_string())),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    let limit = filter.limit.unwrap_or(LISTING_MAX).min(LISTING_MAX);
    query.push(" ORDER BY hour_ms DESC, api, route, consumer, key_id, status LIMIT ");
    query.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}

fn from_row(row: &SqliteRow) -> Result<UsageRow, sqlx::Error> {
    let text = |column| Ok::<_, sqlx::Error>(Some(row.try_get::<&str, _>(column)?).filter(|text| !text.is_empty()));
    Ok(UsageRow {
        hour_ms: row.try_get("hour_ms")?,
        api: text("api")?.map(Arc::from),
        route: text("route")?.map(Arc::from),
        consumer: text("consumer")?.map(Arc::from),
        key_id: text("key_id")?.and_then(KeyId::parse),
        status: row.try_get("status")?,
        count: count(row, "count")?,
        request_bytes: count(row, "request_bytes")?,
        response_bytes: count(row, "response_bytes")?,
    })
}
