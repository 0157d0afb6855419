//! Browsers in which somebody signed in.

use callgate_model::{Session, User, bounds};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::error::{Fault, StoreError};
use crate::store::Store;
use crate::users;

/// A session about to begin.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// [`crate::pepper::hash`] of the cookie's value.
    pub hash: [u8; 32],
    /// Whose.
    pub user_id: i64,
    /// The address that signs in.
    pub address: String,
    /// What its browser calls itself.
    pub agent: String,
}

/// A use is written down when the last one written is older: a page that is reloaded is no act each time.
const USED_EVERY_MS: i64 = 60_000;

// === impl Store ===

impl Store {
    /// Begins a session, and ends the one that the browser had before (by one of these hashes), and the oldest of too many.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the account is gone or disabled.
    pub async fn sessions_begin(&self, new: NewSession, before: Vec<[u8; 32]>) -> Result<Session, StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = users::enabled(connection, new.user_id).await?;
                    let user = user.ok_or_else(|| StoreError::not_found("user", &new.user_id))?;
                    for hash in before {
                        let end = sqlx::query("DELETE FROM sessions WHERE hash = ?").bind(hash.to_vec());
                        end.execute(&mut *connection).await?;
                    }
                    let (idle_since, begun_since) = living(now_ms);
                    let sql = "DELETE FROM sessions WHERE used_ms <= ? OR created_ms <= ?";
                    sqlx::query(sql).bind(idle_since).bind(begun_since).execute(&mut *connection).await?;
                    let sql = "DELETE FROM sessions WHERE user_id = ?1 AND id NOT IN ( \
                               SELECT id FROM sessions WHERE user_id = ?1 ORDER BY used_ms DESC, id DESC LIMIT ?2)";
                    let kept = bounds::SESSIONS_PER_USER_MAX - 1;
                    sqlx::query(sql).bind(user.id).bind(kept).execute(&mut *connection).await?;
                    let sql = "INSERT INTO sessions (hash, user_id, address, agent, created_ms, used_ms) VALUES (?, ?, ?, ?, ?, ?)";
                    let insert = sqlx::query(sql).bind(new.hash.to_vec()).bind(user.id).bind(&new.address).bind(&new.agent);
                    let done = insert.bind(now_ms).bind(now_ms).execute(&mut *connection).await?;
                    let detail = json!({ "address": new.address });
                    let actor = Actor::User(user.name.clone());
                    Act { actor, act: "user.sign_in", subject: user.name, detail, at_ms: now_ms }.write(connection).await?;
                    let NewSession { user_id, address, agent, .. } = new;
                    let id = done.last_insert_rowid();
                    Ok(Session { id, user_id, address, agent, created_ms: now_ms, used_ms: now_ms })
                })
            })
            .await
    }

    /// The session with one of these hashes and whose it is, while it lives and its account may sign in.
    pub async fn sessions_find(&self, hashes: Vec<[u8; 32]>) -> Result<Option<(Session, User)>, StoreError> {
        let now_ms = self.clock().unix_ms();
        let found = self
            .main
            .read(move |connection| {
                Box::pin(async move {
                    for hash in hashes {
                        if let Some(session) = by_hash(connection, hash, now_ms).await?
                            && let Some(user) = users::enabled(connection, session.user_id).await?
                        {
                            return Ok(Some((session, user)));
                        }
                    }
                    Ok(None)
                })
            })
            .await?;
        if let Some((session, _)) = &found
            && now_ms - session.used_ms >= USED_EVERY_MS
        {
            self.sessions_used(session.id, now_ms).await?;
        }
        Ok(found)
    }

    async fn sessions_used(&self, id: i64, now_ms: i64) -> Result<(), StoreError> {
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let update = sqlx::query("UPDATE sessions SET used_ms = ? WHERE id = ?").bind(now_ms).bind(id);
                    update.execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Ends the sessions with these hashes: somebody signs out. One that is over already is as good.
    pub async fn sessions_end(&self, hashes: Vec<[u8; 32]>) -> Result<(), StoreError> {
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    for hash in hashes {
                        let end = sqlx::query("DELETE FROM sessions WHERE hash = ?").bind(hash.to_vec());
                        end.execute(&mut *connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Somebody's sessions, the one used last first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<Session>, StoreError> {
        let (name, now_ms) = (user.to_owned(), self.clock().unix_ms());
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let user = users::by_name(connection, &name).await?;
                    let (idle_since, begun_since) = living(now_ms);
                    let sql = "SELECT id, user_id, address, agent, created_ms, used_ms FROM sessions \
                               WHERE user_id = ? AND used_ms > ? AND created_ms > ? ORDER BY used_ms DESC, id DESC";
                    let query = sqlx::query(sql).bind(user.id).bind(idle_since).bind(begun_since);
                    Ok(query.fetch_all(connection).await?.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// Ends every session of somebody; tokens live on. Answers how many there were.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn sessions_end_of(&self, actor: &Actor, user: &str) -> Result<(User, u64), StoreError> {
        let (actor, name, now_ms) = (actor.clone(), user.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = users::by_name(connection, &name).await?;
                    let end = sqlx::query("DELETE FROM sessions WHERE user_id = ?").bind(user.id);
                    let ended = end.execute(&mut *connection).await?.rows_affected();
                    let detail = json!({ "sessions": ended });
                    Act { actor, act: "user.sign_out", subject: name, detail, at_ms: now_ms }.write(connection).await?;
                    Ok((user, ended))
                })
            })
            .await
    }
}

/// The moments since which a session must have been used and begun.
fn living(now_ms: i64) -> (i64, i64) {
    let before = |time: std::time::Duration| now_ms.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    (before(bounds::SESSION_IDLE_MAX), before(bounds::SESSION_LIFETIME))
}

async fn by_hash(connection: &mut SqliteConnection, hash: [u8; 32], now_ms: i64) -> Result<Option<Session>, Fault> {
    let (idle_since, begun_since) = living(now_ms);
    let sql = "SELECT id, user_id, address, agent, created_ms, used_ms FROM sessions \
               WHERE hash = ? AND used_ms > ? AND created_ms > ?";
    let query = sqlx::query(sql).bind(hash.to_vec()).bind(idle_since).bind(begun_since);
    Ok(query.fetch_optional(connection).await?.as_ref().map(from_row).transpose()?)
}

fn from_row(row: &SqliteRow) -> Result<Session, sqlx::Error> {
    Ok(Session {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        address: row.try_get("address")?,
        agent: row.try_get("agent")?,
        created_ms: row.try_get("created_ms")?,
        used_ms: row.try_get("used_ms")?,
    })
}
