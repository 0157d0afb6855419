//! Measuring several programs beside each other, in alternating order.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::checks::{Checks, Seen};
use crate::cpu::{self, Spent};
use crate::ground::{Ground, until_ready};
use crate::group::{Cores, Group};
use crate::load::{Load, Outcome};
use crate::peers::Side;
use crate::roles::{self, Counts};
use crate::statistics::median;

const WARM_UP: Duration = Duration::from_secs(1);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) pairs: u32,
    /// Of load, on each side of a pair.
    pub(crate) time: Duration,
}

/// One side of one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) outcome: Outcome,
    /// User and system time of the whole process group, until it was idle, over calls answered.
    pub(crate) cpu_us_per_call: f64,
}

/// All samples of a side, one a round.
#[derive(Debug)]
pub(crate) struct Samples {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
}

/// Measures every side once a round: from first to last, then from last to first, and so on. Neighbours in `sides` are
/// measured next to each other in every round, which the machine's drift leaves most comparable.
///
/// # Errors
/// A load could not be made.
pub(crate) fn alternate(
    ground: &Ground,
    sides: &[(&Side, Load)],
    effort: Effort,
    checks: &mut Checks,
) -> Result<Vec<Samples>> {
    let mut all: Vec<Samples> =
        sides.iter().map(|(side, _)| Samples { name: side.name, samples: Vec::new() }).collect();
    for (side, load) in sides {
        load.make(side, ground, WARM_UP).with_context(|| format!("warming {} up", side.name))?;
        cpu::settle(side.group.id());
        side.take_log_lines()?;
    }
    for round in 0..effort.pairs {
        let mut order: Vec<(&(&Side, Load), &mut Samples)> = sides.iter().zip(all.iter_mut()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for ((side, load), samples) in order {
            let sample = measure(ground, side, *load, effort.time, checks);
            samples.samples.push(sample.with_context(|| format!("measuring {}", side.name))?);
        }
        eprint!(".");
    }
    eprintln!();
    Ok(all)
}

/// One load on one side, and every check of it.
fn measure(ground: &Ground, side: &Side, load: Load, time: Duration, checks: &mut Checks) -> Result<Sample> {
    let _idle = (load.idle > 0).then(|| idle(ground, side, load.idle)).transpose()?;
    let counts = Counts::ask(ground.upstream)?;
    let records = side.gate.as_ref().map(|gate| gate.records()).transpose()?;
    let group = side.group.id();
    let before = Spent::of(group);
    let outcome = with_reloads(ground, side, load, time)?;
    cpu::settle(group);
    let spent_ns = Spent::of(group).since_ns(&before);
    let seen = Seen {
        outcome,
        upstream: Counts::ask(ground.upstream)?.since(&counts),
        lines: side.take_log_lines()?,
        records: match (&side.gate, records) {
            (Some(gate), Some(records)) => Some(gate.records()?.since(&records)),
            _ => None,
        },
    };
    checks.look(side, load, &seen);
    #[expect(clippy::cast_precision_loss, reason = "both are far below 2^53")]
    let cpu_us_per_call = spent_ns as f64 / 1000.0 / outcome.calls.max(1) as f64;
    Ok(Sample { outcome, cpu_us_per_call })
}

/// The load, and beside it the reloads that it asks for.
fn with_reloads(ground: &Ground, side: &Side, load: Load, time: Duration) -> Result<Outcome> {
    let Some(gate) = side.gate.as_ref().filter(|_| load.reloads > 0) else { return load.make(side, ground, time) };
    thread::scope(|scope| {
        let reloads = scope.spawn(|| gate.reload_often(load.reloads, time));
        let outcome = load.make(side, ground, time)?;
        reloads.join().map_err(|_| anyhow::anyhow!("the reloads broke off"))?.context("reloading")?;
        Ok(outcome)
    })
}

/// Connections that are open and do nothing, until this is dropped.
///
/// # Errors
/// They could not be opened.
pub(crate) fn idle(ground: &Ground, side: &Side, connections: u32) -> Result<Group> {
    let said = ground.folder.join("idle.said");
    let own = std::env::current_exe().context("finding the bench's own binary")?;
    let arguments = [roles::IDLE, &side.address.to_string(), &connections.to_string()];
    let mut group = Group::start(Cores::Load, &own, &arguments, &ground.folder, &said)?;
    let ready = || std::fs::read_to_string(&said).is_ok_and(|said| said.contains(roles::READY));
    until_ready("the idle connections", &mut group, ready)?;
    cpu::settle(side.group.id());
    side.take_log_lines()?;
    Ok(group)
}

// === impl Samples ===

impl Samples {
    /// The median of something over the rounds.
    pub(crate) fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(&self.samples.iter().map(of).collect::<Vec<_>>())
    }
}
