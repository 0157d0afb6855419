//! The signals that a serving command hears.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::service;

/// Handlers of every signal. Made before anything starts: a signal that comes without a handler ends the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// SIGTERM: stop as the configuration says.
    Stop,
    /// SIGINT, which is Ctrl-C: stop while somebody waits for it.
    Interrupt,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: open the access log anew.
    ReopenLog,
}

// === impl Signals ===

impl Signals {
    /// Installs the handlers.
    ///
    /// # Errors
    /// The system gave none.
    pub fn listen() -> Result<Signals> {
        let handler = |kind| signal(kind).context("no handler for signals could be installed");
        service::bury_orphans().context("no handler for signals could be installed")?;
        Ok(Signals {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
            hangup: handler(SignalKind::hangup())?,
            user1: handler(SignalKind::user_defined1())?,
        })
    }

    /// The next one.
    pub async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Interrupt,
            _ = self.hangup.recv() => Heard::Reload,
            _ = self.user1.recv() => Heard::ReopenLog,
        }
    }

    /// The next one that asks to stop.
    pub async fn stop(&mut self) {
        while !matches!(self.next().await, Heard::Stop | Heard::Interrupt) {}
    }
}
