//! `latency`: guarded calls in open loop, at half of what nginx can do.

use std::time::Duration;

use anyhow::Result;

use super::Findings;
use crate::ground::Ground;
use crate::load::{Load, Tool};
use crate::peers::callgate::Build;
use crate::peers::{Setup, callgate, nginx, relay};
use crate::rounds::{self, Effort};

/// oha makes all calls with one key: its limit is raised everywhere, and tested all the same.
const KEY_RATE: u32 = 1_000_000;
/// What the bar lets Callgate be slower by, before the ratio.
const ALLOWANCE_US: f64 = 100.0;

/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn latency(ground: &Ground, effort: Effort) -> Result<Findings> {
    let setup = Setup { key_rate: KEY_RATE, ..Setup::GUARDED };
    let own = callgate::start(ground, "callgate", setup, Build::Own)?;
    let nginx = nginx::start(ground, setup, own.keys.as_ref())?;
    let relay = relay::start(ground)?;
    let peak = Load::PLAIN.make(&nginx, ground, Duration::from_secs(3))?.calls_per_s();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some ten thousand")]
    let calls_per_s = (peak / 2.0) as u64;
    let load = Load { tool: Tool::Oha { calls_per_s }, ..Load::PLAIN };
    let mut findings = Findings::default();
    nginx.take_log_lines()?;
    findings.sides =
        rounds::alternate(ground, &[(&own, load), (&nginx, load), (&relay, load)], effort, &mut findings.checks)?;
    findings.compare("p99", |sample| sample.outcome.p99_us);
    findings.compare("p50", |sample| sample.outcome.p50_us);
    findings.ratio_of("(p99 − 100 µs) ÷ nginx", "callgate", "nginx", |own, nginx| {
        ((own.outcome.p99_us - ALLOWANCE_US).max(0.0), nginx.outcome.p99_us)
    });
    Ok(findings)
}
