use callgate_model::{CallRecord, Code, Refusal};

use super::LineWriter;
use crate::sample;

fn line(record: &CallRecord) -> String {
    let mut written = Vec::new();
    LineWriter::default().write(record, &mut written);
    String::from_utf8(written).unwrap()
}

#[test]
fn a_good_call() {
    insta::assert_snapshot!(line(&sample::good()), @r#"{"timestamp":"2026-03-01T12:00:00.250Z","callgate.call_id":"019cbf1c-6a5a-7000-8000-000000000001","http.request.method":"GET","url.scheme":"https","url.path":"/shop/books/7","server.address":"api.example.com","http.route":"GET /books/{id}","client.address":"203.0.113.7","network.peer.address":"10.1.2.3","network.protocol.version":"2","user_agent.original":"curl/8.5.0","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","http.response.status_code":200,"duration_ms":4.321,"http.request.body.size":0,"http.response.body.size":90,"callgate.listener":"0.0.0.0:8443","callgate.api":"bookshop","callgate.consumer":"alice","callgate.key_id":"Ab12Cd34","callgate.phase":"record","callgate.end":"complete","callgate.upstream.address":"127.0.0.1:9000","callgate.upstream.attempts":1,"callgate.upstream.reused":true,"callgate.upstream.status_code":200,"callgate.upstream.head_ms":3.900}"#);
}

#[test]
fn a_refused_call_with_a_rule_in_observe_mode_before_it() {
    let mut record = sample::refused(Refusal::new(Code::RateLimited, "10/s").rule("plans.free.limits[0]"));
    record.would_refuse = vec![*Refusal::new(Code::IpDenied, "ip"), *Refusal::new(Code::NotAcceptable, "type")];
    insta::assert_snapshot!(line(&record), @r#"{"timestamp":"2026-03-01T12:00:00.250Z","callgate.call_id":"019cbf1c-6a5a-7000-8000-000000000001","http.request.method":"GET","url.scheme":"https","url.path":"/shop/books/7","server.address":"api.example.com","http.route":"GET /books/{id}","client.address":"203.0.113.7","network.peer.address":"10.1.2.3","network.protocol.version":"2","user_agent.original":"curl/8.5.0","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","http.response.status_code":429,"duration_ms":0.150,"http.request.body.size":0,"http.response.body.size":320,"callgate.listener":"0.0.0.0:8443","callgate.api":"bookshop","callgate.consumer":"alice","callgate.key_id":"Ab12Cd34","callgate.phase":"meter","callgate.end":"refused","callgate.refusal":"rate_limited","callgate.would_refuse":["ip_denied","not_acceptable"]}"#);
}

#[test]
fn a_client_that_was_gone_before_anything_was_known_of_it() {
    let mut record = sample::good();
    record.status = 0;
    record.end = callgate_model::record::End::ClientGone;
    record.phase = callgate_model::Phase::Read;
    (record.api, record.route, record.consumer, record.key_id) = (None, None, None, None);
    (record.upstream, record.user_agent, record.trace_id) = (None, None, None);
    insta::assert_snapshot!(line(&record), @r#"{"timestamp":"2026-03-01T12:00:00.250Z","callgate.call_id":"019cbf1c-6a5a-7000-8000-000000000001","http.request.method":"GET","url.scheme":"https","url.path":"/shop/books/7","server.address":"api.example.com","client.address":"203.0.113.7","network.peer.address":"10.1.2.3","network.protocol.version":"2","duration_ms":4.321,"http.request.body.size":0,"http.response.body.size":90,"callgate.listener":"0.0.0.0:8443","callgate.phase":"read","callgate.end":"client_gone"}"#);
}

/// Whatever a caller writes into the fields it chooses: one line, which a parser reads back as it was, and nothing in it
/// that a terminal acts on.
#[test]
fn no_text_of_a_caller_can_forge_a_line_or_act_on_a_terminal() {
    let attempts = [
        "/a\n{\"timestamp\":\"2026-01-01\",\"callgate.consumer\":\"admin\"}",
        "/a\r\nGET /b",
        "\",\"callgate.consumer\":\"admin\",\"x\":\"",
        "\\\",\\\"x\\\":\\\"",
        "\\",
        "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m",
        "\u{202e}gpj.exe\u{2066}\u{2028}\u{2029}\u{85}",
        "\0\u{1}\u{1f}\u{7f}\u{fffd}\u{feff}😀",
    ];
    for attempt in attempts {
        let mut record = sample::good();
        record.path = attempt.into();
        record.method = attempt.into();
        record.host = attempt.into();
        record.user_agent = Some(attempt.into());
        record.trace_id = Some(attempt.into());
        let line = line(&record);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.ends_with('\n'));
        assert!(!line.trim_end_matches('\n').chars().any(char::is_control), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        for member in ["url.path", "http.request.method", "server.address", "user_agent.original", "trace_id"] {
            assert_eq!(read[member], attempt);
        }
        assert_eq!(read["callgate.consumer"], "alice");
        assert_eq!(read.as_object().unwrap().len(), 27, "no member was added");
    }
}

#[test]
fn times_are_rfc_3339_in_utc_with_milliseconds_whatever_second_came_before() {
    let mut lines = LineWriter::default();
    for (started_ms, expect) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_772_366_400_999, "2026-03-01T12:00:00.999Z"),
        (1_772_366_401_001, "2026-03-01T12:00:01.001Z"),
        (1_772_366_400_999, "2026-03-01T12:00:00.999Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ] {
        let mut record = sample::good();
        record.started_ms = started_ms;
        let mut written = Vec::new();
        lines.write(&record, &mut written);
        let read: serde_json::Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(read["timestamp"], expect);
    }
}

#[test]
fn addresses_are_written_as_the_standard_library_would() {
    for address in ["0.0.0.0", "203.0.113.7", "255.255.255.255", "::1", "2001:db8::7", "::ffff:192.0.2.1"] {
        let mut record = sample::good();
        record.client = address.parse().unwrap();
        let read: serde_json::Value = serde_json::from_str(&line(&record)).unwrap();
        assert_eq!(read["client.address"], record.client.to_string());
    }
}
