//! The scenarios, one file each.

mod calls;
mod latency;
mod refused;
mod scale;
mod shapes;
mod tokens;
mod workers;

use anyhow::Result;

use crate::checks::Checks;
use crate::ground::Ground;
use crate::load::Load;
use crate::peers::Side;
use crate::rounds::{self, Effort, Sample, Samples};
use crate::statistics::Ratio;

/// Something that is measured.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Ground, Effort) -> Result<Findings>,
}

/// All of them, in the order in which they are run.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "bare", about: "public, log off, everything else as shipped", run: calls::bare },
    Scenario {
        name: "guarded",
        about: "a key out of 10,000, a limit for each, the access log; 1 % wrong keys",
        run: calls::guarded,
    },
    Scenario {
        name: "latency",
        about: "guarded, in open loop at half of nginx's peak; all with one key",
        run: latency::latency,
    },
    Scenario { name: "refused", about: "wrong keys: every call, and every second one", run: refused::refused },
    Scenario {
        name: "tokens",
        about: "guarded by access tokens, beside guarded by keys; 300 of each",
        run: tokens::tokens,
    },
    Scenario { name: "tls", about: "bare over TLS, kept connections", run: shapes::tls },
    Scenario { name: "handshakes", about: "a TLS handshake (X25519, P-256) for every call", run: shapes::handshakes },
    Scenario { name: "h2", about: "HTTP/2 over TLS, 16 connections, 4 calls under way on each", run: shapes::h2 },
    Scenario { name: "body", about: "100 KiB down, 1 MiB up", run: shapes::body },
    Scenario {
        name: "many",
        about: "10,000 idle connections or as many as fit the open files, 100 busy ones",
        run: shapes::many,
    },
    Scenario { name: "routes", about: "5,000 routes, called in turn", run: shapes::routes },
    Scenario { name: "workers", about: "guarded, two workers against one", run: workers::workers },
    Scenario { name: "reload", about: "guarded, in open loop, with 100 reloads in each load", run: latency::reload },
    Scenario {
        name: "scale",
        about: "memory and time of much: keys, routes, addresses, connections",
        run: scale::scale,
    },
];

/// What came of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) sides: Vec<Samples>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) checks: Checks,
}

/// A number that a bar may be set for.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: Ratio,
    /// Written after the number; empty for a ratio.
    pub(crate) unit: &'static str,
}

/// Measures the first side beside the others, and if there is another build, that one beside it on the other hand.
fn beside(ground: &Ground, other: Option<&Side>, sides: &[Side], load: Load, effort: Effort) -> Result<Findings> {
    let runs: Vec<(&Side, Load)> = other.into_iter().chain(sides).map(|side| (side, load)).collect();
    let mut findings = Findings::default();
    let mut all = rounds::alternate(ground, &runs, effort, &mut findings.checks)?;
    if other.is_some() && all.len() > 1 {
        all.swap(0, 1);
    }
    findings.sides = all;
    findings.compare("cpu", |sample| sample.cpu_us_per_call);
    findings.compare("calls/s", |sample| sample.outcome.calls_per_s());
    Ok(findings)
}

// === impl Figure ===

impl Figure {
    /// A number that was found once, without an interval.
    fn single(name: &str, value: f64, unit: &'static str) -> Figure {
        Figure { name: name.to_owned(), value: Ratio { median: value, low: value, high: value, pairs: 1 }, unit }
    }
}

// === impl Findings ===

impl Findings {
    /// Adds a number that was found once.
    fn add(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure::single(name, value, unit));
    }

    /// Adds what something of the first side is, over the same of each other one.
    fn compare(&mut self, what: &str, of: impl Fn(&Sample) -> f64) {
        let names: Vec<&'static str> = self.sides.iter().map(|side| side.name).collect();
        let Some((own, others)) = names.split_first() else { return };
        for other in others {
            self.ratio(&format!("{what} ÷ {other}"), own, other, &of);
        }
    }

    /// Adds what something of one side is, over the same of another.
    fn ratio(&mut self, name: &str, own: &str, other: &str, of: impl Fn(&Sample) -> f64) {
        self.ratio_of(name, own, other, |own, other| (of(own), of(other)));
    }

    /// Adds a ratio of one side's samples and another's, round by round.
    fn ratio_of(&mut self, name: &str, own: &str, other: &str, of: impl Fn(&Sample, &Sample) -> (f64, f64)) {
        let side = |name: &str| self.sides.iter().find(|side| side.name == name);
        let (Some(own), Some(other)) = (side(own), side(other)) else { return };
        let pairs: Vec<(f64, f64)> =
            own.samples.iter().zip(&other.samples).map(|(own, other)| of(own, other)).collect();
        if let Some(value) = Ratio::of(&pairs) {
            self.figures.push(Figure { name: name.to_owned(), value, unit: "" });
        }
    }
}
