//! What people see: on a terminal with colour, in a pipe without.

use std::io::{IsTerminal, Write};

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

/// An empty table in the house's style: aligned columns, no boxes, a faint head on a terminal.
#[must_use]
pub fn table<const COLUMNS: usize>(head: [&str; COLUMNS]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    let cells = head.map(|name| comfy_table::Cell::new(name).add_attribute(comfy_table::Attribute::Dim));
    if colours_on_stdout() {
        table.set_header(cells);
    } else {
        table.set_header(head);
    }
    table
}
