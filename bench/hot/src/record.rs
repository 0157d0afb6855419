//! What is kept of a call: the hand-off by the worker, and all that the recorder does with it (metrics, usage, the live
//! table, the line of the access log, the choice of those that are kept one by one).

use std::sync::Arc;

use anyhow::Result;
use callgate_model::record::{End, ProtocolVersion, UpstreamPart};
use callgate_model::{CallId, CallRecord, KeyId, Phase};

use crate::gate::{self, Kept};

/// Callers that take turns.
const CONSUMERS: usize = 100;

/// Records `times` calls.
pub(crate) fn run(times: u64) -> Result<()> {
    gate::runtime()?.block_on(async {
        let kept = Kept::start().await?;
        let templates: Vec<CallRecord> = (0..CONSUMERS).map(forwarded).collect();
        for (step, template) in (0..times).zip(templates.iter().cycle()) {
            // Each is a box of its own, as from a call.
            let mut record = Box::new(template.clone());
            record.call_id = CallId::from_parts(gate::NOW_MS.unsigned_abs(), &random(step));
            kept.recorder.record(record);
        }
        kept.end(times).await
    })
}

fn random(step: u64) -> [u8; 10] {
    let mut bytes = [0x5a; 10];
    bytes.iter_mut().zip(step.to_le_bytes()).for_each(|(byte, of_step)| *byte = of_step);
    bytes
}

/// What the gate keeps of a forwarded call.
fn forwarded(number: usize) -> CallRecord {
    CallRecord {
        call_id: CallId::from_parts(gate::NOW_MS.unsigned_abs(), &[0; 10]),
        started_ms: gate::NOW_MS,
        duration_us: 412,
        listener: Arc::from("0.0.0.0:8080"),
        protocol: ProtocolVersion::Http11,
        tls: false,
        client: [203, 0, 113, 7].into(),
        peer: [203, 0, 113, 7].into(),
        method: "GET".into(),
        host: "api.example.com".into(),
        path: "/shop/books/7".into(),
        api: Some(Arc::from("shop")),
        route: Some(Arc::from("GET /shop/books/{id}")),
        consumer: Some(format!("consumer-{number}").into()),
        issuer: None,
        client_id: None,
        token: None,
        key_id: KeyId::parse(&format!("Ab12C{number:03}")),
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
            head_us: 350,
        }),
        websocket: None,
        end: End::Complete,
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    }
}
