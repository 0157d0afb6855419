//! `bare` and `guarded`: small calls on kept connections, as many as go.

use anyhow::Result;

use super::Findings;
use crate::ground::Ground;
use crate::load::Load;
use crate::peers::callgate::Build;
use crate::peers::{Features, Side, callgate, nginx, relay};
use crate::rounds::{self, Effort, Samples};

/// Passing calls on.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn bare(ground: &Ground, effort: Effort) -> Result<Findings> {
    let gates = gates(ground, Features::Bare)?;
    let peers = [nginx::start(ground, Features::Bare, None)?, relay::start(ground)?];
    measure(ground, effort, gates, peers.into(), Load::PLAIN)
}

/// Passing on the calls of those who may.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn guarded(ground: &Ground, effort: Effort) -> Result<Findings> {
    let gates = gates(ground, Features::Guarded)?;
    let keys = gates.first().and_then(|gate| gate.keys.clone());
    let peers = [nginx::start(ground, Features::Guarded, keys.as_ref())?, relay::start(ground)?];
    measure(ground, effort, gates, peers.into(), Load { bad_every: 100, ..Load::PLAIN })
}

/// This build and, if there is one, the other.
fn gates(ground: &Ground, features: Features) -> Result<Vec<Side>> {
    let mut gates = vec![callgate::start(ground, features, Build::Own)?];
    if ground.compare.is_some() {
        gates.push(callgate::start(ground, features, Build::Other)?);
    }
    Ok(gates)
}

/// Callgate stands between the other build and nginx in every round, so that either is its neighbour.
fn measure(ground: &Ground, effort: Effort, mut gates: Vec<Side>, peers: Vec<Side>, load: Load) -> Result<Findings> {
    gates.reverse();
    let own = gates.len() - 1;
    let sides: Vec<Side> = gates.into_iter().chain(peers).collect();
    let mut findings = Findings::default();
    let shown: Vec<&Side> = sides.iter().collect();
    let mut all: Vec<Samples> = rounds::alternate(ground, &shown, load, effort, &mut findings.checks)?;
    let callgate = all.remove(own);
    all.insert(0, callgate);
    findings.sides = all;
    findings.compare("cpu", |sample| sample.cpu_us_per_call);
    findings.compare("calls/s", |sample| sample.outcome.calls_per_s());
    Ok(findings)
}
