//! Forward: the call goes to the upstream, rewritten so that it carries what the gate knows and nothing that it must not.

use std::pin::Pin;
use std::time::Duration;

use callgate_model::refusal::Refused;
use callgate_model::{CallId, Code, Refusal, bounds};
use callgate_transport::upstream::Kind;
use callgate_wire::{forwarded, hop, query, trace};
use http::header::{
    CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, VIA,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri, Version};
use http_body::Body as _;
use tokio::time::{Instant, timeout_at};

use super::attempt::{self, Unanswered};
use super::cookies;
use super::credential;
use super::read::Incoming;
use super::repeat::Spare;
use super::route::Routed;
use super::state::Call;
use super::websocket;
use crate::body::{Progress, RequestBody, UpstreamBody};
use crate::caller::Caller;
use crate::chain::chain;
use crate::snapshot::Api;
use crate::worker::Worker;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const CALLGATE_CALL_ID: HeaderName = HeaderName::from_static("callgate-call-id");
const CALLGATE_CERTIFICATE: HeaderName = HeaderName::from_static("callgate-certificate");
const CALLGATE_CLIENT: HeaderName = HeaderName::from_static("callgate-client");
const CALLGATE_CONSUMER: HeaderName = HeaderName::from_static("callgate-consumer");
const CALLGATE_ISSUER: HeaderName = HeaderName::from_static("callgate-issuer");
const CALLGATE_KEY_ID: HeaderName = HeaderName::from_static("callgate-key-id");
const CALLGATE_SCOPES: HeaderName = HeaderName::from_static("callgate-scopes");
const CALLGATE_SUBJECT: HeaderName = HeaderName::from_static("callgate-subject");

/// Fields that a prepared request has at most beside the caller's own.
const FIELDS_ADDED_MAX: usize = 15;

/// Sends the call and waits for the head of the answer.
///
/// # Errors
/// `no_healthy_upstream`, `upstream_busy`, `upstream_unreachable`, `upstream_timeout`, `upstream_invalid`; or what cut the request's body
/// meanwhile.
pub(crate) async fn send(
    call: &mut Call<'_>,
    worker: &Worker,
    routed: &Routed<'_>,
    request: Incoming<RequestBody>,
) -> Result<Response<UpstreamBody>, Refused> {
    let mut request = prepare(call, routed, request)?;
    websocket::offer_upstream(call, worker, request.headers_mut());
    let spare = Spare::of(routed, &request);
    let api = routed.api;
    let began_ns = call.now_ns();
    let timeout = routed.pick(|guards| guards.timeout).map_or(bounds::UPSTREAM_TIME_DEFAULT, |(timeout, _)| timeout);
    let progress = call.record.request.clone();
    let total = call.deadline;
    let sent = {
        let sending = std::pin::pin!(attempt::send(&mut call.record, worker, api, request, spare));
        until_head(sending, timeout, total, progress.as_deref()).await
    };
    let head_us = call.now_ns().saturating_sub(began_ns) / 1_000;
    if let Some(part) = &mut call.record.upstream {
        part.head_us = head_us;
        if let Some(Ok(sent)) = &sent {
            part.attempts = u8::try_from(sent.attempts).unwrap_or(u8::MAX);
            part.reused = sent.reused;
            part.status = Some(sent.response.status().as_u16());
        }
    }
    match sent {
        Some(Ok(sent)) => Ok(sent.response),
        // A body that was cut is why the upstream failed, not the other way round.
        Some(Err(unanswered)) => Err(match progress.and_then(|progress| progress.refusal()) {
            Some(cut) => cut,
            None => refusal(&unanswered, call, api),
        }),
        None if total.is_some_and(|total| total <= Instant::now()) => Err(match call.deadline_asked {
            Some(asked) => out_of_asked(call, asked),
            None => out_of_total(call, api),
        }),
        None => {
            attempt::timed_out(&mut call.record, api, &call.gate.clock);
            Err(timed_out(call, api, timeout))
        }
    }
}

/// Waits for the response's head. The time runs from the last byte of the request that passed: a large upload is not slow
/// because it is large. Nor does it run while the next byte must come from the caller, who has a bound of its own (the pace
/// of bodies). None when it ran out.
async fn until_head<T>(
    mut sending: Pin<&mut impl Future<Output = T>>,
    timeout: Duration,
    total: Option<Instant>,
    progress: Option<&Progress>,
) -> Option<T> {
    let moved = || progress.map_or((0, true), |progress| (progress.bytes(), progress.has_ended()));
    let starved = || progress.is_some_and(|progress| progress.waits_for_caller() && !progress.has_ended());
    let mut seen = moved();
    loop {
        let due = Instant::now() + timeout;
        let due = total.map_or(due, |total| total.min(due));
        if let Ok(done) = timeout_at(due, sending.as_mut()).await {
            return Some(done);
        }
        let now = moved();
        if now == seen && !starved() || total.is_some_and(|total| total <= Instant::now()) {
            return None;
        }
        seen = now;
    }
}

/// The request as the upstream gets it.
fn prepare(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    request: Incoming<RequestBody>,
) -> Result<Request<RequestBody>, Refused> {
    let Incoming { mut parts, authority, body, .. } = request;
    parts.uri = target(routed, &parts)?;
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    headers.reserve(FIELDS_ADDED_MAX);
    let peer = call.arrival.peer;
    let from_proxy = call.snapshot.trusted.as_ref().is_some_and(|trusted| trusted.proxies.contains(peer));
    // Hop-by-hop first: what a caller's Connection field names must not take away what is set below.
    hop::strip(
        headers,
        |name| Some(name) == routed.api.keys.header.as_ref(),
        |name| {
            *name == EXPECT
                || forwarded::is_field(name)
                || is_ours(name)
                || !from_proxy && is_certificate_field(name)
                || !routed.api.keep_override_headers && is_override(name)
        },
    );
    credential::strip(headers, routed, call.gate);
    join_cookies(headers);
    cookies::keep_from_upstream(call, headers);
    if body.is_whole() {
        headers.remove(CONTENT_LENGTH);
    } else if !body.is_end_stream() && !headers.contains_key(CONTENT_LENGTH) {
        // Said, not left to the HTTP library: of a GET it would take for granted that nothing follows, and drop the body.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    // Otherwise it is the server's own, which is chosen for each attempt.
    if routed.api.host_from_caller {
        set(headers, HOST, &authority);
    }
    tell_the_way(call, headers, &authority);
    tell_the_caller(call, headers);
    for guards in routed.guards() {
        guards.fields.change_request(headers);
    }
    Ok(Request::from_parts(parts, body))
}

/// The path that was judged, minus the API's prefix, under the upstream's own; and the query without a key.
fn target(routed: &Routed<'_>, parts: &Parts) -> Result<Uri, Refused> {
    let rewritten = routed.rewrite().map(|rewrite| rewrite.apply(&routed.path));
    let path = rewritten.as_deref().unwrap_or(&routed.path);
    let mut target = String::with_capacity(routed.api.base_path.len() + path.len() + 64);
    target.push_str(&routed.api.base_path);
    target.push_str(path);
    if let Some(raw) = parts.uri.query() {
        let kept = match &routed.api.keys.query {
            Some(name) => query::strip(raw, name),
            None => raw.into(),
        };
        if !kept.is_empty() {
            target.push('?');
            target.push_str(&kept);
        }
    }
    let fault = |_| Refusal::new(Code::MalformedRequest, "The path and query can't be forwarded as they are.");
    Ok(Uri::from(PathAndQuery::try_from(target).map_err(fault)?))
}

/// Via, X-Forwarded-*, Forwarded, traceparent.
fn tell_the_way(call: &mut Call<'_>, headers: &mut HeaderMap, authority: &str) {
    let scheme = if call.secure { "https" } else { "http" };
    let way = forwarded::Outgoing { client: call.record.client, peer: call.arrival.peer, host: authority, scheme };
    set(headers, X_FORWARDED_FOR, way.x_forwarded_for());
    set(headers, X_FORWARDED_HOST, authority);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    set(headers, FORWARDED, way.forwarded());
    headers.append(VIA, HeaderValue::from_static("1.1 callgate"));
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let only = parents.next().filter(|_| parents.next().is_none());
    let traced = only.and_then(|value| value.to_str().ok()).and_then(trace::parse);
    let parent = traced.unwrap_or_else(|| {
        // The state belongs to the trace that is not taken on (W3C Trace Context section 3.4).
        headers.remove(TRACESTATE);
        let made = trace::make(call.record.call_id.0.as_bytes());
        set(headers, TRACEPARENT, made.as_str());
        made
    });
    call.record.trace_id = Some(parent.trace_id().into());
}

/// Who calls, in fields that nobody outside can set.
fn tell_the_caller(call: &Call<'_>, headers: &mut HeaderMap) {
    set(headers, CALLGATE_CALL_ID, call.record.call_id.text(&mut [0; CallId::TEXT_BYTES]));
    if let Some(caller) = &call.caller {
        set(headers, CALLGATE_CONSUMER, caller.consumer().name.as_bytes());
        if let Some(entry) = caller.key() {
            set(headers, CALLGATE_KEY_ID, entry.id.as_str());
        }
        if let Some(entry) = caller.token() {
            set(headers, CALLGATE_CLIENT, entry.client.name.as_bytes());
            set(headers, CALLGATE_SUBJECT, entry.subject.as_bytes());
        }
        if let Some(token) = caller.foreign() {
            // A subject is somebody only together with who says so.
            set(headers, CALLGATE_ISSUER, token.issuer.url.as_bytes());
            set(headers, CALLGATE_CLIENT, token.client.as_bytes());
            set(headers, CALLGATE_SUBJECT, token.subject.as_bytes());
        }
        if let Caller::Certificate { caller, .. } = caller {
            set(headers, CALLGATE_CERTIFICATE, caller.name.as_bytes());
        }
        let scopes = &caller.grants().scopes_text;
        if !scopes.is_empty() {
            set(headers, CALLGATE_SCOPES, scopes.as_bytes());
        }
    }
}

/// Sets a field; a text that no field can hold is left out.
fn set(headers: &mut HeaderMap, name: HeaderName, text: impl AsRef<[u8]>) {
    if let Ok(value) = HeaderValue::from_bytes(text.as_ref()) {
        headers.insert(name, value);
    }
}

/// HTTP/2 may split Cookie into crumbs; HTTP/1.1 wants one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Whether a field is one that the gate speaks in; nobody else may.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with("callgate-")
}

/// Whether a field says which certificate a client showed to a proxy in front (RFC 9440, and Envoy's own). Written by anybody
/// else it is a forgery, and servers behind gateways believe it.
fn is_certificate_field(name: &HeaderName) -> bool {
    matches!(name.as_str(), "client-cert" | "client-cert-chain" | "x-forwarded-client-cert")
}

/// Whether a field asks a framework to see another method or path than the gate judged.
fn is_override(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "x-http-method-override"
            | "x-http-method"
            | "x-method-override"
            | "x-original-url"
            | "x-rewrite-url"
            | "x-original-uri"
    )
}

fn refusal(unanswered: &Unanswered, call: &Call<'_>, api: &Api) -> Refused {
    let Unanswered::Failed(error) = unanswered else {
        return Refusal::new(Code::NoHealthyUpstream, "No server of this API is fit to be asked at the moment.")
            .rule(format!("apis.{}.upstream", api.name))
            .gate_side("every server failed its last calls or its health checks, and is left out or comes back slowly")
            .retry_after_ns(api.servers.out_for_ns(call.now_ns()));
    };
    if error.kind == Kind::NoDescriptor {
        // The gate's own trouble, whatever the server is like.
        return Refusal::new(
            Code::Overloaded,
            "The gate has no room for another connection to the server of this API.",
        )
        .gate_side(format!("{}: {}", server(call), chain(error)))
        .retry_after_ns(1_000_000_000);
    }
    if error.kind == Kind::NoRoom {
        return Refusal::new(Code::UpstreamBusy, "The server of this API has as many calls as it may have.")
            .rule(format!("apis.{}.upstream.max_connections", api.name))
            .gate_side(format!("{}: {}", server(call), chain(error)))
            .retry_after_ns(1_000_000_000);
    }
    let (code, detail) = match error.kind {
        Kind::Invalid | Kind::HeadTooLarge | Kind::Switched => {
            (Code::UpstreamInvalid, "The server of this API gave an answer that is not HTTP.")
        }
        Kind::Closed => (Code::UpstreamUnreachable, "The server of this API closed the connection before it answered."),
        Kind::Reset => (Code::UpstreamUnreachable, "The server of this API broke the call off before it answered."),
        Kind::Refused => (Code::UpstreamUnreachable, "The server of this API refused the call without looking at it."),
        Kind::NotHttp2 => (Code::UpstreamUnreachable, "The server of this API does not speak HTTP/2."),
        _ => (Code::UpstreamUnreachable, "The server of this API could not be reached."),
    };
    Refusal::new(code, detail).rule(format!("apis.{}.upstream", api.name)).gate_side(format!(
        "{}: {}",
        server(call),
        chain(error)
    ))
}

/// The server that was asked last.
fn server<'a>(call: &'a Call<'_>) -> &'a str {
    call.record.upstream.as_ref().map_or("no server", |part| &part.server)
}

fn timed_out(call: &Call<'_>, api: &Api, timeout: Duration) -> Refused {
    Refusal::new(
        Code::UpstreamTimeout,
        format!("The server of this API did not answer within {} ms (setting `timeout`).", timeout.as_millis()),
    )
    .rule(format!("apis.{}.timeout", api.name))
    .gate_side(format!("{} sent no response head in time", server(call)))
}

fn out_of_total(call: &Call<'_>, api: &Api) -> Refused {
    Refusal::new(
        Code::UpstreamTimeout,
        "The server of this API did not answer before the call's time was over (setting `total`).",
    )
    .rule(format!("apis.{}.total", api.name))
    .gate_side(format!("{} sent no response head before the end of `total`", server(call)))
}

fn out_of_asked(call: &Call<'_>, asked: Duration) -> Refused {
    let detail = format!(
        "The server of this API did not answer within the {} ms that the caller gave it (`grpc-timeout`).",
        asked.as_millis()
    );
    Refusal::new(Code::UpstreamTimeout, detail)
        .gate_side(format!("{} sent no response head before the caller's deadline", server(call)))
}
