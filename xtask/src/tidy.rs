//! What no compiler looks at: sizes, leftovers, and traces of the machine that a text was written on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Lines of a file that a person is asked to read. A longer one says why in a line with the mark.
const LINES_MAX: usize = 800;
const LONG_MARK: &str = "tidy: long because";
/// Lines of a function; longer ones are shown, not refused.
const FUNCTION_LINES_MAX: usize = 100;
/// Folders of a machine, as they end up in text by accident. In pieces, so that this file passes its own test.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
const LEFTOVERS: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("db", "g!(")];

/// Looks through every tracked file.
///
/// # Errors
/// Everything that was found.
pub(crate) fn run() -> Result<()> {
    let mirrors = mirrors();
    let mut wrong = Vec::new();
    let files = tracked()?;
    for file in &files {
        let Ok(text) = std::fs::read_to_string(shell::root().join(file)) else { continue };
        let shown = file.display().to_string();
        wrong.extend(judge(&shown, &text).into_iter().map(|what| format!("{shown}:{what}")));
        for host in mirrors.iter().filter(|host| text.contains(host.as_str())) {
            wrong.push(format!("{shown}: names {host}, this machine's package registry"));
        }
        for (line, name, length) in long_functions(&shown, &text) {
            println!("note: {shown}:{line}: `{name}` has {length} lines; a function fits a screen");
        }
    }
    if !wrong.is_empty() {
        bail!("{} things to tidy:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("{} files", files.len());
    Ok(())
}

/// Whether a doc comment holds an example that `cargo test --doc` would run.
///
/// # Errors
/// git does not answer.
pub(crate) fn has_doctests() -> Result<bool> {
    Ok(tracked()?.iter().filter(|file| file.extension().is_some_and(|is| is == "rs")).any(|file| {
        let text = std::fs::read_to_string(shell::root().join(file)).unwrap_or_default();
        text.lines().map(str::trim_start).any(|line| {
            let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim);
            matches!(comment, Some("```" | "```rust" | "```no_run" | "```should_panic" | "```compile_fail"))
        })
    }))
}

/// Files that git knows, new ones included, ignored ones not.
fn tracked() -> Result<Vec<PathBuf>> {
    let mut git = std::process::Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(shell::root());
    let list = shell::output(&mut git).context("asking git for the files")?;
    Ok(list.lines().map(PathBuf::from).filter(|file| shell::root().join(file).is_file()).collect())
}

fn judge(name: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or("");
    // Written by programs, for programs.
    let generated = matches!(extension, "lock" | "json" | "svg");
    let lines = text.lines().count();
    if lines > LINES_MAX && !generated && !text.contains(LONG_MARK) {
        wrong.push(format!(" {lines} lines: split it, or say why in a line with `{LONG_MARK} …`"));
    }
    if !text.is_empty() && !text.ends_with('\n') && !generated {
        wrong.push(format!("{lines}: the last line does not end"));
    }
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        if line.ends_with([' ', '\t', '\r']) && !generated {
            wrong.push(format!("{number}: white space at the end of the line"));
        }
        for path in MACHINE_PATHS.iter().filter(|path| line.contains(**path)) {
            wrong.push(format!("{number}: `{path}…` is a folder of one machine"));
        }
        if extension == "rs" {
            for leftover in LEFTOVERS.iter().filter(|leftover| line.contains(**leftover)) {
                wrong.push(format!("{number}: `{leftover}…)` is left over"));
            }
        }
        if name == "Cargo.lock" && line.starts_with("source = ") && !line.contains("rust-lang/crates.io-index") {
            wrong.push(format!("{number}: {line} is not the crates registry"));
        }
    }
    wrong
}

/// Functions past the size, as (line, name, lines). Relies on rustfmt: a body ends with a brace at its own indentation.
fn long_functions(name: &str, text: &str) -> Vec<(usize, String, usize)> {
    if !name.ends_with(".rs") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some((start, end, name)) = &open {
            if line == end {
                let length = index - start + 1;
                if length > FUNCTION_LINES_MAX {
                    found.push((start + 1, name.clone(), length));
                }
                open = None;
            }
            continue;
        }
        let code = line.trim_start();
        let (before, after) = code.split_once("fn ").unwrap_or(("no", ""));
        let is_function = before
            .split_whitespace()
            .all(|word| matches!(word, "const" | "async" | "unsafe" | "extern") || word.starts_with("pub"));
        if is_function && !code.ends_with(['}', ';']) {
            let indentation: String = line.chars().take_while(|character| *character == ' ').collect();
            let name = after.split(['(', '<']).next().unwrap_or("").to_owned();
            open = Some((index, format!("{indentation}}}"), name));
        }
    }
    found
}

/// Hosts of the package registries that this machine is set up with, apart from the public ones. Read here so that no
/// such name need stand in this repository.
fn mirrors() -> Vec<String> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let files = [
        cargo_home.join("config.toml"),
        home.join(".npmrc"),
        home.join(".config/pip/pip.conf"),
        home.join(".pip/pip.conf"),
        PathBuf::from("/etc/pip.conf"),
    ];
    let mut texts: Vec<String> = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    texts.extend(std::env::vars().filter(|(name, _)| is_registry_variable(name)).map(|(_, value)| value));
    let mut hosts: Vec<String> = texts.iter().flat_map(|text| hosts(text)).filter(|host| !is_public(host)).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

fn is_registry_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.starts_with("CARGO_REGISTR")
        || name.starts_with("CARGO_SOURCE")
        || name.ends_with("INDEX_URL")
        || name.ends_with("REGISTRY")
        || name == "GOPROXY"
}

fn hosts(text: &str) -> Vec<String> {
    text.split("://")
        .skip(1)
        .filter_map(|rest| rest.split(['/', '"', '\'', ' ', '\n']).next())
        .filter_map(|authority| authority.rsplit('@').next()?.split(':').next())
        .map(str::to_owned)
        .filter(|host| host.contains('.'))
        .collect()
}

fn is_public(host: &str) -> bool {
    ["crates.io", "github.com", "pypi.org", "npmjs.org", "golang.org", "127.0.0.1"]
        .iter()
        .any(|public| host == *public || host.ends_with(&format!(".{public}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expect: &str) {
        let found = judge(name, text).join("; ");
        assert!(if expect.is_empty() { found.is_empty() } else { found.contains(expect) }, "{name}: {found}");
    }

    #[test]
    fn what_is_found() {
        check("a.rs", "fn a() {}\n", "");
        check("a.rs", "fn a() {} \n", "1: white space");
        check("a.rs", "fn a() {}", "the last line does not end");
        check("a.md", concat!("see /wo", "rk/main\n"), "is a folder of one machine");
        check("a.rs", concat!("fn a() { to", "do!() }\n"), "is left over");
        check("a.rs", &"x\n".repeat(801), "801 lines");
        check("a.rs", &("// tidy: long because a table\n".to_owned() + &"x\n".repeat(801)), "");
        check("a.json", &"{} \n".repeat(801), "");
        check("Cargo.lock", "source = \"git+https://example.com/a\"\n", "is not the crates registry");
    }

    #[test]
    fn a_long_function_is_seen_and_a_short_one_is_not() {
        let body = "        x();\n".repeat(120);
        let text = format!(
            "impl A {{\n    pub(crate) async fn long<T>(&self) {{\n{body}    }}\n    fn short() {{\n    }}\n}}\n"
        );
        assert_eq!(long_functions("a.rs", &text), [(2, "long".to_owned(), 122)]);
    }

    #[test]
    fn hosts_are_read_from_settings() {
        let text = "registry = \"sparse+https://user:pw@mirror.example.com:81/index/\"\nurl = http://other.example.com";
        assert_eq!(hosts(text), ["mirror.example.com", "other.example.com"]);
        assert!(is_public("index.crates.io") && !is_public("mirror.example.com"));
    }
}
