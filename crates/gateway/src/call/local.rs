//! Forward, where the gate itself is the server: the issuer's endpoints.

use bytes::Bytes;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, bounds};
use http::Request;
use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tokio::time::{Instant, timeout_at};

use super::read::Incoming;
use super::route::Routed;
use super::state::Call;
use crate::answer::{Answer, Content};
use crate::body::{Collected, RequestBody};
use crate::local::Visitor;

/// Asks the service inside.
///
/// # Errors
/// `upstream_timeout`, `no_healthy_upstream`, `body_too_large`; or what cut the request's body.
pub(super) async fn answer(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    request: Incoming<RequestBody>,
) -> Result<Answer, Refused> {
    let place = || format!("apis.{}", routed.api.name);
    let Some(local) = call.gate.local.clone() else {
        return Err(Refusal::new(Code::NoHealthyUpstream, "The issuer is not running.")
            .rule(place())
            .gate_side("`issuer` was written into the file of a gate that was started without it")
            .retry_after_ns(1));
    };
    let timeout = routed.pick(|guards| guards.timeout).map_or(bounds::UPSTREAM_TIME_DEFAULT, |(timeout, _)| timeout);
    let due = Instant::now() + timeout;
    let late = |_| Refusal::new(Code::UpstreamTimeout, "The issuer did not answer in time.").rule(place());
    let Incoming { mut parts, authority, path, body, .. } = request;
    let visitor = Visitor { address: call.record.client, authority };
    // What was judged is what is answered.
    let target = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    parts.uri = target.parse().map_err(|_| Refusal::new(Code::MalformedRequest, "The path can't be read."))?;
    // In observe mode nothing else holds a body to its size.
    let body = match timeout_at(due, body.collect(bounds::LOCAL_BODY_BYTES_MAX)).await {
        Ok(Ok(Collected::Whole(whole))) => whole,
        Ok(Ok(Collected::Longer(_))) => {
            let detail = format!("The body is larger than {} bytes.", bounds::LOCAL_BODY_BYTES_MAX);
            return Err(Refusal::new(Code::BodyTooLarge, detail).rule(format!("{}.body_max", place())));
        }
        Ok(Err(cut)) => return Err(cut),
        Err(_) => return Err(Refusal::new(Code::RequestTimeout, "The request's body was not complete in time.")),
    };
    let response = timeout_at(due, local.answer(Request::from_parts(parts, body), visitor)).await.map_err(late)?;
    let (parts, body): (_, Bytes) = response.into_parts();
    let mut headers = parts.headers;
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    Ok(Answer { status: parts.status, headers, content: Content::Whole(body) })
}
