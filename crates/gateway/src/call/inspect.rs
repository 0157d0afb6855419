//! Inspect: the upstream's answer is judged and cleaned.

use bytes::Bytes;
use callgate_config::Rule;
use callgate_model::bounds;
use callgate_model::refusal::Refused;
use callgate_wire::hop;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, HeaderValue, REFERRER_POLICY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use super::cookies;
use super::forward;
use super::route::Routed;
use super::state::Call;
use super::websocket;
use crate::answer::{Answer, Content};
use crate::body::{BodyTimes, UpstreamBody};
use crate::policy::cors;

/// Fields that nearly every answer gets beside the upstream's.
const FIELDS_ADDED: usize = 4;

/// Turns the upstream's answer into the caller's.
///
/// # Errors
/// `response_violated`, where `produces` is enforced.
pub(crate) fn judge(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    response: Response<UpstreamBody>,
) -> Result<Answer, Refused> {
    let (mut parts, body) = response.into_parts();
    let headers = &mut parts.headers;
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return websocket::accept(call, routed, headers, body);
    }
    websocket::declined(call, routed, parts.status)?;
    let bodiless = *call.record.method == *Method::HEAD.as_str()
        || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
        || body.is_end_stream() && body.size_hint().exact() == Some(0);
    if let Some((produces, guards)) = routed.pick(|guards| guards.produces.as_ref())
        && !bodiless
    {
        call.judge(guards.only_watches(Rule::Produces), produces.check_response(headers, parts.status.as_u16()))?;
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // It overrides a Content-Length beside it, and a forwarded message must not say both (RFC 9112 section 6.3).
        headers.remove(CONTENT_LENGTH);
    }
    clean(routed, headers);
    cookies::keep_from_caller(call, headers);
    headers.reserve(FIELDS_ADDED);
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    keep_key_to_caller(routed, headers);
    for guards in routed.guards() {
        guards.fields.change_response(headers);
    }
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        headers.remove(CONTENT_LENGTH);
    }
    let idle = routed.pick(|guards| guards.idle).map_or(bounds::BODY_IDLE_MAX, |(idle, _)| idle);
    let times = BodyTimes { idle, deadline: call.deadline };
    let content = if parts.status == StatusCode::RESET_CONTENT && !body.is_end_stream() {
        // It may have none (RFC 9110 section 15.3.6), and yet its framing has room for one. The connection goes with it.
        Content::Whole(Bytes::new())
    } else {
        Content::Upstream(body, times)
    };
    Ok(Answer { status: parts.status, headers: parts.headers, content })
}

/// Nobody but the gate speaks as the gate: a caller must be able to trust `Callgate-Refused`.
pub(super) fn clean(routed: &Routed<'_>, headers: &mut HeaderMap) {
    let judges_origins = routed.cors().is_some();
    hop::strip(headers, |_| false, |name| forward::is_ours(name) || judges_origins && cors::is_answer(name));
}

/// Where keys stand in the page's address, they must not leave with a Referer, nor the answer stay in a shared cache.
pub(crate) fn keep_key_to_caller(routed: &Routed<'_>, headers: &mut HeaderMap) {
    if routed.api.keys.query.is_none() {
        return;
    }
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let says = |directive: &str| {
        let mut fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        fields.any(|field| field.split(',').any(|one| one.trim().eq_ignore_ascii_case(directive)))
    };
    if !says("no-store") && !says("private") {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}
