//! Finding calls, newest first.

use std::ops::RangeInclusive;

use callgate_model::bounds::LISTING_MAX;
use callgate_model::record::CallRecord;
use callgate_model::{CallId, Code, KeyId};
use sqlx::QueryBuilder;

use super::CallsDb;
use crate::error::StoreError;
use crate::row;

/// Which calls; the default is the newest of all.
#[derive(Debug, Clone, Default)]
pub struct CallFilter {
    /// Of this API.
    pub api: Option<String>,
    /// Of this route, by its template.
    pub route: Option<String>,
    /// Of this consumer.
    pub consumer: Option<String>,
    /// With this key.
    pub key_id: Option<KeyId>,
    /// Answered with one of these: `429..=429`, `400..=499`.
    pub status: Option<RangeInclusive<u16>>,
    /// Refused with this code, or in observe mode would be.
    pub code: Option<Code>,
    /// The path begins so.
    pub path_prefix: Option<String>,
    /// Not before, Unix milliseconds.
    pub since_ms: Option<i64>,
    /// Before, Unix milliseconds.
    pub until_ms: Option<i64>,
    /// Only calls before this one, by start and id: where the last page ended.
    pub before: Option<(i64, CallId)>,
    /// At most so many; never more than the bound of a listing.
    pub limit: Option<usize>,
}

// === impl CallsDb ===

impl CallsDb {
    /// Calls, newest first.
    pub async fn find_calls(&self, filter: CallFilter) -> Result<Vec<CallRecord>, StoreError> {
        self.database
            .read(move |connection| {
                Box::pin(async move {
                    let rows = query(filter).build().fetch_all(connection).await?;
                    Ok(rows.iter().map(|found| row::json(found, "record")).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// The call with this id, while it is kept.
    pub async fn get_call(&self, id: CallId) -> Result<Option<CallRecord>, StoreError> {
        self.database
            .read(move |connection| {
                Box::pin(async move {
                    let query =
                        sqlx::query("SELECT record FROM calls WHERE call_id = ?").bind(id.0.as_bytes().to_vec());
                    let found = query.fetch_optional(connection).await?;
                    Ok(found.map(|found| row::json(&found, "record")).transpose()?)
                })
            })
            .await
    }
}

pub(super) fn query(filter: CallFilter) -> QueryBuilder<sqlx::Sqlite> {
    let mut query = QueryBuilder::new("SELECT record FROM calls WHERE 1");
    let texts = [
        (" AND api = ", filter.api),
        (" AND route = ", filter.route),
        (" AND consumer = ", filter.consumer),
        (" AND key_id = ", filter.key_id.map(|id| id.to_string())),
        (" AND code = ", filter.code.map(|code| code.name().to_owned())),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    if let Some(status) = filter.status {
        if status.start() / 100 == status.end() / 100 {
            query.push(" AND status / 100 = ").push_bind(status.start() / 100);
        }
        query.push(" AND status BETWEEN ").push_bind(*status.start()).push(" AND ").push_bind(*status.end());
    }
    if let Some(prefix) = filter.path_prefix {
        query.push(" AND substr(path, 1, length(").push_bind(prefix.clone()).push(")) = ").push_bind(prefix);
    }
    if let Some(since_ms) = filter.since_ms {
        query.push(" AND at_ms >= ").push_bind(since_ms);
    }
    if let Some(until_ms) = filter.until_ms {
        query.push(" AND at_ms < ").push_bind(until_ms);
    }
    if let Some((at_ms, id)) = filter.before {
        // Said twice: an index ends with the time and knows nothing of the id.
        query.push(" AND at_ms <= ").push_bind(at_ms).push(" AND (at_ms, call_id) < (").push_bind(at_ms).push(", ");
        query.push_bind(id.0.as_bytes().to_vec()).push(")");
    }
    let limit = filter.limit.unwrap_or(LISTING_MAX).min(LISTING_MAX);
    query.push(" ORDER BY at_ms DESC, call_id DESC LIMIT ").push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    query
}
