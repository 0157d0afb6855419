//! How a program is to be set up: the same for every one of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Keys;

/// What has to be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Features {
    /// Passing calls on, for everybody, without a log.
    Bare,
    /// Keys, a limit for each, and a log.
    Guarded,
    /// The same with access tokens in place of keys; Callgate only.
    Tokens,
    /// A limit for each address that a proxy names; Callgate only.
    Addresses,
}

/// Everything that a scenario may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) features: Features,
    /// TLS instead of clear text; only without keys.
    pub(crate) tls: Option<&'a Certificate>,
    pub(crate) workers: u32,
    /// So many routes instead of one for everything; only without keys.
    pub(crate) routes: u32,
    /// Calls per second of one key; twice as many at once.
    pub(crate) key_rate: u32,
}

/// A certificate for localhost and its key.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

// === impl Setup ===

impl Setup<'_> {
    pub(crate) const BARE: Setup<'static> =
        Setup { features: Features::Bare, tls: None, workers: 1, routes: 0, key_rate: 100 };
    pub(crate) const GUARDED: Setup<'static> = Setup { features: Features::Guarded, ..Setup::BARE };

    pub(crate) fn is_guarded(&self) -> bool {
        matches!(self.features, Features::Guarded | Features::Tokens)
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What every template may ask for.
    pub(crate) fn values(&self, port: u16, upstream: u16, folder: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("PORT", port.to_string()),
            ("UPSTREAM", upstream.to_string()),
            ("FOLDER", folder.display().to_string()),
            ("WORKERS", self.workers.to_string()),
            ("RATE", self.key_rate.to_string()),
            ("BURST", (self.key_rate * 2).to_string()),
            // Nobody comes near it.
            ("QUOTA", (u64::from(self.key_rate) * 10_000).min(1_000_000_000).to_string()),
        ]
    }
}

// === impl Keys ===

impl Keys {
    /// Keeps the first so many.
    ///
    /// # Errors
    /// Their file could not be written.
    pub(crate) fn shorten(&mut self, count: usize) -> Result<()> {
        self.texts.truncate(count);
        std::fs::write(&self.file, self.texts.join("\n") + "\n").context("writing the keys")
    }

    /// A line for every key, made of the key and the id that the peers give it.
    pub(crate) fn lines(&self, line: impl Fn(&str, &str) -> String) -> String {
        let ids = (0..self.texts.len()).map(|number| format!("key-{number:05}"));
        self.texts.iter().zip(ids).map(|(key, id)| line(key, &id) + "\n").collect()
    }
}

// === impl Certificate ===

impl Certificate {
    /// Makes one for a key on P-256, which is what most certificates of today have.
    ///
    /// # Errors
    /// openssl could not be run.
    pub(crate) fn make(folder: &Path) -> Result<Certificate> {
        let made = Certificate { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"])
            .arg(&made.key)
            .arg("-out")
            .arg(&made.certificate)
            .output()
            .context("running openssl")?;
        if !output.status.success() {
            bail!("openssl made no certificate: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(made)
    }
}
