//! `docs/operations.md` lists every bound; the list is written from the source.
//!
//! `CALLGATE_UPDATE=1 cargo test -p callgate-model` writes it anew.

use std::path::Path;

const BEGIN: &str =
    "<!-- Generated from crates/model/src/bounds.rs: CALLGATE_UPDATE=1 cargo test -p callgate-model -->\n";
const END: &str = "<!-- The end of what is generated. -->";

/// One constant: its name, its value for people, its comment in one line.
#[derive(Debug, PartialEq, Eq)]
struct Bound {
    name: String,
    value: String,
    why: String,
}

fn bounds(source: &str) -> Vec<Bound> {
    let mut found = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("/// ") {
            comment.push(text);
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, rest) = constant.split_once(": ").unwrap_or((constant, ""));
            let value = rest.split_once(" = ").map_or("", |(_, value)| value.trim_end_matches(';'));
            let why = comment.join(" ").replace("[`", "`").replace("`]", "`");
            found.push(Bound { name: name.to_owned(), value: shown(name, value), why });
            comment.clear();
        } else {
            comment.clear();
        }
    }
    found
}

/// A value as people read it.
fn shown(name: &str, expression: &str) -> String {
    if let Some(seconds) = expression.strip_prefix("Duration::from_secs(") {
        return format!("{} s", seconds.trim_end_matches(')'));
    }
    if let Some((from, to)) = expression.split_once("..=") {
        return format!("{from} to {to}");
    }
    let Some(number) = computed(expression) else { return expression.to_owned() };
    let bytes = name.contains("BYTES") || name == "BODY_BUFFER_MAX";
    let unit = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = unit.into_iter().find(|(_, size)| bytes && number >= *size && number % size == 0);
    match unit {
        Some((unit, size)) => format!("{} {unit}", grouped(number / size)),
        None => grouped(number),
    }
}

/// `64 * 1024`, `1 << 17`, `65_536`.
fn computed(expression: &str) -> Option<u64> {
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    match expression.split_once("<<") {
        Some((base, by)) => number(base)?.checked_shl(u32::try_from(number(by)?).ok()?),
        None => expression.split('*').map(number).product(),
    }
}

/// With a comma every three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let comma = |(place, digit): (usize, char)| {
        let comma = (place != 0 && place % 3 == lead).then_some(',');
        comma.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

#[test]
fn what_the_source_says() {
    let source = "/// Bytes of a head. See\n/// [`OTHER`].\npub const HEAD_BYTES_MAX: usize = 64 * 1024;\n\
                  /// A wait.\npub const WAIT_MAX: Duration = Duration::from_secs(10);\n\
                  /// Places.\npub const PLACES: usize = 1 << 17;\n";
    let bound = |name: &str, value: &str, why: &str| Bound { name: name.into(), value: value.into(), why: why.into() };
    let expected = [
        bound("HEAD_BYTES_MAX", "64 KiB", "Bytes of a head. See `OTHER`."),
        bound("WAIT_MAX", "10 s", "A wait."),
        bound("PLACES", "131,072", "Places."),
    ];
    assert_eq!(bounds(source), expected);
    assert_eq!(grouped(1_000) + &grouped(999) + &grouped(1_234_567), "1,0009991,234,567");
}

#[test]
fn operations_lists_every_bound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (is, after) = rest.split_once(END).unwrap();
    let mut table = "\n| bound | value | what it bounds, and why |\n|---|---|---|\n".to_owned();
    for Bound { name, value, why } in bounds(include_str!("../src/bounds.rs")) {
        table.push_str(&format!("| `{name}` | {value} | {why} |\n"));
    }
    table.push('\n');
    if std::env::var_os("CALLGATE_UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(is, table, "write it anew: CALLGATE_UPDATE=1 cargo test -p callgate-model");
}
