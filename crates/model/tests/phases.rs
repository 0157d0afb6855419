//! ARCHITECTURE.md draws the life of a call; this holds the drawing against the code.

use callgate_model::{Code, Phase};

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

/// The lines of the chart.
fn chart() -> impl Iterator<Item = &'static str> {
    let after = ARCHITECTURE.split_once("```mermaid\n").map_or("", |(_, after)| after);
    after.split_once("\n```").map_or("", |(chart, _)| chart).lines().map(str::trim)
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    Some(line.strip_prefix("| ")?.strip_suffix('|')?.split(" |").map(str::trim).collect())
}

#[test]
fn the_chart_draws_every_phase_in_its_order_with_what_it_does() {
    let drawn: Vec<&str> = chart().filter_map(|line| line.split_once('[').map(|_| line)).collect();
    let expected: Vec<String> =
        Phase::ALL.iter().map(|phase| format!("{0}[\"{0}: {1}\"]", phase.name(), phase.about())).collect();
    assert_eq!(drawn, expected);
}

#[test]
fn the_chart_leads_from_phase_to_phase() {
    let way = Phase::ALL.map(Phase::name).join(" --> ");
    assert!(chart().any(|line| line == way), "ARCHITECTURE.md should draw: {way}");
    // Other arrows leave the way early; they may only start and end at phases.
    for line in chart().filter(|line| line.contains(" -. ")) {
        let ends = line.split_once(" -. ").zip(line.rsplit_once(".-> "));
        let (from, to) = ends.map(|((from, _), (_, to))| (from, to)).unwrap();
        let place = |name: &str| Phase::ALL.iter().position(|phase| phase.name() == name);
        assert!(place(from) < place(to) && place(from).is_some(), "{line}");
    }
}

#[test]
fn the_table_names_every_phase_and_exactly_its_refusals() {
    let rows: Vec<Vec<&str>> = ARCHITECTURE
        .lines()
        .skip_while(|line| !line.starts_with("| phase | where |"))
        .take_while(|line| line.starts_with('|'))
        .filter_map(cells)
        .filter(|cells| cells.len() == 3)
        .collect();
    let told: Vec<(&str, Vec<&str>)> = rows
        .iter()
        .skip(1)
        .map(|row| (row[0], row[2].split(", ").map(|code| code.trim_matches('`')).filter(|code| !code.is_empty())))
        .map(|(phase, codes)| (phase, codes.collect()))
        .collect();
    // A limit per address refuses in admit with the same code; the table has it once, in meter.
    let codes_of = |phase| Code::ALL.iter().filter(move |code| code.phase() == phase).map(|code| code.name());
    let expected: Vec<(&str, Vec<&str>)> =
        Phase::ALL.iter().map(|phase| (phase.name(), codes_of(*phase).collect())).collect();
    assert_eq!(told, expected);
}
