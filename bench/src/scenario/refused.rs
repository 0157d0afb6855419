//! `refused`: what a call costs that does not get through.

use anyhow::Result;

use super::Findings;
use crate::ground::Ground;
use crate::load::Load;
use crate::peers::callgate::Build;
use crate::peers::{Setup, callgate, nginx};
use crate::rounds::{self, Effort};

/// Garbage alone, beside this build's own bare call; and garbage in every second call, beside nginx. The lockout is on, as
/// it is everywhere: from the twenty-first wrong key on, the answer is 429.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn refused(ground: &Ground, effort: Effort) -> Result<Findings> {
    let bare = callgate::start(ground, "bare", Setup::BARE, Build::Own)?;
    let guarded = callgate::start(ground, "callgate", Setup::GUARDED, Build::Own)?;
    let nginx = nginx::start(ground, Setup::GUARDED, guarded.keys.as_ref())?;
    let garbage = Load { bad_every: 1, ..Load::PLAIN };
    let half = Load { bad_every: 2, ..Load::PLAIN };
    let mut findings = Findings::default();
    let runs = [(&bare, Load::PLAIN), (&guarded, garbage), (&nginx, garbage), (&guarded, half), (&nginx, half)];
    let mut all = rounds::alternate(ground, &runs, effort, &mut findings.checks)?;
    let names = ["own bare", "callgate garbage", "nginx garbage", "callgate half", "nginx half"];
    for (samples, name) in all.iter_mut().zip(names) {
        samples.name = name;
    }
    findings.sides = all;
    findings.ratio("garbage ÷ own bare", "callgate garbage", "own bare", |sample| sample.cpu_us_per_call);
    findings.ratio("garbage ÷ nginx", "callgate garbage", "nginx garbage", |sample| sample.cpu_us_per_call);
    findings.ratio("half garbage ÷ nginx", "callgate half", "nginx half", |sample| sample.cpu_us_per_call);
    Ok(findings)
}
