//! `tokens`: whether an access token makes a call dearer than a key does.

use anyhow::{Context, Result};

use super::Findings;
use crate::ground::Ground;
use crate::load::Load;
use crate::peers::callgate::{Build, CLIENTS};
use crate::peers::{Features, Setup, callgate};
use crate::rounds::{self, Effort};

/// As many keys as tokens, and each may make all the calls.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn tokens(ground: &Ground, effort: Effort) -> Result<Findings> {
    let setup = Setup { key_rate: 10_000, ..Setup::GUARDED };
    let by_token = callgate::start(ground, "tokens", Setup { features: Features::Tokens, ..setup }, Build::Own)?;
    let mut by_key = callgate::start(ground, "keys", setup, Build::Own)?;
    by_key.keys.as_mut().context("a guarded gate without keys")?.shorten(CLIENTS)?;
    let mut findings = Findings::default();
    let sides = [(&by_token, Load::PLAIN), (&by_key, Load::PLAIN)];
    findings.sides = rounds::alternate(ground, &sides, effort, &mut findings.checks)?;
    findings.ratio("cpu, tokens ÷ keys", "tokens", "keys", |sample| sample.cpu_us_per_call);
    Ok(findings)
}
