//! Check: the call's content. A body is held back only when a rule must see it whole, or so that it can be sent twice.

use std::sync::Arc;

use callgate_config::Rule;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal, bounds};
use callgate_wire::media::{self, ContentType};
use http::HeaderMap;
use tokio::time::timeout_at;

use super::admit;
use super::read::Incoming;
use super::repeat;
use super::route::Routed;
use super::state::Call;
use crate::body::{ClientBody, Collected, Progress, RequestBody};
use crate::policy::well_formed::{self, Form};

/// Prepares the body for forwarding: streaming under its cap, or whole after it was judged.
///
/// # Errors
/// `body_malformed`, `body_too_large`, `malformed_request`, `request_timeout`.
pub(crate) async fn body(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    request: Incoming<ClientBody>,
) -> Result<Incoming<RequestBody>, Refused> {
    let (body_max, guards) = admit::body_max(routed);
    let body_max = if guards.only_watches(Rule::BodyMax) { u64::MAX } else { body_max };
    let Incoming { parts, host, authority, path, mut body } = request;
    if call.grpc.is_some() {
        // A stream of messages has no pace: its caller may have nothing to say for a while. How long, the route says, as for
        // the other direction.
        body.may_pause(routed.pick(|guards| guards.idle).map_or(bounds::BODY_IDLE_MAX, |(idle, _)| idle));
    }
    let progress = Arc::new(Progress::default());
    let streaming = RequestBody::streaming(body, Arc::clone(&progress), body_max, call.refused_if_body.take());
    call.record.request = Some(progress);
    if streaming.is_empty() {
        return Ok(Incoming { parts, host, authority, path, body: streaming });
    }
    let mut body = judged(call, routed, &parts.headers, streaming).await?;
    if !body.is_whole() && repeat::by_key(routed, &parts.headers, &body) {
        body = match Box::pin(collect(call, body, bounds::REPEATED_BODY_BYTES_MAX)).await? {
            Collected::Whole(whole) => RequestBody::whole(whole),
            Collected::Longer(longer) => longer,
        };
    }
    Ok(Incoming { parts, host, authority, path, body })
}

/// Holds a body back and judges it, where a rule asks for that.
async fn judged(
    call: &mut Call<'_>,
    routed: &Routed<'_>,
    headers: &HeaderMap,
    streaming: RequestBody,
) -> Result<RequestBody, Refused> {
    let asked = routed.pick(|guards| guards.well_formed).filter(|(wanted, _)| *wanted);
    let Some((_, guards)) = asked else { return Ok(streaming) };
    let only_watches = guards.only_watches(Rule::WellFormed);
    let form = match media::content_type(headers) {
        ContentType::One(media) => Form::of(&media),
        ContentType::Missing => None,
        // Of two types the upstream may choose the other one.
        ContentType::Unreadable => {
            call.judge(only_watches, Err(well_formed::untold()))?;
            None
        }
    };
    let Some(form) = form else { return Ok(streaming) };
    // Rare, and large: in a box it is no part of every call.
    Ok(match Box::pin(collect(call, streaming, bounds::BODY_BUFFER_MAX)).await? {
        Collected::Whole(whole) => {
            call.judge(only_watches, form.check(&whole))?;
            RequestBody::whole(whole)
        }
        Collected::Longer(longer) => {
            call.judge(only_watches, Err(too_large_to_judge()))?;
            longer
        }
    })
}

async fn collect(call: &Call<'_>, streaming: RequestBody, bytes_max: u64) -> Result<Collected, Refused> {
    let collecting = streaming.collect(bytes_max);
    let Some(deadline) = call.deadline else { return collecting.await };
    timeout_at(deadline, collecting).await.unwrap_or_else(|_| {
        let detail = "The request's body was not complete when the call's time was over (setting `total`).";
        Err(Refusal::new(Code::RequestTimeout, detail))
    })
}

fn too_large_to_judge() -> Refused {
    let mebibytes = bounds::BODY_BUFFER_MAX >> 20;
    let detail = format!("The body is larger than {mebibytes} MiB, and `well_formed` must see it whole.");
    Refusal::new(Code::BodyTooLarge, detail).rule("well_formed")
}
