//! One call as one line of JSON, with OpenTelemetry's names where it has one and `callgate.` before the others.
//!
//! What is absent is left out rather than null. Never a query, never a credential: a record holds neither.

use std::io::Write as _;
use std::net::IpAddr;

use callgate_model::record::{UpstreamPart, WebsocketPart};
use callgate_model::{CallId, CallRecord};
use jiff::Timestamp;

use super::json::{push_escaped, push_fraction, push_ms, push_number, push_string};

/// Adds a member to an object that has one already. Its name is a constant of this file, so it is put together with its
/// marks when compiling; a `plain` value is one of ours that needs no escaping.
macro_rules! member {
    ($into:ident, $name:literal:) => {
        $into.extend_from_slice(concat!(",\"", $name, "\":").as_bytes())
    };
    ($into:ident, $name:literal: number $value:expr) => {
        member!($into, $name:);
        push_number($value, $into)
    };
    ($into:ident, $name:literal: ms $value:expr) => {
        member!($into, $name:);
        push_ms($value, $into)
    };
    ($into:ident, $name:literal: text $value:expr) => {
        member!($into, $name: quoted push_escaped($value, $into))
    };
    ($into:ident, $name:literal: address $value:expr) => {
        member!($into, $name: quoted push_address($value, $into))
    };
    ($into:ident, $name:literal: plain $value:expr) => {
        member!($into, $name: quoted $into.extend_from_slice($value.as_bytes()))
    };
    ($into:ident, $name:literal: quoted $push:expr) => {
        $into.extend_from_slice(concat!(",\"", $name, "\":\"").as_bytes());
        $push;
        $into.push(b'"')
    };
}

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
        into.extend_from_slice(record.call_id.text(&mut [0; CallId::TEXT_BYTES]).as_bytes());
        into.push(b'"');
        push_request(record, into);
        push_answer(record, into);
        push_judgement(record, into);
        if let Some(upstream) = &record.upstream {
            push_upstream(upstream, into);
        }
        if let Some(websocket) = &record.websocket {
            push_websocket(websocket, into);
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
    member!(into, "http.request.method": text &record.method);
    member!(into, "url.scheme": plain (if record.tls { "https" } else { "http" }));
    member!(into, "url.path": text &record.path);
    member!(into, "server.address": text &record.host);
    if let Some(route) = &record.route {
        member!(into, "http.route": text route);
    }
    member!(into, "client.address": address record.client);
    member!(into, "network.peer.address": address record.peer);
    member!(into, "network.protocol.version": plain record.protocol.name());
    if let Some(agent) = &record.user_agent {
        member!(into, "user_agent.original": text agent);
    }
    if let Some(trace_id) = &record.trace_id {
        member!(into, "trace_id": text trace_id);
    }
}

fn push_answer(record: &CallRecord, into: &mut Vec<u8>) {
    // 0 says that the client was gone before a status was sent: that is no status.
    if record.status != 0 {
        member!(into, "http.response.status_code": number u64::from(record.status));
    }
    member!(into, "duration_ms": ms record.duration_us);
    member!(into, "http.request.body.size": number record.request_bytes);
    member!(into, "http.response.body.size": number record.response_bytes);
}

fn push_judgement(record: &CallRecord, into: &mut Vec<u8>) {
    member!(into, "callgate.listener": text &record.listener);
    if let Some(api) = &record.api {
        member!(into, "callgate.api": text api);
    }
    if let Some(consumer) = &record.consumer {
        member!(into, "callgate.consumer": text consumer);
    }
    if let Some(key_id) = &record.key_id {
        member!(into, "callgate.key_id": plain key_id.as_str());
    }
    if let Some(issuer) = &record.issuer {
        member!(into, "callgate.issuer": text issuer);
    }
    if let Some(client_id) = &record.client_id {
        member!(into, "callgate.client_id": text client_id);
    }
    if let Some(token) = record.token {
        member!(into, "callgate.token": number token.unsigned_abs());
    }
    member!(into, "callgate.phase": plain record.phase.name());
    member!(into, "callgate.end": plain record.end.name());
    if let Some(refusal) = &record.refusal {
        member!(into, "callgate.refusal": plain refusal.code.name());
    }
    if !record.would_refuse.is_empty() {
        member!(into, "callgate.would_refuse":);
        for (index, refusal) in record.would_refuse.iter().enumerate() {
            into.push(if index == 0 { b'[' } else { b',' });
            push_string(refusal.code.name(), into);
        }
        into.push(b']');
    }
}

fn push_upstream(upstream: &UpstreamPart, into: &mut Vec<u8>) {
    member!(into, "callgate.upstream.address": text &upstream.server);
    member!(into, "callgate.upstream.attempts": number u64::from(upstream.attempts));
    member!(into, "callgate.upstream.reused":);
    into.extend_from_slice(if upstream.reused { b"true" } else { b"false" });
    if let Some(status) = upstream.status {
        member!(into, "callgate.upstream.status_code": number u64::from(status));
        member!(into, "callgate.upstream.head_ms": ms upstream.head_us);
    }
}

fn push_websocket(websocket: &WebsocketPart, into: &mut Vec<u8>) {
    member!(into, "callgate.websocket.messages_in": number websocket.messages_in);
    member!(into, "callgate.websocket.messages_out": number websocket.messages_out);
    member!(into, "callgate.websocket.closed_by": plain websocket.closed_by.name());
    if let Some(code) = websocket.close_code {
        member!(into, "callgate.websocket.close_code": number u64::from(code));
    }
}

fn push_address(value: IpAddr, into: &mut Vec<u8>) {
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
}
