//! One SQLite file: one writer, a few readers, a schema with a number.

mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, SqliteConnection};

pub(crate) use schema::{CALLS, MAIN, Schema};
use writer::Writer;

use crate::error::{Fault, StoreError};
use crate::file;
use crate::folder::Hold;

/// What an act does on a connection. Boxed, because it borrows the connection for as long as it runs.
pub(crate) type Work<'c, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'c>>;

/// An open database file; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    file: Arc<Path>,
    writer: Writer,
    /// Readers never wait for the writer (WAL), and can't write (`query_only`).
    readers: SqlitePool,
}

/// How a database is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) schema: &'static Schema,
    /// FULL where an answer is a promise; NORMAL where a power cut may cost the last second.
    pub(crate) synchronous: SqliteSynchronous,
    /// How long a lock of another process is waited out.
    pub(crate) busy_time: Duration,
}

/// Readers at one time; two cores do not profit from more.
const READERS_MAX: u32 = 4;
/// How much log is kept after a checkpoint; a burst may grow it, and it must shrink again.
const WAL_BYTES_KEPT: &str = "16777216";

// === impl Database ===

impl Database {
    /// Opens or makes `<folder>/<schema's file>` and brings its schema up to date. The hold is let go only when the writer
    /// has ended.
    pub(crate) async fn open(folder: &Path, opening: Opening, hold: Option<Hold>) -> Result<Database, StoreError> {
        let path = folder.join(opening.schema.file);
        // SQLite would make it readable by others; its log files take the permissions of the database.
        file::open_private(&path)?;
        let failed = |error| StoreError::from_sqlite(&path, Arc::new(error));
        let found = opening.schema.found(&path).await?;
        let mut connection = writing(&path, opening, found).connect().await.map_err(failed)?;
        opening.schema.bring_up_to_date(&path, found, &mut connection).await?;
        if found == 0 {
            // SQLite syncs its own new files' names, but this one was made above.
            file::sync_folder(folder)?;
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .acquire_timeout(opening.busy_time + Duration::from_secs(5))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(reading(&path, opening));
        let file: Arc<Path> = path.into();
        let writer = Writer::start(Arc::clone(&file), connection, hold)?;
        Ok(Database { file, writer, readers })
    }

    /// Does an act in a transaction; the answer comes after its commit is on the disk, or after it was undone.
    pub(crate) async fn act<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    {
        self.writer.act(act).await
    }

    /// Reads on a connection of its own. Statements inside see different moments unless they begin a transaction.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send,
    {
        let mut connection = self.reader().await?;
        read(&mut connection).await.map_err(|fault| fault.into_error(&self.file))
    }

    /// A connection to read on, for what must not be gathered first.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(|error| StoreError::from_sqlite(&self.file, Arc::new(error)))
    }

    /// The path of the file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Waits until everything asked for so far is done and the file is closed.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.stop().await;
    }
}

/// How the writer connects, to a file whose schema version was found to be this.
fn writing(path: &Path, opening: Opening, found: i64) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(opening.synchronous)
        .foreign_keys(true)
        .busy_timeout(opening.busy_time)
        .pragma("journal_size_limit", WAL_BYTES_KEPT);
    // Said to an empty file it holds for ever; said again it would be a write for nothing.
    if found == 0 { options.auto_vacuum(SqliteAutoVacuum::Incremental) } else { options }
}

/// How a reader connects. Nothing here may write: even `auto_vacuum`, said again, waits for the write lock.
fn reading(path: &Path, opening: Opening) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(opening.busy_time).pragma("query_only", "ON")
}

/// Writes a consistent copy of a database that may be in use. The copy is made private before SQLite fills it.
pub(crate) async fn copy(from: &Path, to: PathBuf) -> Result<(), StoreError> {
    file::open_private(&to)?;
    let failed = |error| StoreError::from_sqlite(&to, Arc::new(error));
    let mut connection = SqliteConnectOptions::new()
        .filename(from)
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await
        .map_err(failed)?;
    let target = to.to_str().ok_or_else(|| StoreError::Backup {
        path: to.clone(),
        why: "is not UTF-8, which SQLite needs: choose another folder".to_owned(),
    })?;
    sqlx::query("VACUUM INTO ?").bind(target).execute(&mut connection).await.map_err(failed)?;
    sqlx::Connection::close(connection).await.map_err(failed)
}
