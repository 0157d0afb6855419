//! Records as the gate would make them, for this crate's tests.

use std::sync::Arc;

use callgate_model::record::{End, ProtocolVersion, UpstreamPart};
use callgate_model::refusal::Refused;
use callgate_model::{CallId, CallRecord, KeyId, Phase};

/// 2026-03-01T12:00:00.250Z.
pub(crate) const STARTED_MS: i64 = 1_772_366_400_250;

/// A good call: `GET /shop/books/7` by `alice`.
pub(crate) fn good() -> Box<CallRecord> {
    Box::new(CallRecord {
        call_id: CallId::parse("019cbf1c-6a5a-7000-8000-000000000001").unwrap(),
        started_ms: STARTED_MS,
        duration_us: 4_321,
        listener: Arc::from("0.0.0.0:8443"),
        protocol: ProtocolVersion::Http2,
        tls: true,
        client: "203.0.113.7".parse().unwrap(),
        peer: "10.1.2.3".parse().unwrap(),
        method: "GET".into(),
        host: "api.example.com".into(),
        path: "/shop/books/7".into(),
        api: Some(Arc::from("bookshop")),
        route: Some(Arc::from("GET /books/{id}")),
        consumer: Some(Arc::from("alice")),
        key_id: KeyId::parse("Ab12Cd34"),
        issuer: None,
        client_id: None,
        token: None,
        status: 200,
        phase: Phase::Record,
        refusal: None,
        would_refuse: Vec::new(),
        request_bytes: 0,
        response_bytes: 90,
        upstream: Some(UpstreamPart {
            server: Arc::from("127.0.0.1:9000"),
            attempts: 1,
            reused: true,
            status: Some(200),
            head_us: 3_900,
        }),
        websocket: None,
        end: End::Complete,
        user_agent: Some("curl/8.5.0".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    })
}

/// The same call, refused.
pub(crate) fn refused(refusal: Refused) -> Box<CallRecord> {
    let mut record = good();
    record.status = refusal.code.status();
    record.phase = refusal.code.phase();
    record.refusal = Some(refusal);
    record.upstream = None;
    record.end = End::Refused;
    record.response_bytes = 320;
    record.duration_us = 150;
    record
}
