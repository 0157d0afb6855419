//! Restoring a backup into an empty data folder.
//!
//! Signing keys stay behind, and the restored store makes new ones: tokens issued after the backup was made would otherwise be
//! valid again after having been revoked. For the same reason nobody is signed in, and no refresh token leads on.

use std::path::{Path, PathBuf};

use callgate_model::Clock;

use super::{FORMAT, MANIFEST_FILE, Manifest, ManifestFile, off_the_runtime, refused};
use crate::audit::Actor;
use crate::database::{CALLS, MAIN, Schema};
use crate::error::StoreError;
use crate::signing_keys::FILE_PREFIX;
use crate::store::{self, Store};
use crate::{SECRETS_FOLDER, file, folder};

/// Lies in a data folder for as long as a restore into it is not finished.
const UNFINISHED_FILE: &str = "restore-unfinished";

// === impl Store ===

impl Store {
    /// Checks a backup against its manifest and copies it into a data folder that is new or empty, then opens and closes
    /// that once, to write the audit entry. Quota used after the backup was made is open again.
    ///
    /// # Errors
    /// [`StoreError::Backup`] when the backup is not whole or the folder not empty, [`StoreError::Held`] when a gate runs on
    /// it, [`StoreError::NewerSchema`] when a newer program made the backup.
    pub async fn restore(actor: &Actor, from: &Path, to: &Path, clock: Clock) -> Result<Manifest, StoreError> {
        let source = from.to_owned();
        let manifest = off_the_runtime(move || read(&source)).await?;
        folder::prepare(to)?;
        let hold = folder::hold(to).await?;
        let (source, target, copied) = (from.to_owned(), to.to_owned(), manifest.clone());
        off_the_runtime(move || copy(&source, &target, &copied)).await?;
        let restored = Store::open_held(to, clock, store::BUSY_TIME, hold).await?;
        restored.signing_keys_forget().await?;
        restored.grants_forget().await?;
        restored.note(actor, "restore", from).await?;
        restored.close().await;
        file::remove(&to.join(UNFINISHED_FILE))?;
        Ok(manifest)
    }
}

/// Stops a store from being opened on half a backup, which would look like one that never had the other half.
pub(crate) fn refuse_unfinished(folder: &Path) -> Result<(), StoreError> {
    if file::exists(&folder.join(UNFINISHED_FILE))? {
        return Err(refused(folder, "holds half of a restore that was broken off: empty it and restore again"));
    }
    Ok(())
}

/// The manifest of a backup that this program can restore.
fn read(from: &Path) -> Result<Manifest, StoreError> {
    let path = from.join(MANIFEST_FILE);
    if !file::exists(&path)? {
        return Err(refused(from, format!("is no whole backup: it has no `{MANIFEST_FILE}`")));
    }
    let manifest: Manifest = serde_json::from_str(&file::read_text(&path)?)
        .map_err(|error| refused(&path, format!("is no manifest of a backup: {error}")))?;
    if manifest.format != FORMAT {
        return Err(refused(
            &path,
            format!("has format {}: restore it with the callgate that made it", manifest.format),
        ));
    }
    if !manifest.files.iter().any(|file| file.name == MAIN.file) {
        return Err(refused(&path, format!("names no `{}`: there is nothing to restore", MAIN.file)));
    }
    for entry in &manifest.files {
        check_entry(from, entry)?;
    }
    Ok(manifest)
}

/// Names come from a file, so only those that a backup has are let through: none leads out of the folder.
fn check_entry(from: &Path, entry: &ManifestFile) -> Result<(), StoreError> {
    let path = from.join(&entry.name);
    let schema: Option<&Schema> = [&MAIN, &CALLS].into_iter().find(|schema| schema.file == entry.name);
    let secret = entry.name.split_once('/').is_some_and(|(folder, name)| {
        folder == SECRETS_FOLDER
            && (name.starts_with("pepper-") || name.starts_with(FILE_PREFIX))
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    match (schema, entry.schema) {
        (None, _) if secret => Ok(()),
        (None, _) => Err(refused(&path, "is in the manifest but no part of a backup")),
        (Some(schema), Some(found)) if found <= schema.version() => Ok(()),
        (Some(schema), found) => {
            Err(StoreError::NewerSchema { file: path, found: found.unwrap_or(-1), known: schema.version() })
        }
    }
}

fn copy(from: &Path, to: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    if let Some(name) = file::names(to)?.iter().find(|name| !folder::is_lock(name) && *name != "lost+found") {
        return Err(refused(to, format!("is not empty (`{name}`): restore into a new folder, then put it in place")));
    }
    file::write_atomically(&to.join(UNFINISHED_FILE), b"")?;
    file::create_folder(&to.join(SECRETS_FOLDER))?;
    let is_signing_key = |name: &str| name.split_once('/').is_some_and(|(_, secret)| secret.starts_with(FILE_PREFIX));
    for entry in manifest.files.iter().filter(|entry| !is_signing_key(&entry.name)) {
        let source: PathBuf = from.join(&entry.name);
        let sum = file::copy_private(&source, &to.join(&entry.name))?;
        if sum.sha256 != entry.sha256 || sum.bytes != entry.bytes {
            return Err(refused(&source, "is not what the manifest says: the backup is damaged, use another one"));
        }
    }
    file::sync_folder(&to.join(SECRETS_FOLDER))?;
    Ok(file::sync_folder(to)?)
}
