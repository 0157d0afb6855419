//! Keys: what is kept of them, and what can be done to them.

mod insert;
mod rotate;

use callgate_model::{Consumer, Key, KeyId};
use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::consumers;
use crate::error::{Fault, StoreError};
use crate::row;
use crate::store::Store;

pub use insert::NewKey;

/// Every column, in one place, so that no query forgets one.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, consumer_id, label, hash, pepper_id, imported, scopes, apis, ips, not_before_ms, expires_ms, ",
            "revoked_ms, created_ms, last_used_ms, successor FROM keys ",
            $rest
        )
    };
}

// === impl Store ===

impl Store {
    /// Every consumer and every key as they are at one moment, the keys one by one: a million of them at once would take a
    /// gigabyte. Revoked and expired ones too: a caller is told which of these its key is.
    pub async fn keys_each<T>(
        &self,
        begin: impl FnOnce(Vec<Consumer>) -> T,
        each: impl FnMut(&mut T, Key),
    ) -> Result<T, StoreError> {
        let mut connection = self.main.reader().await?;
        each_key(&mut connection, begin, each).await.map_err(|fault| fault.into_error(self.main.file()))
    }

    /// The keys of a consumer, or of every one, oldest first.
    pub async fn keys_list(&self, consumer_id: Option<i64>) -> Result<Vec<Key>, StoreError> {
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let sql = select!("WHERE ?1 IS NULL OR consumer_id = ?1 ORDER BY created_ms, id");
                    let rows = sqlx::query(sql).bind(consumer_id).fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// The key with this id.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn keys_get(&self, id: KeyId) -> Result<Key, StoreError> {
        self.main.read(move |connection| Box::pin(async move { by_id(connection, id).await })).await
    }

    /// Revokes a key for good. A second time changes nothing and answers with the first time.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn keys_revoke(&self, actor: &Actor, id: KeyId) -> Result<Key, StoreError> {
        let (actor, now_ms) = (actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let mut key = by_id(connection, id).await?;
                    if key.revoked_ms.is_some() {
                        return Ok(key);
                    }
                    key.revoked_ms = Some(now_ms);
                    let update =
                        sqlx::query("UPDATE keys SET revoked_ms = ? WHERE id = ?").bind(now_ms).bind(id.as_str());
                    update.execute(&mut *connection).await?;
                    let consumer = crate::consumers::name_of(connection, key.consumer_id).await?;
                    let detail = json!({ "consumer": consumer });
                    Act { actor, act: "key.revoke", subject: id.to_string(), detail, at_ms: now_ms }
                        .write(connection)
                        .await?;
                    Ok(key)
                })
            })
            .await
    }

    /// Notes when keys were last used; an older moment than the noted one changes nothing, nor does an unknown key.
    pub async fn keys_touch(&self, used: Vec<(KeyId, i64)>) -> Result<(), StoreError> {
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE keys SET last_used_ms = max(coalesce(last_used_ms, 0), ?) WHERE id = ?";
                    for (id, at_ms) in used {
                        sqlx::query(sql).bind(at_ms).bind(id.as_str()).execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

async fn each_key<T>(
    connection: &mut SqliteConnection,
    begin: impl FnOnce(Vec<Consumer>) -> T,
    mut each: impl FnMut(&mut T, Key),
) -> Result<T, Fault> {
    let mut moment = connection.begin().await?;
    let mut into = begin(consumers::all(&mut moment).await?);
    let mut rows = sqlx::query(select!("")).fetch(&mut *moment);
    while let Some(row) = rows.try_next().await? {
        each(&mut into, from_row(&row)?);
    }
    drop(rows);
    moment.commit().await?;
    Ok(into)
}

pub(crate) async fn by_id(connection: &mut SqliteConnection, id: KeyId) -> Result<Key, Fault> {
    let row = sqlx::query(select!("WHERE id = ?")).bind(id.as_str()).fetch_optional(connection).await?;
    Ok(from_row(&row.ok_or_else(|| StoreError::not_found("key", &id))?)?)
}

/// The id in a row that has one.
pub(crate) fn id_in(row: &SqliteRow) -> Result<KeyId, sqlx::Error> {
    row::parsed(row, "id", KeyId::parse)
}

fn from_row(row: &SqliteRow) -> Result<Key, sqlx::Error> {
    let successor: Option<&str> = row.try_get("successor")?;
    Ok(Key {
        id: id_in(row)?,
        consumer_id: row.try_get("consumer_id")?,
        label: row.try_get("label")?,
        hash: row::bytes_32(row, "hash")?,
        pepper_id: row.try_get("pepper_id")?,
        imported: row.try_get("imported")?,
        scopes: row::json(row, "scopes")?,
        apis: row::json(row, "apis")?,
        ips: row::json(row, "ips")?,
        not_before_ms: row.try_get("not_before_ms")?,
        expires_ms: row.try_get("expires_ms")?,
        revoked_ms: row.try_get("revoked_ms")?,
        created_ms: row.try_get("created_ms")?,
        last_used_ms: row.try_get("last_used_ms")?,
        successor: successor.and_then(KeyId::parse),
    })
}
