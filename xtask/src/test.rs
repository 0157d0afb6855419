//! `cargo xtask test`: every check there is, cheapest first, so that a mistake is heard of early. nextest comes last, so
//! that its summary closes the run.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{dist, documents, graph, instructions, shell, soak, tidy, tools};

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "formatting", run: || shell::run(&mut shell::cargo(&["fmt", "--all", "--check"])) },
    Step { name: "tidy", about: "file sizes, leftovers, machine paths", run: tidy::run },
    Step { name: "graph", about: "crates import from lower floors only", run: graph::run },
    Step { name: "tools", about: "programs that tests start are there, or get installed", run: programs },
    Step { name: "clippy", about: "lints, warnings denied", run: clippy },
    Step { name: "deny", about: "licences, bans and sources of dependencies", run: deny },
    Step { name: "build", about: "the gate's binary, for what follows", run: build },
    Step { name: "dist", about: "a release of that binary can be packed, unpacked and started", run: dist::check_only },
    Step { name: "documents", about: "code blocks of the documents, and the examples", run: documents::run },
    Step { name: "doctest", about: "examples in doc comments, if there are any", run: doctest },
    Step { name: "instructions", about: "what hot functions cost, against their budgets", run: instructions::run },
    Step { name: "soak", about: "two minutes of everything at once: no call may fail", run: soak::two_minutes },
    Step { name: "nextest", about: "unit and end-to-end tests", run: nextest },
];

/// Prints the steps.
pub(crate) fn list() {
    for step in STEPS {
        println!("{:<12} {}", step.name, step.about);
    }
}

/// Runs the steps with these names, or all; says whether they all passed.
///
/// # Errors
/// A name is not a step's.
pub(crate) fn run(names: &[&str]) -> Result<bool> {
    if let Some(name) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no step `{name}`: `cargo xtask test --list` shows the steps");
    }
    let chosen: Vec<&Step> = STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name)).collect();
    let mut table: Vec<(&str, &str, Duration)> = Vec::new();
    let mut passed = true;
    for step in &chosen {
        if !passed {
            table.push((step.name, "not run", Duration::ZERO));
            continue;
        }
        println!("\n== {}: {}", step.name, step.about);
        let start = Instant::now();
        let result = (step.run)();
        let took = start.elapsed();
        passed = result.is_ok();
        if let Err(error) = result {
            eprintln!("== {} failed after {:.1} s: {error:#}", step.name, took.as_secs_f64());
        } else {
            println!("== {} passed in {:.1} s", step.name, took.as_secs_f64());
        }
        table.push((step.name, if passed { "passed" } else { "FAILED" }, took));
    }
    println!();
    for (name, result, took) in table {
        println!("{name:<12} {result:<8} {:>7.1} s", took.as_secs_f64());
    }
    Ok(passed)
}

fn programs() -> Result<()> {
    tools::programs()?;
    tools::grpcio()?;
    tools::websocket_libraries()?;
    tools::oauth_libraries()
}

fn clippy() -> Result<()> {
    shell::run(&mut shell::cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}

fn deny() -> Result<()> {
    tools::subcommand(tools::DENY)?;
    shell::run(&mut shell::cargo(&[
        "deny",
        "--all-features",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn build() -> Result<()> {
    // With --workspace, so that features are those of the test build and nothing is compiled twice.
    shell::run(&mut shell::cargo(&["build", "--workspace", "--bins", "--locked"]))
}

fn doctest() -> Result<()> {
    if !tidy::has_doctests()? {
        println!("no doc comment holds an example");
        return Ok(());
    }
    shell::run(&mut shell::cargo(&["test", "--workspace", "--doc", "--locked"]))
}

fn nextest() -> Result<()> {
    programs()?;
    tools::subcommand(tools::NEXTEST)?;
    build()?;
    let mut command = shell::cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]);
    // A snapshot that does not fit is a failure, never a new file.
    shell::run(command.env("INSTA_UPDATE", "no"))
}
