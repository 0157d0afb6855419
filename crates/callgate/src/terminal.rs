//! What people see: on a terminal with colour, in a pipe without.

use std::io::{IsTerminal, Write};

/// Columns that a table is squeezed into; below, its lines are left to the terminal.
const WIDTH_MIN: u16 = 60;

/// Whether standard error takes colours.
#[must_use]
pub fn colours_on_stderr() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Whether standard output takes colours.
#[must_use]
pub fn colours_on_stdout() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Writes one line to standard output. A reader that went away (`| head`) is no error.
pub fn say(line: &str) {
    let mut out = anstream::stdout();
    let _gone = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Writes one line to standard error. A reader that went away is no reason for a gate not to start.
pub fn tell(line: &str) {
    let mut out = anstream::stderr();
    let _gone = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// An empty table in the house's style: aligned columns, no boxes, a faint head on a terminal.
#[must_use]
pub fn table<const COLUMNS: usize>(head: [&str; COLUMNS]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    // On a terminal that is too narrow, or does not know how wide it is, a letter a line helps nobody.
    if table.width().is_some_and(|width| width >= WIDTH_MIN) {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    }
    let cells = head.map(|name| comfy_table::Cell::new(name).add_attribute(comfy_table::Attribute::Dim));
    if colours_on_stdout() {
        table.set_header(cells);
    } else {
        table.set_header(head);
    }
    table
}

/// A table that may leave something out, which it says then.
#[must_use]
pub fn with_rest(table: &comfy_table::Table, truncated: bool) -> String {
    let rest = if truncated { "\n(there are more than one answer holds)" } else { "" };
    format!("{}{rest}", table.trim_fmt())
}

/// Names and values below each other.
#[must_use]
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<_> = facts.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

/// A size that people can compare: `17 B`, `1.5 MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut named) = (count.saturating_mul(10), "B");
    for unit in units {
        if tenths < 10_240 {
            break;
        }
        (tenths, named) = (tenths / 1024, unit);
    }
    match (named, tenths / 10, tenths % 10) {
        ("B", whole, _) | (_, whole, 0) => format!("{whole} {named}"),
        (_, whole, tenth) => format!("{whole}.{tenth} {named}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |count: u64, expect: &str| assert_eq!(bytes(count), expect);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1 KiB");
        check(1536, "1.5 KiB");
        check(20 * 1024 * 1024, "20 MiB");
        check(2 << 30, "2 GiB");
    }

    #[test]
    fn facts_stand_below_each_other() {
        assert_eq!(facts(&[("id", "1".to_owned()), ("consumer", "ada".to_owned())]), "id        1\nconsumer  ada");
    }
}
