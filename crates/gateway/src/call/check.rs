//! Check: the call's content. A body is held back only when a rule must see it whole.

use std::sync::Arc;

use callgate_config::Rule;
use callgate_model::bounds;
use callgate_model::refusal::Refused;
use http::header::CONTENT_TYPE;

use super::admit;
use super::read::Incoming;
use super::route::Routed;
use super::state::Call;
use crate::body::{ClientBody, Progress, RequestBody};
use crate::policy::well_formed::Form;

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
    let form = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(Form::of);
    let well_formed = routed.pick(|guards| guards.well_formed).filter(|(wanted, _)| *wanted);
    let Incoming { parts, host, authority, path, body } = request;
    let progress = Arc::new(Progress::default());
    let streaming = RequestBody::streaming(body, Arc::clone(&progress), body_max);
    call.request_progress = Some(progress);
    let body = match (form, well_formed) {
        (Some(form), Some((_, guards))) if !streaming.is_empty() => {
            let whole = streaming.collect(bounds::BODY_BUFFER_MAX.min(body_max)).await?;
            call.judge(guards.only_watches(Rule::WellFormed), form.check(&whole))?;
            RequestBody::whole(whole)
        }
        _ => streaming,
    };
    Ok(Incoming { parts, host, authority, path, body })
}
