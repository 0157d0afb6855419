//! Calls that were, and what was used.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::extract::State;
use axum::http::StatusCode;
use callgate_model::bounds::LISTING_MAX;
use callgate_model::{CallId, Code};
use callgate_records::explain;
use callgate_store::{CallFilter, CallsDb, UsageFilter};

use super::{limit, past};
use crate::desk::Desk;
use crate::extract::{Answer, Named, Search, call_id, key_id};
use crate::problem::{AdminCode, AdminError};
use crate::views::{CallFound, Calls, CallsQuery, Stats, StatsQuery, StatsRow, Usage, UsageQuery, UsageRow};

const HOUR_MS: i64 = 3_600_000;

/// Recent calls, newest first.
#[utoipa::path(get, path = "/v1/calls", tag = "calls", operation_id = "calls_find", params(CallsQuery),
    responses((status = 200, body = Calls)))]
pub(crate) async fn find(
    State(desk): State<Desk>,
    Search(query): Search<CallsQuery>,
) -> Result<Answer<Calls>, AdminError> {
    let calls = desk.calls().await?;
    let before = match &query.before {
        Some(id) => Some(place(calls, call_id(id)?).await?),
        None => None,
    };
    let filter = CallFilter { before, ..wanted(query, desk.now_ms())? };
    Ok(Answer(StatusCode::OK, Calls { calls: calls.find_calls(filter).await? }))
}

/// The calls that a query means, wherever the last page ended.
pub(super) fn wanted(query: CallsQuery, now_ms: i64) -> Result<CallFilter, AdminError> {
    Ok(CallFilter {
        key_id: query.key.as_deref().map(key_id).transpose()?,
        status: query.status.as_deref().map(statuses).transpose()?,
        code: query.code.as_deref().map(code).transpose()?,
        since_ms: past("since", query.since.as_deref(), now_ms)?,
        until_ms: past("until", query.until.as_deref(), now_ms)?,
        before: None,
        limit: limit(query.limit)?,
        api: query.api,
        route: query.route,
        consumer: query.consumer,
        path_prefix: query.path,
    })
}

/// One call, with what happened to it and why.
#[utoipa::path(get, path = "/v1/calls/{id}", tag = "calls", operation_id = "calls_show",
    params(("id" = String, Path)), responses((status = 200, body = CallFound)))]
pub(crate) async fn show(State(desk): State<Desk>, Named(id): Named<CallId>) -> Result<Answer<CallFound>, AdminError> {
    let found = desk.calls().await?.get_call(id).await?;
    let call = found.ok_or_else(|| not_kept(id))?;
    let explanation = serde_json::to_value(explain::call(&call))
        .map_err(|error| AdminError::new(AdminCode::Internal, format!("the explanation can't be shown: {error}")))?;
    Ok(Answer(StatusCode::OK, CallFound { call, explanation }))
}

/// Exact usage, by hour, API, route, consumer, key and status.
#[utoipa::path(get, path = "/v1/usage", tag = "calls", operation_id = "usage", params(UsageQuery),
    responses((status = 200, body = Usage)))]
pub(crate) async fn usage(
    State(desk): State<Desk>,
    Search(query): Search<UsageQuery>,
) -> Result<Answer<Usage>, AdminError> {
    let now_ms = desk.now_ms();
    let asked = limit(query.limit.or(Some(LISTING_MAX)))?;
    let filter = UsageFilter {
        since_ms: past("since", query.since.as_deref(), now_ms)?.map(hour),
        until_ms: past("until", query.until.as_deref(), now_ms)?,
        key_id: query.key.as_deref().map(key_id).transpose()?,
        limit: asked,
        api: query.api,
        route: query.route,
        consumer: query.consumer,
    };
    let rows = desk.calls().await?.usage(filter).await?;
    let truncated = Some(rows.len()) == asked;
    Ok(Answer(StatusCode::OK, Usage { rows: rows.into_iter().map(UsageRow::from).collect(), truncated }))
}

/// What happened since a moment, by route and by consumer.
#[utoipa::path(get, path = "/v1/stats", tag = "calls", operation_id = "stats", params(StatsQuery),
    responses((status = 200, body = Stats)))]
pub(crate) async fn stats(
    State(desk): State<Desk>,
    Search(query): Search<StatsQuery>,
) -> Result<Answer<Stats>, AdminError> {
    let now_ms = desk.now_ms();
    let since_ms = hour(past("since", query.since.as_deref(), now_ms)?.unwrap_or(now_ms));
    let filter = UsageFilter { since_ms: Some(since_ms), limit: Some(LISTING_MAX), ..UsageFilter::default() };
    let rows = desk.calls().await?.usage(filter).await?;
    let mut total = StatsRow::default();
    let (mut routes, mut consumers) = (BTreeMap::new(), BTreeMap::new());
    for row in &rows {
        total.add(row);
        let blank = || StatsRow {
            api: row.api.as_deref().map(str::to_owned),
            route: row.route.as_deref().map(str::to_owned),
            ..StatsRow::default()
        };
        routes.entry((&row.api, &row.route)).or_insert_with(blank).add(row);
        if let Some(name) = row.consumer.as_deref() {
            let blank = || StatsRow { consumer: Some(name.to_owned()), ..StatsRow::default() };
            consumers.entry(name).or_insert_with(blank).add(row);
        }
    }
    let (routes, consumers) = (busiest_first(routes), busiest_first(consumers));
    let truncated = rows.len() == LISTING_MAX;
    let lost = desk.operations().lost();
    Ok(Answer(StatusCode::OK, Stats { at_ms: now_ms, since_ms, total, routes, consumers, truncated, lost }))
}

fn busiest_first<K>(rows: BTreeMap<K, StatsRow>) -> Vec<StatsRow> {
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.calls));
    rows
}

/// The first millisecond of the hour.
fn hour(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(HOUR_MS)
}

/// Where a call stands in the order of listings.
async fn place(calls: &CallsDb, id: CallId) -> Result<(i64, CallId), AdminError> {
    let call = calls.get_call(id).await?.ok_or_else(|| not_kept(id))?;
    Ok((call.started_ms, id))
}

fn not_kept(id: CallId) -> AdminError {
    let detail =
        format!("call `{id}` is not kept (any more): busy gates keep a sample, and the oldest calls make room");
    AdminError::new(AdminCode::NotFound, detail)
}

/// `429`, `4xx`, `400-499`.
fn statuses(text: &str) -> Result<RangeInclusive<u16>, AdminError> {
    let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    let class =
        |text: &str| text.to_ascii_lowercase().strip_suffix("xx").and_then(|class| status(&format!("{class}00")));
    let range = match text.split_once('-') {
        Some((from, to)) => status(from).zip(status(to)).map(|(from, to)| from..=to),
        None => status(text).map(|one| one..=one).or_else(|| class(text).map(|first| first..=first + 99)),
    };
    range.filter(|range| !range.is_empty()).ok_or_else(|| {
        AdminError::new(AdminCode::RequestUnfit, format!("status: write `429`, `4xx` or `400-499`, not `{text}`"))
    })
}

fn code(text: &str) -> Result<Code, AdminError> {
    Code::from_name(text).ok_or_else(|| {
        let detail =
            format!("code: `{text}` is no code of the gate; docs/refusals.md lists them, `rate_limited` is one");
        AdminError::new(AdminCode::RequestUnfit, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_as_people_write_them() {
        let check = |text: &str, expect: Option<RangeInclusive<u16>>| assert_eq!(statuses(text).ok(), expect, "{text}");
        check("429", Some(429..=429));
        check("4xx", Some(400..=499));
        check("5XX", Some(500..=599));
        check("400-403", Some(400..=403));
        for wrong in ["", "42", "6xx", "xx", "500-400", "-", "4x", "abc", "é"] {
            check(wrong, None);
        }
    }
}
