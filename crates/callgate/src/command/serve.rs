//! `callgate serve`: the gate in the foreground, until it is told to stop.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::gateway::{Reloader, Running};
use crate::terminal;

/// Serve the APIs of a configuration
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "callgate.yaml")]
    config: PathBuf,
}

// === impl Serve ===

impl Serve {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// Why it could not start.
    pub async fn run(self) -> Result<()> {
        let running = Running::start(load(&self.config)?).await?;
        let reloader = Reloader::new(&self.config, running.gate.clone(), running.registry.clone());
        let following = tokio::spawn(reloader.clone().follow());
        tell_ready(&running);
        until_stopped(&reloader).await?;
        following.abort();
        running.stop().await;
        Ok(())
    }
}

/// Reads a configuration, telling every mistake and every warning.
///
/// # Errors
/// The rendered mistakes.
pub fn load(path: &Path) -> Result<callgate_config::Config> {
    match callgate_config::load(path) {
        Ok(loaded) => {
            tell_warnings(&loaded.report);
            Ok(loaded.config)
        }
        Err(report) => bail!("{}", report.render(terminal::colours_on_stderr()).trim_end()),
    }
}

/// Tells the warnings of a file that was taken.
pub fn tell_warnings(report: &callgate_config::Report) {
    if !report.diagnostics.is_empty() {
        anstream::eprintln!("{}", report.render(terminal::colours_on_stderr()).trim_end());
    }
}

/// One line that says where calls may come.
pub fn tell_ready(running: &Running) {
    let mut line = "callgate is ready:".to_owned();
    for address in &running.listening {
        line.push_str(&format!(" {address}"));
    }
    if let Some(health) = running.health {
        line.push_str(&format!("  health http://{health}"));
    }
    terminal::say(&line);
}

/// Waits for SIGTERM or SIGINT; SIGHUP reloads meanwhile.
///
/// # Errors
/// The system gave no signal handler.
pub async fn until_stopped(reloader: &Reloader) -> Result<()> {
    let (mut term, mut int, mut hup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = hup.recv() => reloader.reload_and_tell().await,
        }
    }
}
