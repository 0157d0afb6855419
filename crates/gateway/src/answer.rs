//! Answers: the gate's own, and what every answer carries, whoever made it.

use bytes::Bytes;
use callgate_config::Respond;
use callgate_model::record::End;
use callgate_model::refusal::Refused;
use callgate_model::{CallId, Phase};
use callgate_transport::websocket::Relay;
use callgate_wire::grpc;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};

use crate::body::{AnswerBody, BodyTimes, UpstreamBody};
use crate::call::{Call, Incoming};
use crate::watch::Watch;

const CALLGATE_CALL_ID: HeaderName = HeaderName::from_static("callgate-call-id");
const CALLGATE_REFUSED: HeaderName = HeaderName::from_static("callgate-refused");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a call is answered with.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields so far.
    pub headers: HeaderMap,
    /// Its body.
    pub content: Content,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Content {
    /// The gate's own.
    Whole(Bytes),
    /// The upstream's.
    Upstream(UpstreamBody, BodyTimes),
    /// None: the call goes on as a WebSocket.
    Websocket(Box<Relay>),
}

/// Ends a call with an answer.
pub fn finish(mut call: Call<'_>, answer: Answer) -> Response<AnswerBody> {
    let Answer { status, mut headers, content } = answer;
    mark(&mut call, &mut headers);
    call.record.status = status.as_u16();
    if call.record.phase < Phase::Record {
        call.enter(Phase::Record);
    }
    let is_head = &*call.record.method == "HEAD";
    let watch = Watch::over(call.take_watched());
    let guard = call.record;
    let body = match content {
        Content::Whole(bytes) if is_head && !bytes.is_empty() => {
            // The length that GET would have.
            headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            AnswerBody::whole(Bytes::new(), guard)
        }
        Content::Whole(bytes) => AnswerBody::whole(bytes, guard),
        Content::Upstream(body, times) => AnswerBody::upstream(body, times, watch, guard),
        Content::Websocket(relay) => AnswerBody::websocket(relay, watch, guard),
    };
    respond(status, headers, body)
}

/// Ends a call with a refusal.
pub fn refuse(mut call: Call<'_>, refusal: Refused) -> Response<AnswerBody> {
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let call_id = call.record.call_id.to_string();
    let mut headers = HeaderMap::new();
    // gRPC has a status of its own, and takes any other than 200 for a broken way.
    let (said, text, content_type) = match call.grpc {
        Some(dialect) => {
            say_in_grpc(&mut headers, &refusal);
            (StatusCode::OK, String::new(), dialect.content_type())
        }
        None if call.wants_text() => (status, refusal.problem_text(&call_id), "text/plain; charset=utf-8"),
        None => (status, refusal.problem_json(&call_id), "application/problem+json"),
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CALLGATE_REFUSED, HeaderValue::from_static(refusal.code.name()));
    for (name, value) in &refusal.fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    if let (Some(wait_s), 429 | 503) = (refusal.retry_after_s, status.as_u16()) {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait_s));
    }
    mark(&mut call, &mut headers);
    let is_head = &*call.record.method == "HEAD";
    if is_head {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    }
    if call.record.request.as_ref().is_some_and(|progress| progress.is_gone()) {
        // Nobody is there to hear it, and nobody was refused.
        call.record.gone();
        return respond(said, headers, AnswerBody::whole(Bytes::new(), call.record));
    }
    call.record.status = status.as_u16();
    call.record.end = End::Refused;
    call.record.refusal = Some(refusal);
    let body = AnswerBody::whole(if is_head { Bytes::new() } else { text.into() }, call.record);
    respond(said, headers, body)
}

/// An answer without a message and with its status in the head (gRPC's "Trailers-Only").
fn say_in_grpc(headers: &mut HeaderMap, refusal: &Refused) {
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(refusal.code.grpc_status().number())));
    let message = grpc::message(&format!("{}: {} {}", refusal.code.name(), refusal.detail, refusal.code.hint()));
    if let Ok(message) = HeaderValue::from_str(&message) {
        headers.insert(GRPC_MESSAGE, message);
    }
}

/// What every answer carries: the call's id, the state of its limits, CORS.
fn mark(call: &mut Call<'_>, headers: &mut HeaderMap) {
    let mut set = |name: HeaderName, text: &[u8]| {
        if let Ok(value) = HeaderValue::from_bytes(text) {
            headers.insert(name, value);
        }
    };
    set(CALLGATE_CALL_ID, call.record.call_id.text(&mut [0; CallId::TEXT_BYTES]).as_bytes());
    if !call.rates.policy.is_empty() {
        set(RATELIMIT_POLICY, &call.rates.policy);
        set(RATELIMIT, &call.rates.state);
    }
    for (name, value) in call.answer_fields.drain() {
        if let Some(name) = name {
            headers.append(name, value);
        }
    }
}

fn respond(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// 204.
#[must_use]
pub fn no_content() -> Answer {
    Answer { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), content: Content::Whole(Bytes::new()) }
}

/// The answer to OPTIONS: which methods there are.
#[must_use]
pub fn options(allow: &str) -> Answer {
    let mut answer = no_content();
    if let Ok(allow) = HeaderValue::from_str(allow) {
        answer.headers.insert(ALLOW, allow);
    }
    answer
}

/// 308 to the same target over https: method and body are kept (RFC 9110 section 15.4.9).
#[must_use]
pub fn redirect_to_https<B>(request: &Incoming<B>, port: u16) -> Answer {
    let mut location = format!("https://{}", request.host);
    if port != 443 {
        location.push_str(&format!(":{port}"));
    }
    location.push_str(&request.path);
    if let Some(query) = request.query() {
        location.push('?');
        location.push_str(query);
    }
    let mut answer = no_content();
    answer.status = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers.insert(LOCATION, location);
    }
    answer
}

/// A route's own answer.
#[must_use]
pub fn fixed(respond: &Respond) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in &respond.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    Answer {
        status: StatusCode::from_u16(respond.status).unwrap_or(StatusCode::OK),
        headers,
        content: Content::Whole(Bytes::from(respond.body.clone())),
    }
}
