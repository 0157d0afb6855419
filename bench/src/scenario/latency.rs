//! `latency` and `reload`: guarded calls in open loop, as long as they take.

use std::time::Duration;

use anyhow::Result;

use super::Findings;
use crate::ground::Ground;
use crate::load::{Load, Tool};
use crate::peers::callgate::Build;
use crate::peers::{Setup, Side, callgate, nginx, relay};
use crate::rounds::{self, Effort};

/// oha makes all calls with one key: its limit is raised everywhere, and tested all the same.
const GUARDED: Setup<'static> = Setup { key_rate: 1_000_000, ..Setup::GUARDED };
/// What the bar lets Callgate be slower by, before the ratio.
const ALLOWANCE_US: f64 = 100.0;

/// At half of what nginx can do.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn latency(ground: &Ground, effort: Effort) -> Result<Findings> {
    let own = callgate::start(ground, "callgate", GUARDED, Build::Own)?;
    let nginx = nginx::start(ground, GUARDED, own.keys.as_ref())?;
    let relay = relay::start(ground)?;
    let load = half_of(&nginx, ground)?;
    let mut findings = Findings::default();
    let runs = [(&own, load), (&nginx, load), (&relay, load)];
    findings.sides = rounds::alternate(ground, &runs, effort, &mut findings.checks)?;
    findings.compare("p99", |sample| sample.outcome.p99_us);
    findings.compare("p50", |sample| sample.outcome.p50_us);
    findings.ratio_of("(p99 − 100 µs) ÷ nginx", "callgate", "nginx", |own, nginx| {
        ((own.outcome.p99_us - ALLOWANCE_US).max(0.0), nginx.outcome.p99_us)
    });
    Ok(findings)
}

/// At half of what the gate can do: with 100 reloads in each load, beside none.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn reload(ground: &Ground, effort: Effort) -> Result<Findings> {
    let gate = callgate::start(ground, "callgate", GUARDED, Build::Own)?;
    let still = half_of(&gate, ground)?;
    let mut findings = Findings::default();
    let runs = [(&gate, Load { reloads: 100, ..still }), (&gate, still)];
    let mut all = rounds::alternate(ground, &runs, effort, &mut findings.checks)?;
    for (samples, name) in all.iter_mut().zip(["reloading", "still"]) {
        samples.name = name;
    }
    findings.sides = all;
    findings.ratio("p99 ÷ still", "reloading", "still", |sample| sample.outcome.p99_us);
    let failed = findings
        .sides
        .first()
        .map(|side| side.samples.iter().map(|sample| sample.outcome.refused + sample.outcome.broken).sum::<u64>());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    findings.add("failed calls", failed.unwrap_or(u64::MAX) as f64, "");
    Ok(findings)
}

/// Calls at half the pace that a side takes without a pause.
fn half_of(side: &Side, ground: &Ground) -> Result<Load> {
    let peak = Load::PLAIN.make(side, ground, Duration::from_secs(3))?.calls_per_s();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some ten thousand")]
    let calls_per_s = (peak / 2.0) as u64;
    Ok(Load { tool: Tool::Oha { calls_per_s }, ..Load::PLAIN })
}
