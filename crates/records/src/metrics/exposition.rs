//! The Prometheus text exposition format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;
use super::table::{Kind, Metric};

/// A page of metrics while it is written.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
}

// === impl Exposition ===

impl Exposition {
    /// Opens a family: its samples follow.
    pub(crate) fn family(&mut self, metric: &Metric) {
        self.family_of(metric.name, metric.kind, metric.help);
    }

    /// The same for a metric that another part of the gate registered.
    pub(crate) fn family_of(&mut self, name: &str, kind: Kind, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {}", kind.name()));
    }

    /// One number.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        self.labels(labels);
        self.line(format_args!(" {value}"));
    }

    /// All lines of one histogram.
    pub(crate) fn histogram(&mut self, name: &str, label: (&str, &str), histogram: &Histogram) {
        let bucket = format!("{name}_bucket");
        for (end, count) in histogram.cumulated() {
            self.sample(&bucket, &[label, ("le", end)], count);
        }
        self.sample(&bucket, &[label, ("le", "+Inf")], histogram.count());
        self.sample(&format!("{name}_sum"), &[label], histogram.sum_seconds());
        self.sample(&format!("{name}_count"), &[label], histogram.count());
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn labels(&mut self, labels: &[(&str, &str)]) {
        for (index, (name, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        self.text.write_fmt(line).unwrap_or_default();
        self.text.push('\n');
    }
}
