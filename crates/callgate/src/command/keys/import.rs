//! The text of a key from elsewhere. An argument would be in every list of processes and in the shell's history.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use callgate_admin::views::ShownOnce;

/// More than any key that is taken, and less than anybody would notice.
const TEXT_BYTES_MAX: u64 = 4096;

/// Reads it, without the line break at its end.
pub(super) fn text(file: Option<&Path>) -> Result<ShownOnce> {
    let (text, from) = match file {
        Some(file) => {
            let from = file.display().to_string();
            let opened = File::open(file).with_context(|| format!("{from} can't be opened"))?;
            (read(opened, &from)?, from)
        }
        None => {
            if std::io::stdin().is_terminal() {
                anstream::eprintln!("the key, then Enter and Ctrl-D:");
            }
            (read(std::io::stdin(), "standard input")?, "standard input".to_owned())
        }
    };
    let key = text.trim_end_matches(['\r', '\n']);
    if key.is_empty() {
        bail!("{from} holds no key");
    }
    if key.contains(['\r', '\n']) {
        bail!("{from} holds more than one line; import one key at a time");
    }
    Ok(ShownOnce(key.to_owned()))
}

fn read(source: impl Read, from: &str) -> Result<String> {
    let mut text = String::new();
    let read = source.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text);
    let bytes = read.with_context(|| format!("{from} can't be read as text"))?;
    if bytes as u64 > TEXT_BYTES_MAX {
        bail!("{from} holds more than a key: at most 512 characters are taken");
    }
    Ok(text)
}
