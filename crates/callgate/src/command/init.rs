//! `callgate init`: a first configuration.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::terminal;

/// Write a first configuration
#[derive(Debug, Args)]
pub struct Init {
    /// Make the routes from an OpenAPI document (JSON or YAML)
    #[arg(long, value_name = "OPENAPI")]
    from: Option<PathBuf>,
    /// The upstream, where no document says it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    upstream: String,
    /// The file to write; `-` writes to standard output
    #[arg(short = 'o', long, value_name = "FILE", default_value = "callgate.yaml")]
    output: PathBuf,
}

// === impl Init ===

impl Init {
    /// Writes it. An existing file is never overwritten.
    ///
    /// # Errors
    /// The document is not one, or the file can't be written.
    pub fn run(self) -> Result<()> {
        let text = match &self.from {
            Some(document) => match callgate_config::from_openapi(document) {
                Ok(text) => text,
                Err(report) => bail!("{}", report.render(terminal::colours_on_stderr()).trim_end()),
            },
            None => callgate_config::write::starter(&self.upstream),
        };
        if self.output.as_os_str() == "-" {
            terminal::say(text.trim_end());
            return Ok(());
        }
        let mut options = std::fs::OpenOptions::new();
        let shown = self.output.display();
        let mut file = options.write(true).create_new(true).open(&self.output).with_context(|| {
            format!("{shown} is not written; an existing file is never overwritten, choose another with -o")
        })?;
        file.write_all(text.as_bytes()).with_context(|| format!("{shown} could not be written"))?;
        terminal::say(&format!("{shown} is written. Next: callgate check -c {shown}, then callgate serve -c {shown}"));
        Ok(())
    }
}
