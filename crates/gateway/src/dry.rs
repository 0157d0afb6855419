//! A dry walk: one call through the phases, with nothing sent and nothing charged that anybody else would notice. What
//! `callgate check --call` shows.
//!
//! It runs the very functions that real calls run, so it cannot tell another story than the gate.

use std::net::IpAddr;

use callgate_model::refusal::Refused;
use callgate_model::{CallId, Phase, Refusal};
use http::Request;

use crate::Gate;
use crate::call::{self, Arrival, Call, Rehearsal};

/// What a dry walk found.
#[derive(Debug)]
pub struct Walk {
    /// The phases that were passed, each with what was found there.
    pub passed: Vec<(Phase, String)>,
    /// The phase that refused, and why.
    pub refusal: Option<(Phase, Refused)>,
    /// A key was presented and could not be looked up: what depends on it is unknown.
    pub key_unknown: bool,
    /// What would have refused, were it not in observe mode.
    pub would_refuse: Vec<Refusal>,
}

/// Walks a call through the gate. `keys_known` is whether the gate's key table holds the real keys; without it a presented
/// key is taken for a valid one of nobody.
pub async fn walk(
    gate: &Gate,
    request: Request<()>,
    client: IpAddr,
    listener: usize,
    tls: bool,
    keys_known: bool,
) -> Walk {
    let snapshot = gate.snapshot();
    let listener_name = snapshot.listeners.get(listener).map_or_else(|| "-".into(), |listener| listener.name.clone());
    let arrival = Arrival {
        listener,
        listener_name,
        peer: client,
        relay: None,
        tls,
        certificate: None,
        server_name: None,
        refused: None,
    };
    let mut call = Call::at(gate, &snapshot, arrival, &request, CallId(uuid::Uuid::nil()), gate.clock.unix_ms(), None);
    let mut rehearsal = Rehearsal { keys_known, ..Rehearsal::default() };
    let refusal = call::rehearse(&mut call, request, &mut rehearsal).await.err();
    let refusal = refusal.map(|refusal| (call.record.phase, refusal));
    let Rehearsal { passed, key_unknown, .. } = rehearsal;
    Walk { passed, refusal, key_unknown, would_refuse: std::mem::take(&mut call.record.would_refuse) }
}
