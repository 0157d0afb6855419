//! One call as one line of JSON, with OpenTelemetry's names where it has one and `callgate.` before the others.
//!
//! What is absent is left out rather than null. Never a query, never a credential: a record holds neither.

use std::io::Write as _;
use std::net::IpAddr;

use callgate_model::CallRecord;
use callgate_model::record::UpstreamPart;
use jiff::Timestamp;

use super::json::{push_fraction, push_ms, push_number, push_string};

/// Writes lines; keeps the text of the current second, which most calls share with the one before.
#[derive(Debug, Default)]
pub(crate) struct LineWriter {
    second: i64,
    second_text: String,
}

// === impl LineWriter ===

impl LineWriter {
    /// Appends the line of one call, line feed included.
    pub(crate) fn write(&mut self, record: &CallRecord, into: &mut Vec<u8>) {
        into.extend_from_slice(b"{\"timestamp\":\"");
        self.push_time(record.started_ms, into);
        into.extend_from_slice(b"\",\"callgate.call_id\":\"");
        let mut call_id = [0; 36];
        into.extend_from_slice(record.call_id.0.hyphenated().encode_lower(&mut call_id).as_bytes());
        into.push(b'"');
        push_request(record, into);
        push_answer(record, into);
        push_judgement(record, into);
        if let Some(upstream) = &record.upstream {
            push_upstream(upstream, into);
        }
        into.extend_from_slice(b"}\n");
    }

    /// RFC 3339 in UTC with milliseconds.
    fn push_time(&mut self, unix_ms: i64, into: &mut Vec<u8>) {
        let second = unix_ms.div_euclid(1_000);
        if second != self.second || self.second_text.is_empty() {
            self.second = second;
            self.second_text = Timestamp::from_second(second)
                .map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |time| time.to_string());
        }
        into.extend_from_slice(self.second_text.trim_end_matches('Z').as_bytes());
        push_fraction(unix_ms.rem_euclid(1_000).unsigned_abs(), into);
        into.push(b'Z');
    }
}

fn push_request(record: &CallRecord, into: &mut Vec<u8>) {
    text("http.request.method", &record.method, into);
    text("url.scheme", if record.tls { "https" } else { "http" }, into);
    text("url.path", &record.path, into);
    text("server.address", &record.host, into);
    if let Some(route) = &record.route {
        text("http.route", route, into);
    }
    address("client.address", record.client, into);
    address("network.peer.address", record.peer, into);
    text("network.protocol.version", record.protocol.name(), into);
    if let Some(agent) = &record.user_agent {
        text("user_agent.original", agent, into);
    }
    if let Some(trace_id) = &record.trace_id {
        text("trace_id", trace_id, into);
    }
}

fn push_answer(record: &CallRecord, into: &mut Vec<u8>) {
    // 0 says that the client was gone before a status was sent: that is no status.
    if record.status != 0 {
        number("http.response.status_code", u64::from(record.status), into);
    }
    name("duration_ms", into);
    push_ms(record.duration_us, into);
    number("http.request.body.size", record.request_bytes, into);
    number("http.response.body.size", record.response_bytes, into);
}

fn push_judgement(record: &CallRecord, into: &mut Vec<u8>) {
    text("callgate.listener", &record.listener, into);
    if let Some(api) = &record.api {
        text("callgate.api", api, into);
    }
    if let Some(consumer) = &record.consumer {
        text("callgate.consumer", consumer, into);
    }
    if let Some(key_id) = &record.key_id {
        text("callgate.key_id", key_id.as_str(), into);
    }
    text("callgate.phase", record.phase.name(), into);
    text("callgate.end", record.end.name(), into);
    if let Some(refusal) = &record.refusal {
        text("callgate.refusal", refusal.code.name(), into);
    }
    if !record.would_refuse.is_empty() {
        name("callgate.would_refuse", into);
        for (index, refusal) in record.would_refuse.iter().enumerate() {
            into.push(if index == 0 { b'[' } else { b',' });
            push_string(refusal.code.name(), into);
        }
        into.push(b']');
    }
}

fn push_upstream(upstream: &UpstreamPart, into: &mut Vec<u8>) {
    text("callgate.upstream.address", &upstream.server, into);
    number("callgate.upstream.attempts", u64::from(upstream.attempts), into);
    name("callgate.upstream.reused", into);
    into.extend_from_slice(if upstream.reused { b"true" } else { b"false" });
    if let Some(status) = upstream.status {
        number("callgate.upstream.status_code", u64::from(status), into);
        name("callgate.upstream.head_ms", into);
        push_ms(upstream.head_us, into);
    }
}

/// A member's name. Names are constants of this file: nothing in them needs escaping.
fn name(name: &'static str, into: &mut Vec<u8>) {
    into.extend_from_slice(b",\"");
    into.extend_from_slice(name.as_bytes());
    into.extend_from_slice(b"\":");
}

fn text(member: &'static str, value: &str, into: &mut Vec<u8>) {
    name(member, into);
    push_string(value, into);
}

fn number(member: &'static str, value: u64, into: &mut Vec<u8>) {
    name(member, into);
    push_number(value, into);
}

fn address(member: &'static str, value: IpAddr, into: &mut Vec<u8>) {
    name(member, into);
    into.push(b'"');
    match value {
        // Most are, and the formatter of the standard library takes twice as long.
        IpAddr::V4(value) => {
            for (index, octet) in value.octets().into_iter().enumerate() {
                if index > 0 {
                    into.push(b'.');
                }
                push_number(u64::from(octet), into);
            }
        }
        // An address has nothing to escape, and writing to a vector does not fail.
        IpAddr::V6(value) => write!(into, "{value}").unwrap_or_default(),
    }
    into.push(b'"');
}
