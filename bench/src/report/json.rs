//! Everything as JSON, every sample included.

use serde_json::{Value, json};

use super::{Report, Verdict, reason};
use crate::bars;
use crate::rounds::{Sample, Samples};
use crate::scenario::{Figure, Findings, Scenario};

// === impl Report ===

impl Report {
    /// The report; times in µs, rates per second.
    pub(crate) fn json(&self) -> String {
        let machine = &self.machine;
        let report = json!({
            "command": self.command,
            "date": machine.date,
            "machine": {
                "processor": machine.processor,
                "cores": machine.cores,
                "memory_gib": machine.memory_gib,
                "kernel": machine.kernel,
                "versions": machine.versions,
            },
            "pairs": self.pairs,
            "seconds_per_side": self.seconds,
            "checks_hold": self.checks_hold(),
            "scenarios": self.chapters.iter().map(|(scenario, findings)| chapter(scenario, findings)).collect::<Vec<_>>(),
        });
        format!("{report:#}\n")
    }
}

fn chapter(scenario: &Scenario, findings: &Findings) -> Value {
    let check = |check: &crate::checks::Check| json!({ "side": check.side, "what": check.what, "times": check.times, "faults": check.faults });
    json!({
        "name": scenario.name,
        "about": scenario.about,
        "sides": findings.sides.iter().map(side).collect::<Vec<_>>(),
        "figures": findings.figures.iter().map(|one| figure(scenario.name, one)).collect::<Vec<_>>(),
        "checks": findings.checks.0.iter().map(check).collect::<Vec<_>>(),
    })
}

fn side(side: &Samples) -> Value {
    json!({
        "name": side.name,
        "cpu_us_per_call": side.median(|sample| sample.cpu_us_per_call),
        "calls_per_s": side.median(|sample| sample.outcome.calls_per_s()),
        "p50_us": side.median(|sample| sample.outcome.p50_us),
        "p99_us": side.median(|sample| sample.outcome.p99_us),
        "samples": side.samples.iter().map(sample).collect::<Vec<_>>(),
    })
}

fn sample(sample: &Sample) -> Value {
    let outcome = &sample.outcome;
    json!({
        "cpu_us_per_call": sample.cpu_us_per_call,
        "calls": outcome.calls,
        "seconds": outcome.seconds,
        "refused": outcome.refused,
        "p50_us": outcome.p50_us,
        "p99_us": outcome.p99_us,
    })
}

fn figure(scenario: &str, figure: &Figure) -> Value {
    let bar = |bar: &bars::Bar| json!({ "most": bar.most, "beyond": bar.beyond });
    json!({
        "name": figure.name,
        "median": figure.value.median,
        "low": figure.value.low,
        "high": figure.value.high,
        "pairs": figure.value.pairs,
        "unit": figure.unit,
        "bars": bars::of(scenario, &figure.name).map(bar).collect::<Vec<_>>(),
        "verdict": Verdict::of(scenario, figure).word(),
        "reason": reason(scenario, figure),
    })
}
