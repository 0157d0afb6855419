//! `cargo xtask soak`: builds the gate and what leans on it, and starts both.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{shell, tools};

const USAGE: &str = "cargo xtask soak --minutes N [--binary FILE]    the debug build unless FILE is another callgate";

/// Runs it; says whether the verdict holds.
///
/// # Errors
/// It could not be built or started.
pub(crate) fn run(words: &[&str]) -> Result<bool> {
    let (mut minutes, mut binary) = ("2", shell::target().join("debug/callgate"));
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--minutes" => minutes = words.next().context(USAGE)?,
            "--binary" => binary = PathBuf::from(words.next().context(USAGE)?),
            _ => bail!("{USAGE}"),
        }
    }
    tools::programs()?;
    tools::grpcio()?;
    // With --workspace, so that features are those of the test build and nothing is compiled twice.
    shell::run(&mut shell::cargo(&["build", "--workspace", "--bins", "--locked"]))?;
    let mut soak = Command::new(shell::target().join("debug/callgate-soak"));
    soak.args(["--minutes", minutes]).env("CALLGATE_BIN", std::path::absolute(binary)?);
    Ok(soak.status().context("starting the soak")?.success())
}

/// As a step of the test command.
///
/// # Errors
/// The verdict does not hold.
pub(crate) fn two_minutes() -> Result<()> {
    ensure!(run(&["--minutes", "2"])?, "the verdict does not hold; it is told above");
    Ok(())
}
