//! The life of a call, in one function that reads like the chart in ARCHITECTURE.md.
//!
//! A phase is a plain function: it takes what it needs, notes what it learned in the [`Call`], and returns a refusal or
//! what the next phase needs. Nothing is hidden in layers.

mod admit;
mod attempt;
mod authorize;
mod certificate;
mod check;
mod cookies;
mod credential;
mod foreign;
mod forward;
mod grpc;
mod guard;
mod identify;
mod inspect;
mod local;
mod meter;
mod proof;
mod read;
mod rehearse;
mod repeat;
mod route;
mod state;
mod token;
mod websocket;

use admit::BodyHint;
pub(crate) use certificate::Held;
pub use certificate::Shown;
pub use foreign::Looking;
pub use guard::CallGuard;
pub(crate) use guard::cut_what_is_left;
pub use read::Incoming;
pub(crate) use rehearse::{Rehearsal, rehearse};
pub use route::{Destination, Routed};
pub use state::{Arrival, Call};

use std::pin::Pin;
use std::rc::Rc;

use callgate_model::Phase;
use callgate_model::refusal::Refused;
use http::{Request, Response};
use http_body::Body as _;

use crate::answer::{self, Answer};
use crate::body::{AnswerBody, ClientBody};
use crate::memory;
use crate::worker::Worker;

/// Serves one call: every call gets exactly one answer and one record, whatever happens to it.
///
/// In a box, because an HTTP library moves a call's future several times before it is polled, and this one is kilobytes:
/// under hyper these moves were a third of a call's instructions.
pub fn serve(
    worker: Rc<Worker>,
    arrival: Arrival,
    request: Request<ClientBody>,
) -> Pin<Box<impl Future<Output = Response<AnswerBody>>>> {
    Box::pin(answered(worker, arrival, request))
}

async fn answered(worker: Rc<Worker>, arrival: Arrival, request: Request<ClientBody>) -> Response<AnswerBody> {
    let snapshot = worker.snapshot();
    let mut call = Call::begin(&worker, &snapshot, arrival, &request);
    match pass(&mut call, &worker, request).await {
        Ok(answer) => answer::finish(call, answer, &worker),
        Err(refusal) => answer::refuse(call, refusal),
    }
}

/// Passes a call through its phases.
async fn pass(call: &mut Call<'_>, worker: &Worker, request: Request<ClientBody>) -> Result<Answer, Refused> {
    // A head that two parsers could read differently goes no further, not even in observe mode: what cannot be read one way
    // cannot be judged.
    call.enter(Phase::Read);
    let request = read::normalise(call, request)?;
    // Before anything is looked up or held for it; after the head was read, so that its record says what was shed.
    memory::room(call)?;
    // What a listener lets in, it lets in for everything: its redirect and its 404 too.
    call.enter(Phase::Admit);
    admit::listener_addresses(call)?;

    // Who is meant decides which rules hold. That there is no such route is told later, and only to callers who may know
    // the API: an anonymous one hears 401 first, so it cannot map it.
    call.enter(Phase::Route);
    let routed = match route::find(call, &request)? {
        Destination::Api(routed) => routed,
        Destination::Answer(answer) => return Ok(answer),
    };

    // Addresses and their limits come before any credential is looked at: guessing must not be free.
    call.enter(Phase::Admit);
    admit::addresses(call, &routed)?;
    admit::limits_per_address(call, &routed)?;
    grpc::deadline(call, &request)?;
    if let Some(answer) = route::preflight(call, &routed, &request)? {
        return Ok(answer);
    }
    let presented = credential::find(call, &routed, &request)?;
    admit::clear_text(call, &routed, &presented)?;

    call.enter(Phase::Identify);
    let mut identified = identify::caller(call, &routed, &presented);
    if let Some(looking) = call.looking.take() {
        // The token names a key of another issuer that nobody has seen: the keeper of its keys looks for it.
        call.looking = Looking::Done(looking.await);
        identified = identify::caller(call, &routed, &presented);
    }
    identified?;
    // From here on the caller may know what there is.
    let routed = route::known(call, routed)?;
    if let Some(answer) = route::options(&routed) {
        return Ok(answer);
    }
    admit::content(call, &routed, &request, BodyHint::of(&request.parts, request.body.is_end_stream()))?;
    websocket::admit(call, &routed, request.headers())?;

    call.enter(Phase::Authorize);
    authorize::check(call, &routed)?;

    // Everything that can refuse for free has had its chance; now the call costs the caller.
    call.enter(Phase::Meter);
    meter::charge(call, &routed, &request).await?;

    call.enter(Phase::Check);
    let request = check::body(call, &routed, request).await?;

    if let Some(respond) = routed.respond() {
        let mut answer = answer::fixed(respond);
        inspect::keep_key_to_caller(&routed, &mut answer.headers);
        return Ok(answer);
    }
    call.enter(Phase::Forward);
    if routed.api.local {
        // Rare, and large: in a box it is no part of every call.
        return Box::pin(local::answer(call, &routed, request)).await;
    }
    let response = forward::send(call, worker, &routed, request).await?;

    call.enter(Phase::Inspect);
    inspect::judge(call, &routed, response)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the future that such a function makes.
    fn bytes<A, B, C, F: Future>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// What is alive across an await is part of every call, even where the await is rare: such awaits go into boxes.
    #[test]
    fn a_call_in_flight_is_small() {
        assert!(bytes(answered) < 7 * 1024, "{} bytes", bytes(answered));
    }
}
