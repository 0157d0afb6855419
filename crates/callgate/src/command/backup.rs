//! `callgate backup FOLDER`: the data folder as one folder of plain files.

use std::path::PathBuf;

use anyhow::Result;
use callgate_admin::views::Backup as Made;
use clap::Args;

use super::ask::Ask;
use crate::terminal;

/// Copy the whole data folder into a new one, beside the running gate
#[derive(Debug, Args)]
pub struct Backup {
    /// A new or empty folder, on the gate's machine; it will hold secrets
    folder: PathBuf,
    #[command(flatten)]
    ask: Ask,
}

// === impl Backup ===

impl Backup {
    /// Makes it.
    ///
    /// # Errors
    /// Why there is no whole backup.
    pub async fn run(self) -> Result<()> {
        let made = self.ask.act(async |gate| gate.backup(&self.folder).await).await?;
        self.ask.show(&made, told)
    }
}

fn told(made: &Made) -> String {
    let mut table = terminal::table(["file", "size", "sha-256"]);
    for file in &made.files {
        table.add_row([&file.name, &terminal::bytes(file.bytes), &file.sha256]);
    }
    let folder = &made.folder;
    format!(
        "{}\n{folder} holds all of it, the secrets too: keep it where only you can read it\nback again: callgate restore {folder}",
        table.trim_fmt(),
    )
}
