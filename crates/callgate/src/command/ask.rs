//! What every administrative command takes: which gate, and whether its answer is for a person or a program.

use std::fmt::Display;

use anyhow::Result;
use callgate_admin::{AdminClient, AdminCode, AdminError, Door};
use clap::Args;
use serde::Serialize;

use crate::terminal;
use crate::which::Which;

/// Which gate is asked, and how its answer is shown.
#[derive(Debug, Clone, Args)]
pub struct Ask {
    /// Machine-readable output, as the admin API answers
    #[arg(long)]
    pub json: bool,
    /// The gate.
    #[command(flatten)]
    pub which: Which,
}

// === impl Ask ===

impl Ask {
    /// Has an act done, by the gate or on its data folder, which is let go again before anything is shown.
    ///
    /// # Errors
    /// There is no way to the gate, or what it says.
    pub async fn act<T>(&self, act: impl AsyncFnOnce(&AdminClient) -> Result<T, AdminError>) -> Result<T> {
        through(self.which.door().await?, act).await
    }

    /// The same for what only reads.
    ///
    /// # Errors
    /// See [`Ask::act`]; or nothing was ever written that could be read.
    pub async fn read<T>(&self, act: impl AsyncFnOnce(&AdminClient) -> Result<T, AdminError>) -> Result<T> {
        through(self.which.reading_door().await?, act).await
    }

    /// An error about this consumer: where there is none of that name, with the command that makes it.
    #[must_use]
    pub fn of_consumer(&self, name: &str, error: anyhow::Error) -> anyhow::Error {
        match error.downcast_ref::<AdminError>() {
            Some(told) if told.code == AdminCode::NotFound => {
                anyhow::anyhow!("{told}; make it: callgate consumers create {name}{}", self.which.repeated())
            }
            _ => error,
        }
    }

    /// Shows an answer: as JSON, or in words.
    ///
    /// # Errors
    /// It could not be written as JSON.
    pub fn show<T: Serialize, W: Display>(&self, answer: &T, words: impl FnOnce(&T) -> W) -> Result<()> {
        match self.json {
            true => terminal::say(&serde_json::to_string(answer)?),
            false => terminal::say(words(answer).to_string().trim_end()),
        }
        Ok(())
    }
}

async fn through<T>(door: Door, act: impl AsyncFnOnce(&AdminClient) -> Result<T, AdminError>) -> Result<T> {
    let done = act(&door).await;
    door.close().await;
    Ok(done?)
}
