//! `callgate check`: reads a configuration, tells every mistake, and what it comes to.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use callgate_gateway::Snapshot;
use clap::Args;

use crate::terminal;

/// Check a configuration: every mistake at once, and what it comes to
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "callgate.yaml")]
    config: PathBuf,
    /// List weak spots; exit 1 when there are some
    #[arg(long)]
    security: bool,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

// === impl Check ===

impl Check {
    /// Checks.
    ///
    /// # Errors
    /// Never; mistakes are told and make the exit code 1.
    pub fn run(self) -> Result<ExitCode> {
        let loaded = match callgate_config::load(&self.config) {
            Ok(loaded) => loaded,
            Err(report) => {
                if self.json {
                    terminal::say(&report.json().to_string());
                } else {
                    anstream::eprintln!("{}", report.render(terminal::colours_on_stderr()).trim_end());
                }
                return Ok(ExitCode::FAILURE);
            }
        };
        // What only the files beside it can tell: a certificate that does not fit its key.
        Snapshot::compile(Arc::new(loaded.config.clone()), None)?;
        terminal::say(&format!("{} is in order: {} APIs", self.config.display(), loaded.config.apis.len()));
        Ok(ExitCode::SUCCESS)
    }
}
