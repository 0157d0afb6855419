//! The table in a terminal.

use anstream::println;
use anstyle::{AnsiColor, Style};

use super::{Report, Verdict, bars_text, interval, reason, whole};
use crate::scenario::Findings;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();

// === impl Report ===

impl Report {
    /// Prints everything that a person wants to know.
    pub(crate) fn print(&self) {
        let Report { machine, command, pairs, seconds, .. } = self;
        println!("\n{BOLD}{command}{BOLD:#}   {pairs} pairs of {seconds} s, {}", machine.date);
        println!(
            "{DIM}{} × {}, {} GiB, {}{DIM:#}",
            machine.cores, machine.processor, machine.memory_gib, machine.kernel
        );
        println!("{DIM}{}{DIM:#}", machine.versions.join(" · "));
        for (scenario, findings) in &self.chapters {
            println!("\n{BOLD}{}{BOLD:#}  {}", scenario.name, scenario.about);
            sides(findings);
            figures(scenario.name, findings);
            checks(findings);
        }
    }
}

fn sides(findings: &Findings) {
    if findings.sides.is_empty() {
        return;
    }
    println!("  {DIM}{:<16}{:>12}{:>12}{:>10}{:>10}{DIM:#}", "", "CPU µs/call", "calls/s", "p50 µs", "p99 µs");
    for side in &findings.sides {
        println!(
            "  {:<16}{:>12.2}{:>12.0}{:>10}{:>10}",
            side.name,
            side.median(|sample| sample.cpu_us_per_call),
            side.median(|sample| sample.outcome.calls_per_s()),
            whole(side.median(|sample| sample.outcome.p50_us)),
            whole(side.median(|sample| sample.outcome.p99_us)),
        );
    }
}

fn figures(scenario: &str, findings: &Findings) {
    for figure in &findings.figures {
        let verdict = Verdict::of(scenario, figure);
        let style = match verdict {
            Verdict::None => Style::new(),
            Verdict::Reached | Verdict::Beyond => GREEN,
            Verdict::Missed => RED,
        };
        let value = figure.value;
        println!(
            "  {:<40}{style}{:>9.3}{}{style:#}  {DIM}{:<18}{DIM:#}  {:<28} {style}{}{style:#}",
            figure.name,
            value.median,
            figure.unit,
            interval(figure),
            bars_text(scenario, figure),
            verdict.word(),
        );
        if verdict == Verdict::Missed
            && let Some(reason) = reason(scenario, figure)
        {
            println!("    {DIM}{reason}{DIM:#}");
        }
    }
}

fn checks(findings: &Findings) {
    let all = findings.checks.0.len();
    let failed: Vec<_> = findings.checks.failed().collect();
    println!("  {DIM}{} of {all} checks held{DIM:#}", all - failed.len());
    for check in failed {
        let first = check.faults.first().map_or("", String::as_str);
        println!(
            "  {RED}{}: {}{RED:#}: {} of {} times not, first {first}",
            check.side,
            check.what,
            check.faults.len(),
            check.times
        );
    }
}
