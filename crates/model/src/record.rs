//! What is kept of a call.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{CallId, KeyId};
use crate::phase::Phase;
use crate::refusal::Refusal;

/// One call, from its first byte to the last of its answer. Made once, by a guard that lives in the response body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallRecord {
    /// As sent in `Callgate-Call-Id`.
    pub call_id: CallId,
    /// When the head was complete, Unix milliseconds.
    pub started_ms: i64,
    /// From then to the end of the answer, microseconds.
    pub duration_us: u64,
    /// The listener's address.
    pub listener: Arc<str>,
    /// `1.0`, `1.1` or `2`, as OpenTelemetry writes `network.protocol.version`.
    pub protocol: ProtocolVersion,
    /// Over TLS.
    pub tls: bool,
    /// The client, after `trusted_proxies`.
    pub client: IpAddr,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// `GET`, as sent; shortened to a bound when odd.
    pub method: Box<str>,
    /// The host asked for, lower case, without port.
    pub host: Box<str>,
    /// The normalised path, without the query; shortened to a bound.
    pub path: Box<str>,
    /// The API, once routed.
    pub api: Option<Arc<str>>,
    /// The route's template, never the raw path.
    pub route: Option<Arc<str>>,
    /// The consumer's name, once identified.
    pub consumer: Option<Arc<str>>,
    /// The key's id, once identified. Never the key.
    pub key_id: Option<KeyId>,
    /// The issuer of its token, where that is not this gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Arc<str>>,
    /// The OAuth client's name, once its token is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Arc<str>>,
    /// The token's number. Never the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<i64>,
    /// The status that the client was sent; 0 when the client was gone before.
    pub status: u16,
    /// The last phase that the call passed or was refused in.
    pub phase: Phase,
    /// Why it was refused.
    pub refusal: Option<Box<Refusal>>,
    /// What would have refused it, were the rule not in observe mode.
    pub would_refuse: Vec<Refusal>,
    /// Body bytes from the client.
    pub request_bytes: u64,
    /// Body bytes to the client.
    pub response_bytes: u64,
    /// What happened upstream, once forwarded.
    pub upstream: Option<UpstreamPart>,
    /// What went through the WebSocket that the call became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<Box<WebsocketPart>>,
    /// How the call ended.
    pub end: End,
    /// From `User-Agent`, shortened to a bound.
    pub user_agent: Option<Box<str>>,
    /// The 32 hex digits of the trace (W3C traceparent).
    pub trace_id: Option<Box<str>>,
}

/// What happened between the gate and the upstream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpstreamPart {
    /// The server, as `host:port`.
    pub server: Arc<str>,
    /// How often the call was sent or tried to be.
    pub attempts: u8,
    /// Whether a kept connection was used.
    pub reused: bool,
    /// The upstream's own status.
    pub status: Option<u16>,
    /// From forwarding to the upstream's response head, microseconds.
    pub head_us: u64,
}

/// What went through a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebsocketPart {
    /// Whole messages from the client.
    pub messages_in: u64,
    /// Whole messages to the client.
    pub messages_out: u64,
    /// The code of the Close that the client sent or was sent; none if it went without one, 1005 for a Close without code.
    pub close_code: Option<u16>,
    /// Who ended it.
    pub closed_by: Closer,
}

/// Who ended a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closer {
    /// The client, by a Close or by going away.
    Client,
    /// The gate.
    Gate,
    /// The upstream, by a Close or by going away.
    Upstream,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The whole answer was handed over.
    Complete,
    /// The gate refused it.
    Refused,
    /// The client went away first.
    ClientGone,
    /// The upstream broke off in the middle of its answer.
    UpstreamBroke,
    /// A time bound ended it in the middle.
    TimedOut,
    /// The gate was shutting down.
    Draining,
    /// Its credential was revoked while it ran.
    Revoked,
    /// Its credential expired while it ran.
    Expired,
}

/// The HTTP version spoken with the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProtocolVersion {
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

impl ProtocolVersion {
    /// As OpenTelemetry writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ProtocolVersion::Http10 => "1.0",
            ProtocolVersion::Http11 => "1.1",
            ProtocolVersion::Http2 => "2",
        }
    }
}

impl End {
    /// As records write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            End::Complete => "complete",
            End::Refused => "refused",
            End::ClientGone => "client_gone",
            End::UpstreamBroke => "upstream_broke",
            End::TimedOut => "timed_out",
            End::Draining => "draining",
            End::Revoked => "revoked",
            End::Expired => "expired",
        }
    }
}

impl Closer {
    /// As records write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Closer::Client => "client",
            Closer::Gate => "gate",
            Closer::Upstream => "upstream",
        }
    }
}

/// Shortens a text that a caller chose to the recorded bound, at a character boundary, with a mark when something is gone.
#[must_use]
pub fn bounded(text: &str) -> Box<str> {
    let max = crate::bounds::RECORDED_TEXT_BYTES_MAX;
    if text.len() <= max {
        return text.into();
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let (kept, _) = text.split_at(end);
    format!("{kept}…").into()
}
