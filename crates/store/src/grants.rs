//! What people grant to clients: consents, codes, and the families of tokens that come of them.
//!
//! Each step is one transaction of the one writer, so of two that race one comes first, and the other sees it: a code is
//! redeemed once, a refresh token leads on once, and a revocation is a barrier that nothing under way passes.

mod codes;
mod families;

use callgate_model::Secret;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::error::Fault;
use crate::row;
use crate::store::Store;

pub(crate) use families::forget_ended;

pub use codes::{NewCode, Redeemed, Redemption};
pub use families::{FoundFamily, Refreshed, Refreshing};

/// A secret that the issuer hands out and knows again: its keyed hash under each pepper, the current one first.
pub(crate) type Hashes = Vec<[u8; 32]>;

// === impl Store ===

impl Store {
    /// The keyed hashes that a secret may be kept under, the current pepper's first.
    #[must_use]
    pub fn hashes_of(&self, secret: &Secret) -> Vec<[u8; 32]> {
        let peppers = self.peppers();
        let mut hashes = vec![crate::pepper::hash(&peppers.current, secret.expose())];
        let others = peppers.all.values().filter(|pepper| pepper.id != peppers.current.id);
        hashes.extend(others.map(|pepper| crate::pepper::hash(pepper, secret.expose())));
        hashes
    }

    /// Ends every session, code and family: what a restored store knows of them is what was true once.
    pub(crate) async fn grants_forget(&self) -> Result<(), crate::StoreError> {
        self.main
            .act(|connection| {
                Box::pin(async move {
                    for sql in ["DELETE FROM sessions", "DELETE FROM codes", "DELETE FROM families"] {
                        sqlx::query(sql).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The scopes that somebody agreed to give a client before; none where they were never asked.
    pub async fn consents_get(&self, user_id: i64, client_id: i64) -> Result<Option<Vec<String>>, crate::StoreError> {
        self.main.read(move |connection| Box::pin(consented(connection, user_id, client_id))).await
    }
}

async fn consented(
    connection: &mut SqliteConnection,
    user_id: i64,
    client_id: i64,
) -> Result<Option<Vec<String>>, Fault> {
    let sql = "SELECT scopes FROM consents WHERE user_id = ? AND client_id = ?";
    let found = sqlx::query(sql).bind(user_id).bind(client_id).fetch_optional(connection).await?;
    Ok(found.map(|found: SqliteRow| row::json(&found, "scopes")).transpose()?)
}

/// Takes out what a client that goes away holds and was granted.
pub(crate) async fn forget_client(connection: &mut SqliteConnection, client_id: i64) -> Result<(), Fault> {
    for sql in [
        "DELETE FROM codes WHERE client_id = ?",
        "DELETE FROM consents WHERE client_id = ?",
        "DELETE FROM families WHERE client_id = ?",
    ] {
        sqlx::query(sql).bind(client_id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Ends what clients hold of a client's families: its tokens are cut elsewhere.
pub(crate) async fn end_of_client(connection: &mut SqliteConnection, client_id: i64) -> Result<(), Fault> {
    sqlx::query("DELETE FROM codes WHERE client_id = ?").bind(client_id).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM families WHERE client_id = ?").bind(client_id).execute(&mut *connection).await?;
    Ok(())
}

fn bytes(row: &SqliteRow, column: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
    row.try_get(column)
}
