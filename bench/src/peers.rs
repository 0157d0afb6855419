//! What is measured: Callgate, and the programs it is measured against. Each file starts one of them.

pub(crate) mod callgate;
pub(crate) mod envoy;
pub(crate) mod haproxy;
pub(crate) mod nginx;
pub(crate) mod relay;
mod setup;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::group::Group;
use callgate::Gate;
pub(crate) use setup::{Certificate, Features, Setup};

/// A program that answers calls now.
#[derive(Debug)]
pub(crate) struct Side {
    /// As the table shows it.
    pub(crate) name: &'static str,
    pub(crate) scheme: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) group: Group,
    /// Its access log, a line a call.
    pub(crate) log: Option<PathBuf>,
    /// The keys that it knows.
    pub(crate) keys: Option<Keys>,
    /// What only Callgate has.
    pub(crate) gate: Option<Gate>,
}

/// Keys that callers have.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// One a line.
    pub(crate) file: PathBuf,
    pub(crate) texts: Vec<String>,
}

// === impl Side ===

impl Side {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Counts the lines of the log since the last time, and empties it: at 40,000 calls a second it would fill the disk.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn take_log_lines(&self) -> Result<Option<u64>> {
        self.log.as_deref().map(take_lines).transpose()
    }
}

fn take_lines(path: &Path) -> Result<u64> {
    let name = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(name)?;
    let (mut lines, mut buffer) = (0, vec![0; 1024 * 1024]);
    loop {
        let length = file.read(&mut buffer).with_context(name)?;
        if length == 0 {
            break;
        }
        let ends = buffer.get(..length).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        lines += u64::try_from(ends).unwrap_or(u64::MAX);
    }
    // Whoever writes it opened it for appending, so the next line begins at the new end.
    OpenOptions::new().write(true).truncate(true).open(path).with_context(name)?;
    Ok(lines)
}
