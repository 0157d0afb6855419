//! The crate graph: an arrow goes only to a lower floor.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// The floors of the house, as ARCHITECTURE.md draws them.
const FLOORS: &[(u8, &[&str])] = &[
    // `hot` wires the rooms together as the binary does, for an instruction counter to look at.
    (6, &["callgate", "callgate-hot"]),
    (5, &["callgate-admin", "callgate-gateway", "callgate-issuer"]),
    (4, &["callgate-identity", "callgate-calling"]),
    (3, &["callgate-transport", "callgate-records"]),
    (2, &["callgate-config", "callgate-store"]),
    (1, &["callgate-wire", "callgate-model"]),
    // Beside the house: they see what a user sees, and know none of its rooms.
    (0, &["callgate-bench", "callgate-bookshop", "callgate-testkit", "callgate-e2e", "callgate-soak", "xtask"]),
];

/// Compares the graph with the floors.
///
/// # Errors
/// Every arrow that should not be there.
pub(crate) fn run() -> Result<()> {
    let text = shell::output(&mut shell::cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]))?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo's metadata")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo's metadata has no packages")?;
    let mut wrong = Vec::new();
    for package in packages {
        let name = text_of(package, "name");
        let manifest = text_of(package, "manifest_path");
        wrong.extend(versions_of_its_own(name, &std::fs::read_to_string(manifest).context("reading a manifest")?));
        let Some(floor) = floor(name) else {
            wrong.push(format!("{name} has no floor: give it one in xtask/src/graph.rs and in ARCHITECTURE.md"));
            continue;
        };
        for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let to = text_of(dependency, "name");
            let for_tests = text_of(dependency, "kind") == "dev";
            if let Some(below) = self::floor(to)
                && !is_fine(floor, below, to, for_tests)
            {
                wrong.push(format!("{name} (floor {floor}) depends on {to} (floor {below})"));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("{} arrows that should not be there:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("{} crates, every arrow goes down", packages.len());
    Ok(())
}

fn text_of<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, names)| names.contains(&name)).map(|(floor, _)| *floor)
}

/// Tests may use the testkit anywhere; the binary alone carries the bookshop, for `callgate demo`.
fn is_fine(from: u8, to: u8, to_name: &str, for_tests: bool) -> bool {
    match to_name {
        "callgate-testkit" => for_tests || from == 0,
        "callgate-bookshop" => from == 6 || for_tests,
        // The words are the ground of the house: `wire` stands beside them, and reads its bounds there.
        "callgate-model" => from >= 1,
        _ => to >= 1 && to < from,
    }
}

/// Dependencies that name a version of their own, so that two crates could end up with two.
fn versions_of_its_own(name: &str, manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && line.contains('=') && !line.starts_with('#') && !line.contains("workspace") {
            found.push(format!("{name}: `{line}` names a version of its own: move it to the workspace's dependencies"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_down_only() {
        assert!(is_fine(5, 1, "callgate-wire", false));
        assert!(is_fine(1, 1, "callgate-model", false) && !is_fine(1, 1, "callgate-wire", false));
        assert!(!is_fine(1, 5, "callgate-gateway", false), "up");
        assert!(!is_fine(2, 2, "callgate-store", false), "sideways");
        assert!(is_fine(1, 0, "callgate-testkit", true) && !is_fine(1, 0, "callgate-testkit", false));
        assert!(is_fine(6, 0, "callgate-bookshop", false) && !is_fine(5, 0, "callgate-bookshop", false));
    }

    #[test]
    fn a_version_outside_the_workspace_is_found() {
        let manifest = "[package]\nversion.workspace = true\n[dependencies]\nserde.workspace = true\nbytes = \"1\"\n";
        assert_eq!(versions_of_its_own("a", manifest).len(), 1);
    }
}
