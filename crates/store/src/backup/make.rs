//! Making a backup, beside a gate that goes on working.

use std::path::Path;

use serde_json::json;

use super::{FORMAT, MANIFEST_FILE, Manifest, ManifestFile, entry, off_the_runtime, refused};
use crate::audit::{Act, Actor};
use crate::database::{self, CALLS, MAIN, Schema};
use crate::error::StoreError;
use crate::store::Store;
use crate::{SECRETS_FOLDER, file};

// === impl Store ===

impl Store {
    /// Copies everything into a new or empty folder: both databases, each as it was at one moment, and the secrets. Whoever
    /// has the copy can verify keys, so it is made private, and belongs where secrets belong.
    ///
    /// # Errors
    /// [`StoreError::Backup`] when the folder holds something already; nothing is ever overwritten. After any error the
    /// folder has no manifest and is no backup.
    pub async fn backup(&self, actor: &Actor, to: &Path) -> Result<Manifest, StoreError> {
        let (folder, target) = (self.folder().to_owned(), to.to_owned());
        off_the_runtime({
            let target = target.clone();
            move || prepare(&target)
        })
        .await?;
        self.note(actor, "backup", &target).await?;
        let mut databases = vec![copy_database(&folder, &target, &MAIN).await?];
        if file::exists(&folder.join(CALLS.file))? {
            databases.push(copy_database(&folder, &target, &CALLS).await?);
        }
        let made_ms = self.clock().unix_ms();
        off_the_runtime(move || finish(&folder, &target, databases, made_ms)).await
    }

    /// Writes an act on the whole store into the audit log.
    pub(super) async fn note(&self, actor: &Actor, act: &'static str, folder: &Path) -> Result<(), StoreError> {
        let at_ms = self.clock().unix_ms();
        let entry = Act { actor: actor.clone(), act, subject: folder.display().to_string(), detail: json!({}), at_ms };
        self.main.act(move |connection| Box::pin(async move { entry.write(connection).await })).await
    }
}

fn prepare(target: &Path) -> Result<(), StoreError> {
    if file::exists(target)? {
        if let Some(name) = file::names(target)?.first() {
            return Err(refused(target, format!("is not empty (`{name}`): a backup goes into a folder of its own")));
        }
        file::make_folder_private(target)?;
    }
    file::create_folder(target)?;
    Ok(file::create_folder(&target.join(SECRETS_FOLDER))?)
}

async fn copy_database(folder: &Path, target: &Path, schema: &'static Schema) -> Result<ManifestFile, StoreError> {
    database::copy(&folder.join(schema.file), target.join(schema.file)).await?;
    let target = target.to_owned();
    off_the_runtime(move || {
        file::sync(&target.join(schema.file))?;
        // Both files were brought up to date when they were opened.
        entry(&target, schema.file, Some(schema.version()))
    })
    .await
}

fn finish(folder: &Path, target: &Path, mut files: Vec<ManifestFile>, made_ms: i64) -> Result<Manifest, StoreError> {
    for name in file::names(&folder.join(SECRETS_FOLDER))? {
        let name = format!("{SECRETS_FOLDER}/{name}");
        file::copy_private(&folder.join(&name), &target.join(&name))?;
        files.push(entry(target, &name, None)?);
    }
    file::sync_folder(&target.join(SECRETS_FOLDER))?;
    let manifest = Manifest { format: FORMAT, callgate: env!("CARGO_PKG_VERSION").to_owned(), made_ms, files };
    let path = target.join(MANIFEST_FILE);
    let text = serde_json::to_string_pretty(&manifest).map_err(|error| refused(&path, error.to_string()))?;
    file::write_atomically(&path, format!("{text}\n").as_bytes())?;
    Ok(manifest)
}
