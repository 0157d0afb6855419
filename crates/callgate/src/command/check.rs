//! `callgate check`: reads a configuration, tells every mistake, and what it comes to.

mod walk;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use callgate_config::{Config, mapping, security};
use clap::Args;
use comfy_table::Table;

use super::serve::{read, tell_warnings};
use crate::terminal;

/// Check a configuration: every mistake at once, what it comes to, where it is weak
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "callgate.yaml")]
    config: PathBuf,
    /// Walk one call through the phases without sending it: 'GET /shop/orders/7 X-API-Key:cg_live_…'
    #[arg(long, value_name = "CALL")]
    call: Option<String>,
    /// The address that the walked call comes from
    #[arg(long, value_name = "IP", default_value = "127.0.0.1", requires = "call")]
    from: std::net::IpAddr,
    /// List weak spots; exit 1 when there are some
    #[arg(long, conflicts_with = "call")]
    security: bool,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

// === impl Check ===

impl Check {
    /// Checks. Exit code 1 when there are mistakes, or with `--security` weak spots, or with `--call` a refusal.
    ///
    /// # Errors
    /// A call that can't be walked.
    pub async fn run(self) -> Result<ExitCode> {
        let (loaded, snapshot) = match read(&self.config) {
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
        if !self.json {
            tell_warnings(&loaded.report);
        }
        let config = loaded.config;
        if let Some(call) = &self.call {
            return walk::show(snapshot, &config, call, self.from, self.json).await;
        }
        if self.security { Ok(self.weak_spots(&config)) } else { self.comes_to(&config, &loaded.report) }
    }

    fn comes_to(&self, config: &Config, report: &callgate_config::Report) -> Result<ExitCode> {
        let lines = mapping(config);
        if self.json {
            let warnings = report.json();
            terminal::say(&serde_json::json!({ "mapping": lines, "report": warnings }).to_string());
            return Ok(ExitCode::SUCCESS);
        }
        let mut table = terminal::table(["api", "callers find it at", "answered by", "access", "rules"]);
        for line in &lines {
            let name = line.route.as_ref().map_or_else(|| line.api.clone(), |route| format!("  {route}"));
            table.add_row([&name, &line.place, &line.target, &line.access, &line.rules.join(" · ")]);
        }
        terminal::say(&table.trim_fmt());
        let routes = lines.iter().filter(|line| line.route.is_some()).count();
        let apis = lines.len() - routes;
        let (apis, routes) = (count(apis, "API"), count(routes, "route"));
        terminal::say(&format!("{} is in order: {apis}, {routes}", self.config.display()));
        Ok(ExitCode::SUCCESS)
    }

    fn weak_spots(&self, config: &Config) -> ExitCode {
        let found = security(config);
        if self.json {
            terminal::say(&serde_json::json!({ "weaknesses": found }).to_string());
        } else if found.is_empty() {
            terminal::say(&format!("{}: no weak spot found", self.config.display()));
        } else {
            let mut table: Table = terminal::table(["setting", "weak because", "mend it"]);
            for weakness in &found {
                table.add_row([&weakness.place, &weakness.text, &weakness.remedy]);
            }
            terminal::say(&table.trim_fmt());
        }
        if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
