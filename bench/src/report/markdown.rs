//! The table as Markdown, to be put into a document as it is.

use std::fmt::Write;

use super::{Report, Verdict, bars_text, interval, reason, whole};
use crate::scenario::{Findings, Scenario};

// === impl Report ===

impl Report {
    /// Machine, date and command; then a table of the programs and one of the figures for each scenario.
    pub(crate) fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "`{}` on {}: {} pairs of {} s; {} cores of {}, {} GiB, {}; {}.\n",
            self.command,
            machine.date,
            self.pairs,
            self.seconds,
            machine.cores,
            machine.processor,
            machine.memory_gib,
            machine.kernel,
            machine.versions.join(", "),
        );
        for (scenario, findings) in &self.chapters {
            text += &chapter(scenario, findings).unwrap_or_default();
        }
        text
    }
}

/// Never an error: writing to a String does not fail.
fn chapter(scenario: &Scenario, findings: &Findings) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "\n### `{}`\n\n{}\n", scenario.name, scenario.about)?;
    if !findings.sides.is_empty() {
        writeln!(text, "| | CPU µs per call | calls/s | p50 µs | p99 µs |\n|---|---|---|---|---|")?;
        for side in &findings.sides {
            writeln!(
                text,
                "| {} | {:.2} | {:.0} | {} | {} |",
                side.name,
                side.median(|sample| sample.cpu_us_per_call),
                side.median(|sample| sample.outcome.calls_per_s()),
                whole(side.median(|sample| sample.outcome.p50_us)),
                whole(side.median(|sample| sample.outcome.p99_us)),
            )?;
        }
        writeln!(text)?;
    }
    writeln!(text, "| figure | median | 95 % interval | bar | |\n|---|---|---|---|---|")?;
    for figure in &findings.figures {
        let value = figure.value;
        let verdict = Verdict::of(scenario.name, figure);
        let why = match (verdict, reason(scenario.name, figure)) {
            (Verdict::Missed, Some(reason)) => format!("**missed**: {reason}"),
            (Verdict::Missed, None) => "**missed**".to_owned(),
            _ => verdict.word().to_owned(),
        };
        let (name, unit, bars) = (&figure.name, figure.unit, bars_text(scenario.name, figure));
        writeln!(text, "| {name} | {:.3}{unit} | {} | {bars} | {why} |", value.median, interval(figure))?;
    }
    for check in findings.checks.failed() {
        writeln!(text, "\n**A check failed**: {}: {}", check.side, check.what)?;
    }
    Ok(text)
}
