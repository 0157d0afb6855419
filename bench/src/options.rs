//! What was asked for.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::rounds::Effort;
use crate::scenario::{SCENARIOS, Scenario};

pub(crate) const USAGE: &str = "\
cargo xtask bench [SCENARIO…]   Callgate beside its peers: what a call costs; all scenarios if none is named
  --list                        the scenarios
  --quick                       3 pairs of 2 s instead of 10 of 3 s: for a look, not for a claim
  --pairs N                     how many pairs
  --callgate PATH               this binary, instead of one built now
  --compare PATH                another build of Callgate, measured beside it
  --json FILE                   everything that was measured
  --markdown FILE               the table as Markdown
";

/// The options of a run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) scenarios: Vec<&'static Scenario>,
    pub(crate) effort: Effort,
    pub(crate) callgate: PathBuf,
    pub(crate) compare: Option<PathBuf>,
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) oha: PathBuf,
    pub(crate) json: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    /// Where programs of the run keep their files.
    pub(crate) folder: PathBuf,
    /// The words that were typed, for the table.
    pub(crate) words: Vec<String>,
    pub(crate) list: bool,
}

// === impl Options ===

impl Options {
    /// # Errors
    /// A word that nobody knows, or a value that is missing.
    pub(crate) fn of(words: &[String]) -> Result<Options> {
        let (mut quick, mut list, mut pairs) = (false, false, None);
        let (mut callgate, mut compare, mut json, mut markdown, mut folder) = (None, None, None, None, None);
        let (mut envoy, mut oha) = (None, None);
        let mut scenarios = Vec::new();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().with_context(|| format!("{word} needs a value:\n{USAGE}"));
            match word.as_str() {
                "--list" => list = true,
                "--quick" => quick = true,
                "--pairs" => pairs = Some(value()?.parse().context("--pairs needs a number")?),
                "--callgate" => callgate = Some(PathBuf::from(value()?)),
                "--compare" => compare = Some(PathBuf::from(value()?)),
                // Where xtask has put them.
                "--envoy" => envoy = Some(PathBuf::from(value()?)),
                "--oha" => oha = Some(PathBuf::from(value()?)),
                "--json" => json = Some(PathBuf::from(value()?)),
                "--markdown" => markdown = Some(PathBuf::from(value()?)),
                "--folder" => folder = Some(PathBuf::from(value()?)),
                name => match SCENARIOS.iter().find(|scenario| scenario.name == name) {
                    Some(scenario) => scenarios.push(scenario),
                    None => bail!("`{name}` is no scenario: `cargo xtask bench --list` shows them\n{USAGE}"),
                },
            }
        }
        if scenarios.is_empty() {
            scenarios = SCENARIOS.iter().collect();
        }
        let (usual, seconds) = if quick { (3, 2) } else { (10, 3) };
        let folder = folder.unwrap_or_else(|| PathBuf::from("target/bench/run"));
        Ok(Options {
            scenarios,
            effort: Effort { pairs: pairs.unwrap_or(usual).max(1), time: Duration::from_secs(seconds) },
            callgate: absolute(&callgate.unwrap_or_else(|| PathBuf::from("target/release/callgate")))?,
            compare: compare.as_deref().map(absolute).transpose()?,
            envoy: envoy.as_deref().map(absolute).transpose()?,
            oha: absolute(&oha.unwrap_or_else(|| PathBuf::from("target/tools/bin/oha")))?,
            json,
            markdown,
            folder: absolute(&folder)?,
            words: words.to_vec(),
            list,
        })
    }
}

/// Programs are started in folders of their own.
fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}
