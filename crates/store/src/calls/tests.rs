use std::sync::Arc;

use sqlx::Row;

use callgate_model::record::{CallRecord, End, ProtocolVersion};
use callgate_model::{CallId, Code, KeyId, Phase, Refusal};

use super::{CallFilter, CallsDb, StoredCall, UsageFilter, UsageRow};
use crate::StoreError;

/// 2024-02-29 12:00 UTC.
const NOON_MS: i64 = 1_709_208_000_000;

async fn open(bytes_max: u64) -> (tempfile::TempDir, CallsDb) {
    let folder = tempfile::tempdir().unwrap();
    let calls = CallsDb::open(&folder.path().join("data"), bytes_max).await.unwrap();
    (folder, calls)
}

fn id(number: i64) -> CallId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    CallId::from_parts(NOON_MS.unsigned_abs(), &random)
}

/// The nth call, one a second, that nothing special happened to.
fn record(number: i64) -> CallRecord {
    CallRecord {
        call_id: id(number),
        started_ms: NOON_MS + number * 1000,
        duration_us: 1200,
        listener: "127.0.0.1:8080".into(),
        protocol: ProtocolVersion::Http11,
        tls: false,
        client: "192.0.2.7".parse().unwrap(),
        peer: "127.0.0.1".parse().unwrap(),
        method: "GET".into(),
        host: "api.example.com".into(),
        path: format!("/shop/books/{number}").into(),
        api: Some("bookshop".into()),
        route: Some("GET /books/{id}".into()),
        consumer: Some("ann".into()),
        key_id: KeyId::parse("k0000001"),
        issuer: None,
        client_id: None,
        token: None,
        status: 200,
        phase: Phase::Record,
        refusal: None,
        would_refuse: Vec::new(),
        request_bytes: 0,
        response_bytes: 90,
        upstream: None,
        websocket: None,
        end: End::Complete,
        user_agent: Some("curl/8.9.1".into()),
        trace_id: None,
    }
}

fn stored(record: CallRecord) -> StoredCall {
    StoredCall { record: Box::new(record), weight: 1 }
}

/// Ten calls that differ in what they are found by.
async fn ten(calls: &CallsDb) {
    let mut records: Vec<CallRecord> = (0..10).map(record).collect();
    records[1].consumer = Some("bob".into());
    records[2].key_id = KeyId::parse("k0000002");
    records[3].status = 429;
    records[3].refusal = Some(Refusal::new(Code::RateLimited, "too fast"));
    records[4].would_refuse = vec![*Refusal::new(Code::RateLimited, "too fast")];
    records[5].status = 404;
    records[5].path = "/100%_sure".into();
    (records[5].route, records[5].consumer, records[5].key_id) = (None, None, None);
    records[6].api = Some("library".into());
    // Two at the same moment: the id decides.
    records[8].started_ms = records[7].started_ms;
    calls.insert_calls(&records.into_iter().map(stored).collect::<Vec<_>>()).await.unwrap();
}

async fn found(calls: &CallsDb, filter: CallFilter) -> Vec<i64> {
    let number = |call: CallRecord| (0..10).find(|number| id(*number) == call.call_id).unwrap();
    calls.find_calls(filter).await.unwrap().into_iter().map(number).collect()
}

#[tokio::test]
async fn a_call_comes_back_as_it_was() {
    let (_folder, calls) = open(1 << 30).await;
    ten(&calls).await;
    let call = calls.get_call(id(3)).await.unwrap().unwrap();
    assert_eq!((call.status, call.phase, &*call.path), (429, Phase::Record, "/shop/books/3"));
    assert_eq!(call.refusal.unwrap().code, Code::RateLimited);
    assert!(calls.get_call(id(99)).await.unwrap().is_none());
}

#[tokio::test]
async fn calls_are_found_newest_first_by_what_they_are() {
    let (_folder, calls) = open(1 << 30).await;
    ten(&calls).await;
    let check = async |filter: CallFilter, expect: &[i64]| {
        assert_eq!(found(&calls, filter.clone()).await, expect, "{filter:?}");
    };
    let none = CallFilter::default;
    let text = |text: &str| Some(text.to_owned());
    check(none(), &[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]).await;
    check(CallFilter { limit: Some(3), ..none() }, &[9, 8, 7]).await;
    check(CallFilter { consumer: text("bob"), ..none() }, &[1]).await;
    check(CallFilter { key_id: KeyId::parse("k0000002"), ..none() }, &[2]).await;
    check(CallFilter { status: Some(429..=429), ..none() }, &[3]).await;
    check(CallFilter { status: Some(400..=499), ..none() }, &[5, 3]).await;
    check(CallFilter { code: Some(Code::RateLimited), ..none() }, &[4, 3]).await;
    check(CallFilter { api: text("library"), ..none() }, &[6]).await;
    check(CallFilter { route: text("GET /books/{id}"), limit: Some(6), ..none() }, &[9, 8, 7, 6, 4, 3]).await;
    check(CallFilter { path_prefix: text("/100%_"), ..none() }, &[5]).await;
    check(CallFilter { path_prefix: text("/shop/books/9"), ..none() }, &[9]).await;
    check(CallFilter { path_prefix: text("%"), ..none() }, &[]).await;
    check(CallFilter { since_ms: Some(NOON_MS + 2000), until_ms: Some(NOON_MS + 5000), ..none() }, &[4, 3, 2]).await;
    check(CallFilter { consumer: text("ann"), status: Some(429..=429), ..none() }, &[3]).await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let (_folder, calls) = open(1 << 30).await;
    ten(&calls).await;
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = calls.find_calls(CallFilter { before, limit: Some(2), ..CallFilter::default() }).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.started_ms, last.call_id));
        all.extend(page.iter().map(|call| call.call_id));
    }
    let expect: Vec<CallId> = (0..10).rev().map(id).collect();
    assert_eq!(all, expect);
}

#[tokio::test]
async fn no_search_sorts_what_it_does_not_return() {
    let (_folder, calls) = open(1 << 30).await;
    let text = |text: &str| Some(text.to_owned());
    let page = CallFilter { before: Some((NOON_MS, id(1))), since_ms: Some(0), ..CallFilter::default() };
    let check = async |filter: CallFilter, index: &str| {
        let sql = format!("EXPLAIN QUERY PLAN {}", super::find::query(filter.clone()).sql().as_str());
        let plan = calls.database.read(move |connection| {
            Box::pin(async move { Ok(sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await?) })
        });
        let lines: Vec<String> = plan.await.unwrap().iter().map(|row| row.get("detail")).collect();
        assert!(
            lines[0].contains(index) && !lines.iter().any(|line| line.contains("FOR ORDER BY")),
            "{filter:?}: {lines:#?}"
        );
    };
    check(page.clone(), "calls_by_time (at_ms>? AND at_ms<?)").await;
    check(CallFilter::default(), "calls_by_time").await;
    check(CallFilter { path_prefix: text("/shop"), ..page.clone() }, "calls_by_time (at_ms>? AND at_ms<?)").await;
    check(CallFilter { status: Some(400..=599), ..page.clone() }, "calls_by_time (at_ms>? AND at_ms<?)").await;
    check(CallFilter { status: Some(429..=429), ..page.clone() }, "calls_by_class (<expr>=? AND at_ms>? AND at_ms<?)")
        .await;
    check(
        CallFilter { consumer: text("ann"), ..page.clone() },
        "calls_by_consumer (consumer=? AND at_ms>? AND at_ms<?)",
    )
    .await;
    check(
        CallFilter { key_id: KeyId::parse("k0000001"), ..page.clone() },
        "calls_by_key (key_id=? AND at_ms>? AND at_ms<?)",
    )
    .await;
    check(CallFilter { code: Some(Code::RateLimited), ..page }, "calls_by_code (code=? AND at_ms>? AND at_ms<?)").await;
}

#[tokio::test]
async fn a_call_that_is_there_already_stays() {
    let (_folder, calls) = open(1 << 30).await;
    calls.insert_calls(&[stored(record(1))]).await.unwrap();
    let again = CallRecord { status: 500, ..record(1) };
    calls.insert_calls(&[stored(again), stored(record(2))]).await.unwrap();
    assert_eq!(found(&calls, CallFilter::default()).await, [2, 1]);
    assert_eq!(calls.get_call(id(1)).await.unwrap().unwrap().status, 200);
}

#[tokio::test]
async fn the_file_stays_under_its_bound_and_keeps_the_newest() {
    const BYTES_MAX: u64 = 1 << 20;
    let (folder, calls) = open(BYTES_MAX).await;
    let mut last = 0;
    for batch in 0..30 {
        let records: Vec<StoredCall> = (batch * 200..(batch + 1) * 200).map(|number| stored(record(number))).collect();
        last = batch * 200 + 199;
        calls.insert_calls(&records).await.unwrap();
    }
    let newest = calls.find_calls(CallFilter::default()).await.unwrap();
    assert_eq!(newest.first().unwrap().call_id, id(last));
    let oldest = newest.last().unwrap().call_id;
    assert!(newest.len() > 500 && newest.len() < 3000, "{} calls are kept", newest.len());
    assert_eq!(oldest, id(last + 1 - i64::try_from(newest.len()).unwrap()), "only the oldest went");
    calls.close().await;
    let bytes = std::fs::metadata(folder.path().join("data/calls.db")).unwrap().len();
    assert!(bytes <= BYTES_MAX + BYTES_MAX / 4, "{bytes} bytes");
}

#[tokio::test]
async fn a_smaller_bound_shrinks_the_file() {
    let (folder, calls) = open(1 << 30).await;
    let path = folder.path().join("data");
    for batch in 0..5 {
        let records: Vec<StoredCall> =
            (batch * 1000..(batch + 1) * 1000).map(|number| stored(record(number))).collect();
        calls.insert_calls(&records).await.unwrap();
    }
    calls.close().await;
    let before = std::fs::metadata(path.join("calls.db")).unwrap().len();
    let calls = CallsDb::open(&path, before / 4).await.unwrap();
    for number in 5000..5100 {
        calls.insert_calls(&[stored(record(number))]).await.unwrap();
    }
    calls.close().await;
    let after = std::fs::metadata(path.join("calls.db")).unwrap().len();
    assert!(after < before / 3, "{after} of {before} bytes");
}

/// Ten hours of usage are the twin of one.
fn used(hour: i64, consumer: Option<&str>, status: u16, count: u64) -> UsageRow {
    UsageRow {
        hour_ms: NOON_MS + hour * 3_600_000,
        api: Some("bookshop".into()),
        route: Some("GET /books".into()),
        consumer: consumer.map(Arc::from),
        key_id: consumer.and(KeyId::parse("k0000001")),
        status,
        count,
        request_bytes: count * 10,
        response_bytes: count * 100,
    }
}

#[tokio::test]
async fn usage_adds_up() {
    let (_folder, calls) = open(1 << 30).await;
    calls
        .add_usage(&[used(0, Some("ann"), 200, 3), used(0, None, 401, 1), used(1, Some("ann"), 200, 1)])
        .await
        .unwrap();
    calls.add_usage(&[used(0, Some("ann"), 200, 4), used(0, None, 401, 1)]).await.unwrap();
    calls.add_usage(&[]).await.unwrap();
    let all = [used(1, Some("ann"), 200, 1), used(0, None, 401, 2), used(0, Some("ann"), 200, 7)];
    assert_eq!(calls.usage(UsageFilter::default()).await.unwrap(), all);
    let check = async |filter: UsageFilter, expect: &[UsageRow]| {
        assert_eq!(calls.usage(filter.clone()).await.unwrap(), expect, "{filter:?}");
    };
    let none = UsageFilter::default;
    check(UsageFilter { since_ms: Some(NOON_MS + 1), ..none() }, &all[..1]).await;
    check(UsageFilter { until_ms: Some(NOON_MS + 1), ..none() }, &all[1..]).await;
    check(UsageFilter { consumer: Some("ann".to_owned()), limit: Some(1), ..none() }, &all[..1]).await;
    check(UsageFilter { key_id: KeyId::parse("k0000001"), until_ms: Some(NOON_MS + 1), ..none() }, &all[2..]).await;
    check(UsageFilter { api: Some("library".to_owned()), ..none() }, &[]).await;
    check(UsageFilter { route: Some("GET /books".to_owned()), limit: Some(2), ..none() }, &all[..2]).await;
}

#[tokio::test]
async fn much_usage_adds_up_too() {
    let (_folder, calls) = open(1 << 30).await;
    // More than two statements, and every row twice.
    let rows: Vec<UsageRow> =
        (0..600).flat_map(|status| [used(0, Some("ann"), status, 1), used(0, Some("ann"), status, 1)]).collect();
    for _ in 0..2 {
        calls.add_usage(&rows).await.unwrap();
    }
    let kept = calls.usage(UsageFilter::default()).await.unwrap();
    assert_eq!(kept, (0..600).map(|status| used(0, Some("ann"), status, 4)).collect::<Vec<_>>());
}

#[tokio::test]
async fn old_usage_goes_by_whole_hours() {
    // Room for 2048 rows.
    let (_folder, calls) = open(2048 * 128 * 2).await;
    for hour in 0..30 {
        let rows: Vec<UsageRow> = (0..100).map(|status| used(hour, None, status, 1)).collect();
        calls.add_usage(&rows).await.unwrap();
    }
    let kept = calls.usage(UsageFilter::default()).await.unwrap();
    assert!(kept.len() > 1900 && kept.len() <= 2100, "{} rows", kept.len());
    assert_eq!(kept.len() % 100, 0, "no hour is kept in part");
    assert_eq!(kept.first().unwrap().hour_ms, NOON_MS + 29 * 3_600_000);
}

#[tokio::test]
async fn a_full_batch_is_written_and_found_quickly() {
    let (_folder, calls) = open(1 << 30).await;
    let records: Vec<StoredCall> = (0..500).map(|number| stored(record(number))).collect();
    let start = std::time::Instant::now();
    calls.insert_calls(&records).await.unwrap();
    let inserted = start.elapsed();
    calls.find_calls(CallFilter { limit: Some(100), ..CallFilter::default() }).await.unwrap();
    println!("500 calls: {inserted:?}; with a find: {:?}", start.elapsed());
    // Ten times what a debug build needs on a busy machine: this finds a lost transaction, not a slow afternoon.
    assert!(inserted.as_millis() < 1000, "{inserted:?}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_here_too() {
    let (folder, calls) = open(1 << 30).await;
    let path = folder.path().join("data");
    let act = calls.database.act(|connection| {
        Box::pin(async move { Ok(sqlx::raw_sql("PRAGMA user_version = 9").execute(connection).await.map(drop)?) })
    });
    act.await.unwrap();
    calls.close().await;
    let error = CallsDb::open(&path, 1 << 30).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 9, .. }), "{error}");
}
