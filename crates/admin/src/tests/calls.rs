//! Searching calls, usage and statistics.

use std::sync::atomic::Ordering;

use callgate_model::record::{End, ProtocolVersion};
use callgate_model::{CallId, CallRecord, Code, KeyId, Phase, Refusal};
use callgate_store::{StoredCall, UsageRow};

use super::house::{House, NOW_MS};
use crate::AdminCode;
use crate::views::{CallsQuery, StatsQuery, UsageQuery};

pub(super) fn call(number: u8, status: u16) -> CallRecord {
    let refused = status == 429;
    CallRecord {
        call_id: CallId::from_parts(NOW_MS as u64 + u64::from(number), &[number; 10]),
        started_ms: NOW_MS + i64::from(number),
        duration_us: 1_000,
        listener: "127.0.0.1:8080".into(),
        protocol: ProtocolVersion::Http11,
        tls: false,
        client: [127, 0, 0, 1].into(),
        peer: [127, 0, 0, 1].into(),
        method: "GET".into(),
        host: "localhost".into(),
        path: format!("/shop/books/{number}").into(),
        api: Some("bookshop".into()),
        route: Some("GET /books/{id}".into()),
        consumer: Some("acme".into()),
        key_id: KeyId::parse("AAAAAAAA"),
        issuer: None,
        client_id: None,
        token: None,
        status,
        phase: if refused { Phase::Meter } else { Phase::Record },
        refusal: refused.then(|| Refusal::new(Code::RateLimited, "10 calls/s per key")),
        would_refuse: vec![],
        request_bytes: 0,
        response_bytes: 90,
        upstream: None,
        websocket: None,
        end: if refused { End::Refused } else { End::Complete },
        user_agent: None,
        trace_id: None,
    }
}

fn usage(hours_ago: i64, status: u16, consumer: Option<&str>, count: u64) -> UsageRow {
    UsageRow {
        hour_ms: NOW_MS - hours_ago * 3_600_000,
        api: Some("bookshop".into()),
        route: Some("GET /books/{id}".into()),
        consumer: consumer.map(Into::into),
        key_id: consumer.and_then(|_| KeyId::parse("AAAAAAAA")),
        status,
        count,
        request_bytes: 1,
        response_bytes: 10,
    }
}

#[tokio::test]
async fn calls_are_found_by_what_is_known_of_them() {
    let house = House::new().await;
    let records: Vec<_> = [(1, 200), (2, 429), (3, 200), (4, 404)].map(|(number, status)| call(number, status)).into();
    let stored: Vec<_> =
        records.iter().map(|record| StoredCall { record: Box::new(record.clone()), weight: 1 }).collect();
    house.calls.insert_calls(&stored).await.unwrap();
    let door = house.door().await;
    let found = async |query: CallsQuery| -> Vec<String> {
        door.calls_find(&query)
            .await
            .unwrap()
            .calls
            .iter()
            .map(|call| call.path.rsplit('/').next().unwrap().to_owned())
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(found(CallsQuery::default()).await, ["4", "3", "2", "1"]);
    assert_eq!(found(CallsQuery { status: some("4xx"), ..CallsQuery::default() }).await, ["4", "2"]);
    assert_eq!(found(CallsQuery { code: some("rate_limited"), ..CallsQuery::default() }).await, ["2"]);
    assert_eq!(found(CallsQuery { path: some("/shop/books/3"), ..CallsQuery::default() }).await, ["3"]);
    assert_eq!(found(CallsQuery { key: some("AAAAAAAA"), limit: Some(1), ..CallsQuery::default() }).await, ["4"]);
    assert_eq!(found(CallsQuery { consumer: some("other"), ..CallsQuery::default() }).await, [""; 0]);
    assert_eq!(
        found(CallsQuery { before: Some(records[2].call_id.to_string()), ..CallsQuery::default() }).await,
        ["2", "1"]
    );
    assert!(house.gate.flushes.load(Ordering::Relaxed) >= 7, "what has just ended must be found, too");

    let explained = door.calls_get(records[1].call_id).await.unwrap();
    assert_eq!(explained.call.status, 429);
    assert!(explained.explanation["title"].as_str().unwrap().contains("rate_limited"));
    let missing = door.calls_get(CallId::from_parts(1, &[1; 10])).await.unwrap_err();
    assert_eq!(missing.code, AdminCode::NotFound);
}

#[tokio::test]
async fn statistics_are_the_usage_added_up() {
    let house = House::new().await;
    let rows = [
        usage(0, 200, Some("acme"), 7),
        usage(0, 429, Some("acme"), 2),
        usage(0, 401, None, 3),
        usage(0, 502, Some("other"), 1),
        usage(2, 200, Some("acme"), 100),
    ];
    house.calls.add_usage(&rows).await.unwrap();
    house.clock.advance_ms(60_000);
    let door = house.door().await;
    let stats = door.stats(&StatsQuery::default()).await.unwrap();
    let total = &stats.total;
    assert_eq!((total.calls, total.good, total.limited, total.denied, total.failed), (13, 7, 2, 3, 1));
    assert_eq!((stats.since_ms, stats.truncated, stats.routes.len()), (NOW_MS, false, 1));
    let consumers: Vec<_> = stats.consumers.iter().map(|row| (row.consumer.as_deref().unwrap(), row.calls)).collect();
    assert_eq!(consumers, [("acme", 9), ("other", 1)]);
    let longer = door.stats(&StatsQuery { since: Some("2h".to_owned()) }).await.unwrap();
    assert_eq!(longer.total.calls, 113);
    let usage = door.usage(&UsageQuery { consumer: Some("acme".to_owned()), ..UsageQuery::default() }).await.unwrap();
    assert_eq!(usage.rows.iter().map(|row| row.count).sum::<u64>(), 109);
    let one = door.usage(&UsageQuery { limit: Some(1), ..UsageQuery::default() }).await.unwrap();
    assert!(one.truncated && one.rows.len() == 1);
}
