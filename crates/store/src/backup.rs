//! Backup and restore: the whole data folder as one folder of plain files with a manifest.

mod make;
mod restore;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use restore::refuse_unfinished;

use crate::error::StoreError;
use crate::file;

/// What a backup holds. Written last, so a folder without one is no backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of this layout; 1.
    pub format: u32,
    /// The version of the program that made it.
    pub callgate: String,
    /// When, Unix milliseconds.
    pub made_ms: i64,
    /// The files, by their path in the folder.
    pub files: Vec<ManifestFile>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// `callgate.db`, `calls.db`, `secrets/pepper-1`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of what it holds, in hex.
    pub sha256: String,
    /// A database's schema version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub schema: Option<i64>,
}

const MANIFEST_FILE: &str = "manifest.json";
const FORMAT: u32 = 1;

fn refused(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::Backup { path: path.to_owned(), why: why.into() }
}

/// Runs file work where it stalls nobody.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}

fn entry(folder: &Path, name: &str, schema: Option<i64>) -> Result<ManifestFile, StoreError> {
    let sum = file::sum(&folder.join(name))?;
    Ok(ManifestFile { name: name.to_owned(), bytes: sum.bytes, sha256: sum.sha256, schema })
}
