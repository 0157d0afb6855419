//! `workers`: whether a second worker makes a call dearer.

use anyhow::Result;

use super::Findings;
use crate::ground::Ground;
use crate::load::Load;
use crate::peers::callgate::Build;
use crate::peers::{Setup, callgate};
use crate::rounds::{self, Effort};
use crate::scenario::calls::BAD_EVERY;

/// Guarded, since that is where workers share something: keys, limits, quotas, the recorder. One worker has the first core; two
/// have both, and share the second with the load.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn workers(ground: &Ground, effort: Effort) -> Result<Findings> {
    let two = callgate::start(ground, "two workers", Setup { workers: 2, ..Setup::GUARDED }, Build::Own)?;
    let one = callgate::start(ground, "one worker", Setup::GUARDED, Build::Own)?;
    let load = Load { bad_every: BAD_EVERY, ..Load::PLAIN };
    let mut findings = Findings::default();
    findings.sides = rounds::alternate(ground, &[(&two, load), (&one, load)], effort, &mut findings.checks)?;
    findings.ratio("cpu, two ÷ one", "two workers", "one worker", |sample| sample.cpu_us_per_call);
    Ok(findings)
}
