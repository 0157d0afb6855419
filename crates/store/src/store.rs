//! The open store.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use callgate_model::Clock;
use sqlx::Row;
use sqlx::sqlite::SqliteSynchronous;

use crate::database::{Database, MAIN, Opening};
use crate::error::StoreError;
use crate::folder;
use crate::pepper::Peppers;

/// What the gate issued, open and held. Clones share it; the folder is let go when the last one is gone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) main: Database,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    lock: folder::Lock,
    clock: Clock,
    peppers: Peppers,
}

/// How long another process's lock on a database is waited out.
pub(crate) const BUSY_TIME: Duration = Duration::from_secs(5);

/// The same where that process is known, and commits what it has left: on a slow disk that takes its time, and ends.
const BESIDE_BUSY_TIME: Duration = Duration::from_secs(30);

// === impl Store ===

impl Store {
    /// Opens the data folder, or makes it: private, held against every other process, schema up to date, peppers read.
    ///
    /// # Errors
    /// [`StoreError::Held`] when another process has it; [`StoreError::NewerSchema`] when a newer program wrote it;
    /// [`StoreError::File`] with the path when the file system says no; the `Secret…` variants when a pepper is gone or open
    /// to others.
    pub async fn open(folder: &Path, clock: Clock) -> Result<Store, StoreError> {
        Store::open_patiently(folder, clock, BUSY_TIME).await
    }

    /// The same with a busy time of its own, for tests of it.
    pub(crate) async fn open_patiently(folder: &Path, clock: Clock, busy_time: Duration) -> Result<Store, StoreError> {
        folder::prepare(folder)?;
        let hold = folder::hold(folder).await?;
        crate::backup::refuse_unfinished(folder)?;
        Store::open_held(folder, clock, busy_time, hold).await
    }

    /// Opens a folder that is held already.
    pub(crate) async fn open_held(
        folder: &Path,
        clock: Clock,
        busy_time: Duration,
        hold: folder::Hold,
    ) -> Result<Store, StoreError> {
        let opening = Opening { schema: &MAIN, synchronous: SqliteSynchronous::Full, busy_time };
        refuse_lost(folder)?;
        let lock = hold.lock();
        let main = Database::open(folder, opening, Some(hold)).await?;
        let peppers = Peppers::open(folder, &used_peppers(&main).await?)?;
        Ok(Store { main, inner: Arc::new(Inner { folder: folder.to_owned(), lock, clock, peppers }) })
    }

    /// Opens a folder whose lock another process has passed to this one, and which both hold until that one ends. SQLite
    /// keeps their transactions apart; which of them does what is theirs to agree on.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Held`] when what was passed is not the lock.
    pub async fn open_inherited(folder: &Path, lock: File, clock: Clock) -> Result<Store, StoreError> {
        let hold = folder::inherit(folder, lock)?;
        crate::backup::refuse_unfinished(folder)?;
        Store::open_held(folder, clock, BESIDE_BUSY_TIME, hold).await
    }

    /// The lock of the folder, for another process to open it beside this one.
    #[must_use]
    pub fn share_lock(&self) -> Option<File> {
        self.inner.lock.share()
    }

    /// Waits until everything asked for so far is on the disk, then closes the files and lets go of the folder. Later acts
    /// on any clone answer [`StoreError::Closed`].
    pub async fn close(self) {
        self.main.close().await;
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The peppers that credentials are hashed under.
    #[must_use]
    pub fn peppers(&self) -> &Peppers {
        &self.inner.peppers
    }

    /// The clock that acts are dated by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }
}

/// The numbers of the peppers that some row needs.
async fn used_peppers(main: &Database) -> Result<Vec<u32>, StoreError> {
    let sql = "SELECT pepper_id FROM keys UNION SELECT pepper_id FROM clients \
               UNION SELECT pepper_id FROM admin_tokens WHERE revoked_ms IS NULL";
    main.read(|connection| {
        Box::pin(async move {
            let rows = sqlx::query(sql).fetch_all(connection).await?;
            Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
        })
    })
    .await
}

/// A store whose secrets are there without its database began once and lost it. Making a new one in its place would say
/// "there are no keys" where it should say "something is wrong": SQLite takes a file shorter than its header for a new one.
fn refuse_lost(folder: &Path) -> Result<(), StoreError> {
    /// <https://www.sqlite.org/fileformat.html>, section 1.3.
    const HEADER_BYTES: u64 = 100;
    let file = folder.join(crate::MAIN_FILE);
    let is_there = std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() >= HEADER_BYTES);
    let has_secrets =
        std::fs::read_dir(folder.join(crate::SECRETS_FOLDER)).is_ok_and(|mut entries| entries.next().is_some());
    if has_secrets && !is_there { Err(StoreError::DatabaseLost { file }) } else { Ok(()) }
}
