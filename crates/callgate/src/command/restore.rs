//! `callgate restore FOLDER`: a backup becomes a data folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use callgate_admin::socket::own_uid;
use callgate_model::Clock;
use callgate_store::{Actor, Store};
use clap::Args;
use serde_json::json;

use crate::moment::Moments;
use crate::terminal;
use crate::which::Which;

/// Make a data folder from a backup; no gate may run on it
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup
    folder: PathBuf,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

// === impl Restore ===

impl Restore {
    /// Checks the backup and copies it.
    ///
    /// # Errors
    /// The backup is not whole, or the data folder is not new or empty.
    pub async fn run(self) -> Result<()> {
        let data_dir = self.which.data_dir_to_make()?;
        let actor = Actor::Uid(own_uid().context("the audit log needs to know who you are")?);
        let manifest = Store::restore(&actor, &self.folder, &data_dir, Clock::system()).await?;
        let data_dir = data_dir.display();
        if self.json {
            let answer =
                json!({ "data_dir": data_dir.to_string(), "made_ms": manifest.made_ms, "files": manifest.files });
            terminal::say(&answer.to_string());
            return Ok(());
        }
        let made = Moments::now().tell(manifest.made_ms);
        terminal::say(&format!(
            "{data_dir} is as it was at {made}: what was issued or revoked since then is not in it"
        ));
        Ok(())
    }
}
