//! Schemas with a number, so that an old program never writes into a newer database.

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection};

use crate::error::{Fault, StoreError};

/// What a database file must look like. Its version is the count of migrations, kept in `PRAGMA user_version`.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The file's name in the data folder.
    pub(crate) file: &'static str,
    /// Marks the file as ours (`PRAGMA application_id`).
    application_id: i64,
    /// In order; once released, none is ever changed.
    migrations: &'static [&'static str],
}

/// What the gate issued.
pub(crate) static MAIN: Schema = Schema {
    file: crate::MAIN_FILE,
    application_id: 0x4347_4d31,
    migrations: &[
        include_str!("../../migrations/main/0001_issued.sql"),
        include_str!("../../migrations/main/0002_tokens.sql"),
        include_str!("../../migrations/main/0003_people.sql"),
    ],
};

/// What the gate saw.
pub(crate) static CALLS: Schema = Schema {
    file: crate::CALLS_FILE,
    application_id: 0x4347_4331,
    migrations: &[include_str!("../../migrations/calls/0001_recent.sql")],
};

// === impl Schema ===

impl Schema {
    /// The version that this program writes.
    pub(crate) fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// The version that a file has, once it is known that it is ours and not too new. Asked on a connection that writes
    /// nothing: a file that is refused stays as it was, to the byte.
    pub(super) async fn found(&self, path: &Path) -> Result<i64, StoreError> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(crate::store::BUSY_TIME);
        let looked = async {
            let mut connection = options.connect().await?;
            let found = self.check(path, &mut connection).await?;
            connection.close().await?;
            Ok(found)
        };
        looked.await.map_err(|fault: Fault| fault.into_error(path))
    }

    /// Runs the migrations that are missing, each in a transaction together with its number.
    pub(super) async fn bring_up_to_date(
        &self,
        path: &Path,
        found: i64,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let missing = self.migrations.iter().zip(1_i64..).skip_while(|(_, version)| *version <= found);
        for (migration, version) in missing {
            let script = format!(
                "BEGIN IMMEDIATE;\n{migration};\nPRAGMA application_id = {};\nPRAGMA user_version = {version};\nCOMMIT;",
                self.application_id
            );
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *connection).await {
                return Err(StoreError::from_sqlite(path, Arc::new(error)));
            }
            tracing::debug!(file = self.file, version, "migrated");
        }
        Ok(())
    }

    /// The version found, once it is known that we may go on.
    async fn check(&self, path: &Path, connection: &mut SqliteConnection) -> Result<i64, Fault> {
        let found: i64 = pragma(connection, "PRAGMA user_version").await?;
        let owner: i64 = pragma(connection, "PRAGMA application_id").await?;
        let objects: i64 = pragma(connection, "SELECT count(*) FROM sqlite_schema").await?;
        let fresh = found == 0 && owner == 0 && objects == 0;
        if !fresh && owner != self.application_id {
            return Err(StoreError::NotOurs { file: path.to_owned() }.into());
        }
        if found > self.version() {
            return Err(StoreError::NewerSchema { file: path.to_owned(), found, known: self.version() }.into());
        }
        Ok(found)
    }
}

async fn pragma(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query(sql).fetch_one(connection).await?.try_get(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    static FIRST: Schema =
        Schema { file: "t.db", application_id: 7, migrations: &["CREATE TABLE a (x); INSERT INTO a VALUES (1)"] };
    static SECOND: Schema = Schema {
        file: "t.db",
        application_id: 7,
        migrations: &["CREATE TABLE a (x); INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN y DEFAULT 5"],
    };
    static BROKEN: Schema = Schema {
        file: "t.db",
        application_id: 7,
        migrations: &["", "", "CREATE TABLE b (x); INSERT INTO nothing VALUES (1)"],
    };

    /// Opens a file as one version of the program would, and says which version it then has.
    async fn open(path: &Path, schema: &'static Schema) -> Result<i64, StoreError> {
        crate::file::open_private(path)?;
        let found = schema.found(path).await?;
        let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let done = schema.bring_up_to_date(path, found, &mut connection).await;
        connection.close().await.unwrap();
        done?;
        schema.found(path).await
    }

    #[tokio::test]
    async fn a_database_grows_with_its_program_and_never_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        assert_eq!(open(&path, &FIRST).await.unwrap(), 1);
        assert_eq!(open(&path, &FIRST).await.unwrap(), 1, "a second time changes nothing");
        assert_eq!(open(&path, &SECOND).await.unwrap(), 2);
        let error = open(&path, &FIRST).await.unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 2, known: 1, .. }), "{error}");

        open(&path, &BROKEN).await.unwrap_err();
        let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        let kept = pragma(&mut connection, "SELECT x + y FROM a").await.unwrap();
        let tables = pragma(&mut connection, "SELECT count(*) FROM sqlite_schema").await.unwrap();
        assert_eq!((kept, tables), (6, 1), "half a migration is none");
        assert_eq!(open(&path, &SECOND).await.unwrap(), 2);
    }
}
