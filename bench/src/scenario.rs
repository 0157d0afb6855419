//! The scenarios, one file each.

mod calls;

use anyhow::Result;

use crate::checks::Checks;
use crate::ground::Ground;
use crate::rounds::{Effort, Samples};
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

// === impl Findings ===

impl Findings {
    /// Adds what something of the first side is, over the same of each other one.
    pub(crate) fn compare(&mut self, what: &str, of: impl Fn(&crate::rounds::Sample) -> f64) {
        let Some((own, others)) = self.sides.split_first() else { return };
        for other in others {
            if let Some(value) = own.ratio(other, &of) {
                self.figures.push(Figure { name: format!("{what} ÷ {}", other.name), value, unit: "" });
            }
        }
    }
}
