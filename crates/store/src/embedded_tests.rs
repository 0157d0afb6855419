//! What only the embedded store has: files, locks, a disk that fills up, a past that somebody edited.

mod backing_up;
mod leases;
mod opening;
mod tampering;
mod trouble;

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::MAIN_FILE;

/// A connection that knows nothing of the store's rules.
pub(crate) async fn raw(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(folder.join(MAIN_FILE)).create_if_missing(true).connect().await.unwrap()
}

/// Runs statements on it.
pub(crate) async fn run(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}
