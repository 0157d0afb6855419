//! A secret from standard input or a file. An argument would be in every list of processes and in the shell's history.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use callgate_admin::views::ShownOnce;
use callgate_model::bounds::CREDENTIAL_BYTES_MAX;

/// Reads it, without the line break at its end. `what` is what it is called.
pub(super) fn text(file: Option<&Path>, what: &str) -> Result<ShownOnce> {
    let (text, from) = match file {
        Some(file) => {
            let from = file.display().to_string();
            let opened = File::open(file).with_context(|| format!("{from} can't be opened"))?;
            (read(opened, &from, what)?, from)
        }
        None => {
            if std::io::stdin().is_terminal() {
                anstream::eprintln!("the {what}, then Enter and Ctrl-D:");
            }
            (read(std::io::stdin(), "standard input", what)?, "standard input".to_owned())
        }
    };
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        bail!("{from} holds no {what}");
    }
    if secret.contains(['\r', '\n']) {
        bail!("{from} holds more than one line; give one {what} at a time");
    }
    Ok(ShownOnce(secret.to_owned()))
}

fn read(source: impl Read, from: &str, what: &str) -> Result<String> {
    let mut text = String::new();
    // With room for a line break.
    let read = source.take(CREDENTIAL_BYTES_MAX as u64 + 3).read_to_string(&mut text);
    let bytes = read.with_context(|| format!("{from} can't be read as text"))?;
    if bytes > CREDENTIAL_BYTES_MAX + 2 {
        bail!("{from} holds more than a {what}: at most {CREDENTIAL_BYTES_MAX} characters are taken");
    }
    Ok(text)
}
