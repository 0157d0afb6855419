//! What was found: for the terminal, as JSON, as Markdown.

mod json;
mod markdown;
mod terminal;

use crate::bars::{self, Bar};
use crate::machine::Machine;
use crate::options::Options;
use crate::scenario::{Figure, Findings, Scenario};

/// Everything of a run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Machine,
    /// The command, as it was typed.
    command: String,
    pairs: u32,
    seconds: u64,
    chapters: Vec<(&'static Scenario, Findings)>,
}

/// How a figure stands to its bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// No bar is set.
    None,
    Reached,
    /// The bar, and what is aimed at beyond it.
    Beyond,
    Missed,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(machine: Machine, options: &Options) -> Report {
        let command = std::iter::once("cargo xtask bench".to_owned()).chain(shown(&options.words));
        Report {
            machine,
            command: command.collect::<Vec<_>>().join(" "),
            pairs: options.effort.pairs,
            seconds: options.effort.time.as_secs(),
            chapters: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, scenario: &'static Scenario, findings: Findings) {
        self.chapters.push((scenario, findings));
    }

    pub(crate) fn checks_hold(&self) -> bool {
        self.chapters.iter().all(|(_, findings)| findings.checks.failed().next().is_none())
    }
}

/// The options that change what is measured; where files lie is nobody's affair.
fn shown(words: &[String]) -> Vec<String> {
    let mut shown = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--callgate" | "--envoy" | "--oha" | "--json" | "--markdown" | "--folder" => drop(words.next()),
            "--compare" => {
                words.next();
                shown.push("--compare OTHER".to_owned());
            }
            _ => shown.push(word.clone()),
        }
    }
    shown
}

// === impl Verdict ===

impl Verdict {
    /// Judged by the upper end of the interval.
    fn of(scenario: &str, figure: &Figure) -> Verdict {
        let bars: Vec<&Bar> = bars::of(scenario, &figure.name).collect();
        let holds = |bar: &&Bar| figure.value.high <= bar.most;
        if bars.is_empty() {
            Verdict::None
        } else if !bars.iter().filter(|bar| !bar.beyond).all(holds) {
            Verdict::Missed
        } else if bars.iter().any(|bar| bar.beyond) && bars.iter().filter(|bar| bar.beyond).all(holds) {
            Verdict::Beyond
        } else if bars.iter().any(|bar| !bar.beyond) {
            Verdict::Reached
        } else {
            Verdict::None
        }
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::None => "",
            Verdict::Reached => "reached",
            Verdict::Beyond => "beyond",
            Verdict::Missed => "MISSED",
        }
    }
}

/// `≤ 1.10, beyond ≤ 1.00`.
fn bars_text(scenario: &str, figure: &Figure) -> String {
    let one = |bar: &Bar| format!("{}≤ {:.2}{}", if bar.beyond { "beyond " } else { "" }, bar.most, figure.unit);
    bars::of(scenario, &figure.name).map(one).collect::<Vec<_>>().join(", ")
}

/// `1.020 to 1.040`; nothing for what was measured once.
fn interval(figure: &Figure) -> String {
    let value = figure.value;
    if value.pairs > 1 { format!("{:.3} to {:.3}", value.low, value.high) } else { String::new() }
}

/// A number without a fraction; a load that tells none has a dash.
fn whole(number: f64) -> String {
    if number.is_finite() { format!("{number:.0}") } else { "–".to_owned() }
}

/// Why a bar is missed, if somebody has written it down.
fn reason(scenario: &str, figure: &Figure) -> Option<&'static str> {
    bars::of(scenario, &figure.name).find_map(|bar| bar.reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Ratio;

    fn check(scenario: &str, name: &str, high: f64, expect: Verdict) {
        let value = Ratio { median: high - 0.01, low: high - 0.02, high, pairs: 10 };
        assert_eq!(Verdict::of(scenario, &Figure { name: name.to_owned(), value, unit: "" }), expect);
    }

    #[test]
    fn the_upper_end_decides() {
        check("bare", "cpu ÷ nginx", 0.99, Verdict::Beyond);
        check("bare", "cpu ÷ nginx", 1.05, Verdict::Reached);
        check("bare", "cpu ÷ nginx", 1.101, Verdict::Missed);
        check("bare", "cpu ÷ relay", 1.5, Verdict::None);
        check("bare", "cpu ÷ something", 0.1, Verdict::None);
    }

    #[test]
    fn places_are_not_shown() {
        let words = ["bare", "--callgate", "a/b", "--pairs", "12", "--compare", "c"].map(str::to_owned);
        assert_eq!(shown(&words).join(" "), "bare --pairs 12 --compare OTHER");
    }
}
