//! `callgate man-pages FOLDER`: a manual page for each command, for whoever packages the program.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Command};

/// Write the manual pages into a folder
#[derive(Debug, Args)]
pub struct ManPages {
    /// The folder; made if it is not there
    folder: PathBuf,
}

// === impl ManPages ===

impl ManPages {
    /// Writes them.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn run(&self, command: Command) -> Result<()> {
        let shown = self.folder.display();
        std::fs::create_dir_all(&self.folder).with_context(|| format!("{shown} can't be made"))?;
        clap_mangen::generate_to(command, &self.folder).with_context(|| format!("{shown} can't be written"))
    }
}
