//! `cargo xtask bench`: builds what is measured and what measures, installs the peers, and starts the bench.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{shell, tools};

/// Runs it with these options; says whether every check of the run held.
///
/// # Errors
/// Something could not be built or installed.
pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let only_told = words.iter().any(|word| matches!(*word, "--list" | "--help" | "-h"));
    let profile = ["build", "--release", "--locked", "--package"];
    shell::run(&mut shell::cargo(&[&profile[..], &["callgate-bench"]].concat()))?;
    let mut bench = Command::new(shell::target().join("release/callgate-bench"));
    if !only_told {
        tools::bench()?;
        bench.arg("--oha").arg(tools::oha()?);
        if let Some(envoy) = tools::envoy() {
            bench.arg("--envoy").arg(envoy);
        }
        if !words.contains(&"--callgate") {
            // Alone, as a user builds it: with the whole workspace it would get features that only tests ask for.
            shell::run(&mut shell::cargo(&[&profile[..], &["callgate"]].concat()))?;
            bench.arg("--callgate").arg(shell::target().join("release/callgate"));
        }
        bench.arg("--folder").arg(shell::target().join("bench/run"));
    }
    let status = bench.args(words).status().context("starting the bench")?;
    Ok(status.success())
}
