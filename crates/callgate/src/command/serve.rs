//! `callgate serve`: the gate in the foreground, until it is told to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use callgate_config::{Loaded, Report};
use callgate_gateway::Snapshot;
use clap::Args;

use crate::gateway::{Files, Inherited, Leave, Predecessor, Reloader, Running, certificates};
use crate::moment::Moments;
use crate::service::Manager;
use crate::signals::{Heard, Signals};
use crate::terminal;

/// Serve the APIs of a configuration
#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = "callgate.yaml")]
    config: PathBuf,
    /// Take the place of the gate that runs on the same data folder, without losing a call; a new version, for example
    #[arg(long)]
    upgrade: bool,
}

// === impl Serve ===

impl Serve {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// Why it could not start.
    pub async fn run(self) -> Result<()> {
        let signals = Signals::listen()?;
        let config = load(&self.config)?;
        let files = Files::of(&self.config, &config);
        let (predecessor, inherited) = if self.upgrade {
            let (predecessor, inherited) = Predecessor::of(&config.data_dir).await?;
            (Some(predecessor), inherited)
        } else {
            (None, Inherited::from_service_manager()?)
        };
        let running = Running::start_with(config, inherited, predecessor).await?;
        let reloader = Reloader::new(&self.config, running.gate.clone(), running.registry.clone()).since(files);
        tell_ready(&running);
        follow_until_stopped(running, Some(reloader), signals).await
    }
}

/// Reads a configuration and the files that it names, telling every mistake and every warning.
///
/// # Errors
/// The rendered mistakes.
pub fn load(path: &Path) -> Result<callgate_config::Config> {
    match read(path) {
        Ok((loaded, _)) => {
            tell_warnings(&loaded.report);
            Ok(loaded.config)
        }
        Err(report) => bail!("{}", report.render(terminal::colours_on_stderr()).trim_end()),
    }
}

/// Reads a configuration and the files that it names.
///
/// # Errors
/// Every mistake in it, or else why its files can't be used.
pub fn read(path: &Path) -> Result<(Loaded, Snapshot), Box<Report>> {
    let Loaded { config, mut report } = callgate_config::load(path)?;
    match Snapshot::compile(Arc::new(config.clone()), None) {
        Ok(snapshot) => {
            certificates::warn(&snapshot, &mut report, Moments::now());
            Ok((Loaded { config, report }, snapshot))
        }
        Err(error) => Err(Box::new(certificates::refused(report, &error))),
    }
}

/// Tells the warnings of a file that was taken.
pub fn tell_warnings(report: &callgate_config::Report) {
    if !report.diagnostics.is_empty() {
        terminal::tell(report.render(terminal::colours_on_stderr()).trim_end());
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
    if let Some(admin) = running.admin {
        line.push_str(&format!("  admin {admin}"));
    }
    terminal::say(&line);
}

/// Serves until SIGTERM or SIGINT, or until another process has taken this one's place, then stops. SIGHUP reads the file again, if there is one; SIGUSR1 opens the access log
/// anew, for whoever rotates it.
///
/// # Errors
/// It was told to stop once more, and did at once.
pub async fn follow_until_stopped(running: Running, reloader: Option<Reloader>, mut signals: Signals) -> Result<()> {
    let following = reloader.clone().map(|reloader| {
        running.follow(&reloader);
        tokio::spawn(reloader.follow())
    });
    let manager = Manager::from_env();
    manager.ready();
    let leave = loop {
        let heard = tokio::select! {
            heard = signals.next() => heard,
            () = running.handed_over() => break Leave::HandedOver,
        };
        match (heard, &reloader) {
            (Heard::Stop, _) => break Leave::Announced,
            (Heard::Interrupt, _) => break Leave::AtOnce,
            (Heard::ReopenLog, _) => running.gate.recorder.reopen_log(),
            (Heard::Reload, Some(reloader)) => {
                manager.reloading();
                reloader.reload_and_tell().await;
                manager.ready();
            }
            (Heard::Reload, None) => {
                tracing::info!("SIGHUP: this gate was started without a file, there is nothing to read again");
            }
        }
    };
    if let Some(following) = following {
        following.abort();
    }
    // To the manager, the gate goes on in another process.
    if leave != Leave::HandedOver {
        manager.stopping(running.stops_within());
    }
    tokio::select! {
        () = running.stop(leave) => Ok(()),
        () = signals.stop() => bail!("told twice to stop: calls under way were cut, their records may be lost"),
    }
}
