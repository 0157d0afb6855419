//! A request on its way to a server of the upstream; and, where that fails and nothing speaks against it, to another.
//!
//! What may be repeated: a request of which no server has seen a byte, whatever it asks for; and what [`repeat`] says of one
//! whose server may have done what it asks for before it failed. Nothing else, ever. A repeat of what was load for a server is paid for by the upstream's budget, so that failing servers are not asked
//! much more for their failing.

use std::sync::Arc;

use callgate_model::record::UpstreamPart;
use callgate_model::{Clock, bounds};
use callgate_transport::upstream::{Failure, Fault, Kind, Sent, Tried, UpstreamError};
use http::Request;
use http::header::HOST;

use super::guard::CallGuard;
use super::repeat::{self, Spare};
use crate::body::RequestBody;
use crate::snapshot::Api;
use crate::worker::Worker;

/// Why there is no answer.
pub(super) enum Unanswered {
    /// No server is fit to be asked, and none was.
    NoServer,
    /// The last one that was asked failed.
    Failed(UpstreamError),
}

/// Sends a request to one server after the other, until one answers or it may not be sent again. The record says at every
/// moment where it is: a caller that leaves ends it there. With a spare it may be sent again although a server had it.
pub(super) async fn send(
    record: &mut CallGuard,
    worker: &Worker,
    api: &Api,
    mut request: Request<RequestBody>,
    spare: Option<Spare>,
) -> Result<Sent<RequestBody>, Unanswered> {
    let clock = &worker.gate().clock;
    api.servers.budget().earn();
    let mut tried = Tried::default();
    let mut attempts: u8 = 0;
    let mut failed = None;
    loop {
        let repeatable = spare.is_some() || repeat::is_safe(&request);
        let chosen = api.servers.choose(worker.draw(), clock.mono_ns(), tried, repeatable);
        let Some((server, place)) = chosen else {
            return Err(failed.map_or(Unanswered::NoServer, Unanswered::Failed));
        };
        attempts = attempts.saturating_add(1);
        record.place = Some(place);
        let name = Arc::clone(&server.name);
        record.upstream = Some(UpstreamPart { server: name, attempts, reused: false, status: None, head_us: 0 });
        if !api.host_from_caller {
            request.headers_mut().insert(HOST, server.host.clone());
        }
        let Failure { error, request: intact } = match worker.pool().send(&server.server, request).await {
            Ok(sent) => {
                answered(record, api, clock);
                return Ok(Sent { attempts: sent.attempts + u32::from(attempts) - 1, ..sent });
            }
            Err(failure) => failure,
        };
        if let Some(fault) = error.fault() {
            note(record, api, fault, clock);
        }
        record.place = None;
        let may_again = u32::from(attempts) <= bounds::REPEATS_PER_CALL_MAX;
        let again = match intact {
            Some(intact) if error.retry_safe || repeat::is_safe(&intact) => Some(intact),
            _ if error.retry_safe || error.is_silence() => spare.as_ref().and_then(Spare::request),
            _ => None,
        };
        match again.filter(|_| may_again) {
            Some(again) if !error.was_load() || api.servers.budget().spend() => request = again,
            _ => return Err(Unanswered::Failed(error)),
        }
        // A kept connection that the server closed at the very moment it was used again is no reason against the server, if
        // there is no other; nor is a call that it refused without looking at it.
        let may_take_it = error.kind == Kind::Refused || error.kind == Kind::Closed && error.reused;
        if !may_take_it || api.servers.iter().len() > 1 {
            tried = api.servers.with(tried, server);
        }
        failed = Some(error);
    }
}

/// Notes that the server had the time of the call and gave no answer.
pub(super) fn timed_out(record: &mut CallGuard, api: &Api, clock: &Clock) {
    note(record, api, Fault::NoAnswer, clock);
}

fn answered(record: &mut CallGuard, api: &Api, clock: &Clock) {
    let Some(place) = &mut record.place else { return };
    if place.answered(clock.mono_ns()) {
        let server = record.upstream.as_ref().map(|part| Arc::clone(&part.server)).unwrap_or_default();
        tracing::info!(api = &*api.name, server = &*server, "a server that was left out answers again");
    }
}

fn note(record: &mut CallGuard, api: &Api, fault: Fault, clock: &Clock) {
    let Some(place) = &mut record.place else { return };
    if let Some(out) = api.servers.failed(place, fault, clock.mono_ns()) {
        let server = record.upstream.as_ref().map(|part| Arc::clone(&part.server)).unwrap_or_default();
        let why = match fault {
            Fault::Unreachable => "no connection to it came about",
            Fault::NoAnswer => "several calls in a row had no answer",
        };
        tracing::warn!(api = &*api.name, server = &*server, seconds = out.as_secs(), "a server is left out: {why}");
    }
}
