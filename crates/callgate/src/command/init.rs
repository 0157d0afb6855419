//! `callgate init`: a first configuration.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use super::guard;
use crate::terminal;

/// Write a first configuration
#[derive(Debug, Args)]
pub struct Init {
    /// Make the routes from an OpenAPI document: a file, JSON or YAML
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
            Some(document) => from(document, &self.upstream)?,
            None => starter(&self.upstream)?,
        };
        if self.output.as_os_str() == "-" {
            terminal::say(text.trim_end());
            return Ok(());
        }
        let mut options = std::fs::OpenOptions::new();
        let shown = self.output.display();
        ensure!(!self.output.exists(), "{shown} exists already and is not overwritten: choose another file with -o");
        let file = options.write(true).create_new(true).open(&self.output);
        let mut file = file.with_context(|| format!("{shown} is not written"))?;
        file.write_all(text.as_bytes()).with_context(|| format!("{shown} could not be written"))?;
        terminal::say(&format!("{shown} is written. Next: callgate check -c {shown}, then callgate serve -c {shown}"));
        Ok(())
    }
}

fn from(document: &Path, upstream: &str) -> Result<String> {
    let named = document.to_string_lossy();
    if named.starts_with("http://") || named.starts_with("https://") {
        bail!("--from takes a file: `curl -o openapi.json {named}` gets it, then --from openapi.json");
    }
    match callgate_config::from_openapi(document, upstream) {
        Ok(text) => readable(text),
        Err(report) => bail!("{}", report.render(terminal::colours_on_stderr()).trim_end()),
    }
}

fn starter(upstream: &str) -> Result<String> {
    readable(callgate_config::write::starter(upstream))
}

/// What is written must be taken by `check`, so a wrong URL is told here and not in a file with a mistake.
fn readable(text: String) -> Result<String> {
    match callgate_config::parse(&text, Path::new("."), &|_| None) {
        Ok(_) => Ok(text),
        Err(report) => bail!("{}", guard::in_words(&report)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_upstream_is_told_before_a_file_is_written() {
        assert!(starter("http://127.0.0.1:9000").is_ok());
        let told = starter("localhost:9000").unwrap_err().to_string();
        assert_eq!(told, "`localhost:9000` is not the URL of a server: write the scheme too: `http://localhost:9000`");
    }
}
