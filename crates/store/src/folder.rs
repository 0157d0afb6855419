//! The data folder: for one user and one process.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::StoreError;
use crate::file::{self, FileError};

/// The exclusive hold on a data folder, for as long as it lives. The kernel lets go when the process ends, however it
/// ends, so there is never a stale lock to clean up.
#[derive(Debug)]
pub(crate) struct Hold {
    file: Arc<File>,
}

/// The lock of a hold, as long as that lives.
#[derive(Debug, Clone)]
pub(crate) struct Lock(Weak<File>);

/// How often a held folder is looked at again before giving up: a gate that just ended lets go within this, so a restart
/// does not fail on its own predecessor.
const TRIES: u32 = 20;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// The folder itself, private. An existing one that is open to others is closed, unless it holds somebody else's files.
pub(crate) fn prepare(folder: &Path) -> Result<(), StoreError> {
    file::create_folder(folder)?;
    if file::mode(folder)? & 0o077 != 0 {
        let names = file::names(folder)?;
        let ours = names.iter().any(|name| name == crate::MAIN_FILE || name == LOCK_FILE);
        if let Some(example) = names.into_iter().find(|name| !ours && name != "lost+found") {
            return Err(StoreError::FolderShared { folder: folder.to_owned(), example });
        }
        if let Err(error) = file::make_folder_private(folder) {
            // A mounted volume may belong to another user. Every file in it is made 0600, so this is one wall of two.
            tracing::warn!("{error}: other users can see the names of its files");
        }
    }
    Ok(())
}

/// Takes the exclusive hold on a folder that exists.
///
/// # Errors
/// [`StoreError::Held`] with the holder's process id.
pub(crate) async fn hold(folder: &Path) -> Result<Hold, StoreError> {
    let path = lock_path(folder);
    for _ in 1..TRIES {
        match try_hold(folder, &path) {
            Err(StoreError::Held { .. }) => tokio::time::sleep(PAUSE).await,
            taken => return taken,
        }
    }
    try_hold(folder, &path)
}

/// The hold that another process has passed with its lock. The two share it from then on, and the kernel lets go of the
/// folder when both have ended: at no moment in between could a third one take it.
///
/// # Errors
/// What was passed is not this folder's lock, or does not hold it.
pub(crate) fn inherit(folder: &Path, mut lock: File) -> Result<Hold, StoreError> {
    let path = lock_path(folder);
    let failed = |error| StoreError::File(FileError { path: path.clone(), act: "take over", error });
    let (passed, there) = (lock.metadata().map_err(failed)?, std::fs::metadata(&path).map_err(failed)?);
    let same = (passed.dev(), passed.ino()) == (there.dev(), there.ino());
    // A lock that is shared is taken again without a wait; another's is not.
    if !same || lock.try_lock().is_err() {
        return Err(StoreError::Held { folder: folder.to_owned(), pid: None });
    }
    file::overwrite(&mut lock, &path, &format!("{}\n", std::process::id()))?;
    Ok(Hold { file: Arc::new(lock) })
}

// === impl Hold ===

impl Hold {
    pub(crate) fn lock(&self) -> Lock {
        Lock(Arc::downgrade(&self.file))
    }
}

// === impl Lock ===

impl Lock {
    /// A descriptor of the same lock, to be passed to another process.
    pub(crate) fn share(&self) -> Option<File> {
        self.0.upgrade()?.try_clone().ok()
    }
}

const LOCK_FILE: &str = "lock";

fn lock_path(folder: &Path) -> PathBuf {
    folder.join(LOCK_FILE)
}

/// Whether a name in the folder is the lock.
pub(crate) fn is_lock(name: &str) -> bool {
    name == LOCK_FILE
}

fn try_hold(folder: &Path, path: &Path) -> Result<Hold, StoreError> {
    let mut lock = file::open_private(path)?;
    match lock.try_lock() {
        Ok(()) => {
            file::overwrite(&mut lock, path, &format!("{}\n", std::process::id()))?;
            Ok(Hold { file: Arc::new(lock) })
        }
        Err(TryLockError::WouldBlock) => {
            let pid = file::read_text(path)?.trim().parse().ok();
            Err(StoreError::Held { folder: folder.to_owned(), pid })
        }
        Err(TryLockError::Error(error)) => {
            Err(StoreError::File(FileError { path: path.to_owned(), act: "lock", error }))
        }
    }
}
