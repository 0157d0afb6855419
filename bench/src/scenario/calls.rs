//! `bare` and `guarded`: small calls on kept connections, as many as go.

use anyhow::Result;

use super::{Findings, beside};
use crate::ground::Ground;
use crate::load::Load;
use crate::peers::callgate::Build;
use crate::peers::{Setup, callgate, envoy, haproxy, nginx, relay};
use crate::rounds::Effort;

/// One call in a hundred has a key that is nobody's.
pub(super) const BAD_EVERY: u32 = 100;

/// Passing calls on.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn bare(ground: &Ground, effort: Effort) -> Result<Findings> {
    let setup = Setup::BARE;
    let other =
        ground.compare.is_some().then(|| callgate::start(ground, "other build", setup, Build::Other)).transpose()?;
    let mut sides = vec![
        callgate::start(ground, "callgate", setup, Build::Own)?,
        nginx::start(ground, setup, None)?,
        relay::start(ground)?,
        haproxy::start(ground, setup, None)?,
    ];
    sides.extend(envoy::start(ground, setup, None)?);
    beside(ground, other.as_ref(), &sides, Load::PLAIN, effort)
}

/// Passing on the calls of those who may.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn guarded(ground: &Ground, effort: Effort) -> Result<Findings> {
    let setup = Setup::GUARDED;
    let other =
        ground.compare.is_some().then(|| callgate::start(ground, "other build", setup, Build::Other)).transpose()?;
    let own = callgate::start(ground, "callgate", setup, Build::Own)?;
    let keys = own.keys.clone();
    let mut sides = vec![
        own,
        nginx::start(ground, setup, keys.as_ref())?,
        relay::start(ground)?,
        haproxy::start(ground, setup, keys.as_ref())?,
    ];
    sides.extend(envoy::start(ground, setup, keys.as_ref())?);
    beside(ground, other.as_ref(), &sides, Load { bad_every: BAD_EVERY, ..Load::PLAIN }, effort)
}
