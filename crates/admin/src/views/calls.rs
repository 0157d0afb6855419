use callgate_model::CallRecord;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Calls, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Calls {
    /// The records.
    #[schema(value_type = Vec<Object>)]
    pub calls: Vec<CallRecord>,
}

/// One call.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CallFound {
    /// Its record.
    #[schema(value_type = Object)]
    pub call: CallRecord,
    /// What happened to it and why, in sections.
    #[schema(value_type = Object)]
    pub explanation: serde_json::Value,
}

/// Which calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CallsQuery {
    /// Of this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Of this route, by its template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Of this consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// With the key of this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Answered with this status: `429`, `4xx`, `400-499`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Refused with this code, or in observe mode would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The path begins so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Not before: `1h` ago, `2027-01-31T12:00:00Z`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Only calls before the one with this id: where the last page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// At most so many; 100 unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What a follower hears, one line each.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Followed {
    /// A call that has just ended: its record.
    #[schema(value_type = Object)]
    Call(Box<CallRecord>),
    /// So many calls went by unseen: they came faster than the follower took them.
    Missed(u64),
}

/// What was used, newest hour first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// One row per hour, API, route, consumer, key and status.
    pub rows: Vec<UsageRow>,
    /// There is more than one answer holds; ask for less.
    pub truncated: bool,
}

/// What was used in one hour by one kind of call. Exact, never sampled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageRow {
    /// The hour, by its first millisecond.
    pub hour_ms: i64,
    /// The API, where one was found.
    pub api: Option<String>,
    /// The route's template, where one was found.
    pub route: Option<String>,
    /// The consumer, where one was identified.
    pub consumer: Option<String>,
    /// The key's id, where one was identified.
    pub key_id: Option<String>,
    /// The status that the caller was sent.
    pub status: u16,
    /// Calls.
    pub count: u64,
    /// Body bytes from callers.
    pub request_bytes: u64,
    /// Body bytes to callers.
    pub response_bytes: u64,
}

/// Which usage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Hours from this moment: `7d` ago, `2027-01-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Hours before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Of this API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Of this route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Of this consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// Of the key with this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// At most so many rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// From when on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatsQuery {
    /// Hours from this moment, the one it lies in included; the running hour unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// What happened since a moment, by route. Counters only grow within an hour: who asks twice gets the rate by
/// subtraction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// When this was counted.
    pub at_ms: i64,
    /// The first hour counted, by its first millisecond.
    pub since_ms: i64,
    /// Everything together.
    pub total: StatsRow,
    /// By API and route, the busiest first.
    pub routes: Vec<StatsRow>,
    /// By consumer, the busiest first; calls without one are not among them.
    pub consumers: Vec<StatsRow>,
    /// There was more than could be added up; ask for a shorter time.
    pub truncated: bool,
    /// What the running gate could not keep; without one, nobody counted.
    pub lost: Option<Lost>,
}

/// What is missing from what is kept, since the gate started. Calls themselves are never among it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lost {
    /// Records that were dropped because the recorder did not keep up: these calls are missing everywhere.
    pub records: u64,
    /// Lines of the access log that its target did not take.
    pub log_lines: u64,
    /// Recent calls that the database was too busy for.
    pub recent_calls: u64,
    /// Calls missing from usage.
    pub usage: u64,
    /// Messages of the gate itself that standard error did not take.
    pub messages: u64,
}

/// Counters of one route, or of one consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatsRow {
    /// The API, where the row is about one.
    pub api: Option<String>,
    /// The route's template, where the row is about one.
    pub route: Option<String>,
    /// The consumer, where the row is about one.
    pub consumer: Option<String>,
    /// Calls.
    pub calls: u64,
    /// Answered with 2xx or 3xx.
    pub good: u64,
    /// Answered with 401 or 403.
    pub denied: u64,
    /// Answered with 429.
    pub limited: u64,
    /// Answered with another 4xx.
    pub faulty: u64,
    /// Answered with 5xx.
    pub failed: u64,
    /// Body bytes from callers.
    pub request_bytes: u64,
    /// Body bytes to callers.
    pub response_bytes: u64,
}

// === impl Lost ===

impl From<callgate_records::Lost> for Lost {
    fn from(lost: callgate_records::Lost) -> Lost {
        let callgate_records::Lost { records, log_lines, recent_calls, usage, messages } = lost;
        Lost { records, log_lines, recent_calls, usage, messages }
    }
}

// === impl UsageRow ===

impl From<callgate_store::UsageRow> for UsageRow {
    fn from(row: callgate_store::UsageRow) -> UsageRow {
        UsageRow {
            hour_ms: row.hour_ms,
            api: row.api.as_deref().map(str::to_owned),
            route: row.route.as_deref().map(str::to_owned),
            consumer: row.consumer.as_deref().map(str::to_owned),
            key_id: row.key_id.map(|id| id.to_string()),
            status: row.status,
            count: row.count,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
        }
    }
}

// === impl StatsRow ===

impl StatsRow {
    /// Adds a row of usage.
    pub(crate) fn add(&mut self, row: &callgate_store::UsageRow) {
        self.calls += row.count;
        self.request_bytes += row.request_bytes;
        self.response_bytes += row.response_bytes;
        let counter = match row.status {
            401 | 403 => &mut self.denied,
            429 => &mut self.limited,
            400..=499 => &mut self.faulty,
            500..=599 => &mut self.failed,
            // 1xx ends an upgrade well; 0 is a client that went away, which is nobody's failure here.
            _ => &mut self.good,
        };
        *counter += row.count;
    }
}
