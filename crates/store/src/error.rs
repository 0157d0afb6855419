//! Everything that can go wrong in the store, one variant for each thing that a caller would do differently.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::file::FileError;

/// Why the store did not do as asked. Whatever it says, nothing was half done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the data folder.
    #[error(
        "the data folder `{}` is held by {}: stop it, or talk to it through its admin socket",
        folder.display(), holder(*.pid)
    )]
    Held {
        /// The data folder.
        folder: PathBuf,
        /// Who holds it, when the lock file says.
        pid: Option<u32>,
    },
    /// The file system said no.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder is open to other users and holds files that are not the store's, so closing it could hurt them.
    #[error(
        "`{}` is open to other users and holds other files (`{example}`): give the data a folder of its own",
        folder.display()
    )]
    FolderShared {
        /// The folder that was to be the data folder.
        folder: PathBuf,
        /// A name in it.
        example: String,
    },
    /// A secret can be read by others, so it may be one no more.
    #[error(
        "`{}` can be read by other users (mode {mode:03o}): if nobody did, `chmod 600` it; otherwise replace its keys",
        path.display()
    )]
    SecretExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret that keys were hashed with is gone or not as it was written.
    #[error("`{}` {why}: restore it from a backup; without it no key of this store can be verified", path.display())]
    SecretLost {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The database is gone, or only its beginning is left, though the secrets of its keys are here: it was lost, not new.
    #[error(
        "`{}` is missing or empty, but secrets of it are here, so it was lost: restore a backup into an empty folder; to \
         start anew without its consumers and keys, remove the data folder",
        file.display()
    )]
    DatabaseLost {
        /// The database.
        file: PathBuf,
    },
    /// A newer program wrote the database.
    #[error(
        "`{}` has schema version {found}, and this program knows versions up to {known}: run the newer callgate that \
         wrote it, or restore a backup made by this version into an empty folder",
        file.display()
    )]
    NewerSchema {
        /// The database.
        file: PathBuf,
        /// What it has.
        found: i64,
        /// What this program can read.
        known: i64,
    },
    /// A SQLite database, but of another program.
    #[error("`{}` is a database of another program: give callgate a data folder of its own", file.display())]
    NotOurs {
        /// The database.
        file: PathBuf,
    },
    /// Somebody else kept the database locked for longer than the busy time.
    #[error("`{}` stayed locked by another process: nothing was changed; end what holds it, then try again", file.display())]
    Busy {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        source: Said,
    },
    /// The disk is full.
    #[error(
        "the disk of `{}` is full, or a quota or limit of size is reached: nothing was changed; make room, then try again",
        file.display()
    )]
    Full {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        source: Said,
    },
    /// The database can be read but not written, or not even opened.
    #[error(
        "`{}` can't be written: nothing was changed; check its owner, its permissions, the disk, and limits of size",
        file.display()
    )]
    NotWritable {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        source: Said,
    },
    /// The file is no database, or a broken one.
    #[error("`{}` is damaged: restore a backup into an empty folder", file.display())]
    Damaged {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        source: Said,
    },
    /// Anything else that SQLite said.
    #[error("`{}` did not take it: nothing was changed", file.display())]
    Sqlite {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        source: Said,
    },
    /// The store was closed, or its writer ended.
    #[error("the store is closed")]
    Closed,
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// `consumer`, `key`, `admin token`.
        what: &'static str,
        /// As asked for.
        name: String,
    },
    /// There already is such a thing, or it is past the act.
    #[error("the {what} `{name}` {why}")]
    Conflict {
        /// `consumer`, `key`, `admin token`.
        what: &'static str,
        /// Its name or id.
        name: String,
        /// What stands in the way, and what to do instead.
        why: String,
    },
    /// A value that the store does not take.
    #[error("{what} `{value}`: {expected}")]
    Unfit {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// What it must be.
        expected: String,
    },
    /// A backup that can't be made or restored as asked.
    #[error("`{}` {why}", path.display())]
    Backup {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// What SQLite said, once: sqlx's own error says it and gives it as its source again.
#[derive(Debug)]
pub struct Said(Arc<sqlx::Error>);

/// What an act inside a transaction ends with when it does not end well: its own answer, or SQLite's.
#[derive(Debug)]
pub(crate) enum Fault {
    Refused(StoreError),
    Sqlite(Arc<sqlx::Error>),
}

// === impl StoreError ===

impl StoreError {
    pub(crate) fn not_found(what: &'static str, name: &(impl ToString + ?Sized)) -> StoreError {
        StoreError::NotFound { what, name: name.to_string() }
    }

    pub(crate) fn conflict(what: &'static str, name: &(impl ToString + ?Sized), why: impl Into<String>) -> StoreError {
        StoreError::Conflict { what, name: name.to_string(), why: why.into() }
    }

    pub(crate) fn unfit(
        what: &'static str,
        value: &(impl ToString + ?Sized),
        expected: impl Into<String>,
    ) -> StoreError {
        StoreError::Unfit { what, value: value.to_string(), expected: expected.into() }
    }

    /// Sorts SQLite's result codes (sqlite.org/rescode.html) by what a person would do about them.
    pub(crate) fn from_sqlite(file: &Path, error: Arc<sqlx::Error>) -> StoreError {
        /// The file beside the log could not be made as large as it must be: the first thing that fails on a full disk.
        const IOERR_SHMSIZE: u32 = 4874;
        /// A write failed for another reason than room: a quota, a limit of the process, the disk itself.
        const IOERR_WRITE: u32 = 778;
        let file = file.to_owned();
        let code = extended_code(&error);
        let source = Said(error);
        match (code, code.map(|code| code & 0xff)) {
            (Some(IOERR_SHMSIZE), _) | (_, Some(13)) => StoreError::Full { file, source },
            (Some(IOERR_WRITE), _) | (_, Some(3 | 8 | 14)) => StoreError::NotWritable { file, source },
            (_, Some(5 | 6)) => StoreError::Busy { file, source },
            (_, Some(11 | 26)) => StoreError::Damaged { file, source },
            _ => match *source.0 {
                sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => StoreError::Closed,
                _ => StoreError::Sqlite { file, source },
            },
        }
    }
}

fn extended_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

// === impl Said ===

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_database_error() {
            Some(said) => fmt::Display::fmt(said, formatter),
            None => fmt::Display::fmt(&self.0, formatter),
        }
    }
}

impl Error for Said {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if self.0.as_database_error().is_some() { None } else { self.0.source() }
    }
}

// === impl Fault ===

impl Fault {
    pub(crate) fn into_error(self, file: &Path) -> StoreError {
        match self {
            Fault::Refused(error) => error,
            Fault::Sqlite(source) => StoreError::from_sqlite(file, source),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Refused(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Fault {
        Fault::Sqlite(Arc::new(error))
    }
}
