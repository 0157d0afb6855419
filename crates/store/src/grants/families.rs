//! Families: what one person granted one client by one code, led on by a refresh token that is worth one answer.
//!
//! A family remembers two texts only, the token that is good and the one before it, however often it was led on: every token
//! of it begins with the same handle, so that an older one is known for what it is without a row of its own (decision 0075).

use callgate_model::{Cut, Family, Token, TokensOf, User, bounds};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{Hashes, bytes};
use crate::audit::{Act, Actor};
use crate::error::{Fault, StoreError};
use crate::store::Store;
use crate::tokens::{self, NewToken};
use crate::{row, users};

/// A client that brings a refresh token.
#[derive(Debug, Clone)]
pub struct Refreshing {
    /// The keyed hashes of the handle that the token begins with.
    pub handle: Hashes,
    /// Those of the whole token.
    pub presented: Hashes,
    /// That of the token that takes its place.
    pub successor: [u8; 32],
    /// Which client.
    pub client_id: i64,
    /// What the access token shall be able to do, if less than was granted.
    pub scopes: Option<Vec<String>>,
    /// Whom it says that tokens are for, if it says so.
    pub audience: Option<String>,
    /// The thumbprint of the key that the client proves to hold.
    pub key: Option<String>,
    /// Until when the access token is valid, Unix milliseconds.
    pub expires_ms: i64,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// It was good; its successor is.
    Issued {
        /// By whom it was granted.
        user: User,
        /// The access token.
        token: Token,
    },
    /// It was used before, or by somebody else too: the family is dead by this cut.
    Reused(Cut),
    /// None, over, or another client's. Why, for the operator.
    Refused(&'static str),
    /// More than was granted is asked for; the token is as good as before.
    ScopeExceeded,
    /// Another resource than was granted; likewise.
    OtherAudience,
}

/// A refresh token that is looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFamily {
    /// Its family.
    pub family: Family,
    /// By whom it was granted.
    pub user: User,
    /// It is the one that is good.
    pub is_current: bool,
}

/// Every column, in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, current, rotated, rotated_ms, key, client_id, user_id, scopes, audience, created_ms, used_ms, ends_ms \
             FROM families ",
            $rest
        )
    };
}

// === impl Store ===

impl Store {
    /// Takes a refresh token for its successor and an access token.
    ///
    /// # Errors
    /// What SQLite says; the token is as good as before then.
    pub async fn families_refresh(&self, asked: Refreshing) -> Result<Refreshed, StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main.act(move |connection| Box::pin(refresh(connection, asked, now_ms))).await
    }

    /// The family that a refresh token is of, by the keyed hashes of its handle and of its whole; while it lives.
    pub async fn families_find(
        &self,
        handle: Vec<[u8; 32]>,
        whole: Vec<[u8; 32]>,
    ) -> Result<Option<FoundFamily>, StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let Some(row) = by_handle(connection, &handle).await? else { return Ok(None) };
                    let family = from_row(&row)?;
                    let Some(user) = users::enabled(connection, family.user_id).await? else { return Ok(None) };
                    let is_current = is_one(bytes(&row, "current")?, &whole);
                    Ok((!is_over(&family, now_ms)).then_some(FoundFamily { family, user, is_current }))
                })
            })
            .await
    }

    /// Ends a family. One that is over already is as good.
    pub async fn families_revoke(&self, actor: &Actor, family: &Family) -> Result<Cut, StoreError> {
        let (actor, id, client_id, now_ms) = (actor.clone(), family.id, family.client_id, self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let subject = crate::clients::name_of(connection, client_id).await?;
                    end(connection, id, now_ms, actor, subject, "its client gave it up").await
                })
            })
            .await
    }
}

async fn refresh(connection: &mut SqliteConnection, asked: Refreshing, now_ms: i64) -> Result<Refreshed, Fault> {
    let Some(row) = by_handle(connection, &asked.handle).await? else {
        return Ok(Refreshed::Refused("no refresh token, or one of a family that is over"));
    };
    let family = from_row(&row)?;
    if family.client_id != asked.client_id {
        return Ok(Refreshed::Refused("another client's refresh token"));
    }
    if row.try_get::<Option<String>, _>("key")?.is_some_and(|key| asked.key.as_ref() != Some(&key)) {
        return Ok(Refreshed::Refused("without a proof of the key that the family is bound to"));
    }
    if is_over(&family, now_ms) {
        sqlx::query("DELETE FROM families WHERE id = ?").bind(family.id).execute(&mut *connection).await?;
        return Ok(Refreshed::Refused("of a family that was not used for too long, or is too old"));
    }
    let Some(user) = users::enabled(connection, family.user_id).await? else {
        return Ok(Refreshed::Refused("of an account that is disabled or gone"));
    };
    let rotated_ms: Option<i64> = row.try_get("rotated_ms")?;
    let again_ms = i64::try_from(bounds::REFRESH_AGAIN_WITHIN.as_millis()).unwrap_or(i64::MAX);
    let is_current = is_one(bytes(&row, "current")?, &asked.presented);
    // Nobody has used its successor: otherwise that would be the one before the current one. An answer was lost, or two
    // asked at once; the successor that may be in wrong hands dies.
    let is_again = is_one(bytes(&row, "rotated")?, &asked.presented)
        && rotated_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) <= again_ms);
    if !is_current && !is_again {
        let subject = crate::clients::name_of(connection, family.client_id).await?;
        let cut = end(connection, family.id, now_ms, Actor::Local, subject, "a refresh token was used twice").await?;
        return Ok(Refreshed::Reused(cut));
    }
    if asked.scopes.as_ref().is_some_and(|scopes| scopes.iter().any(|scope| !family.scopes.contains(scope))) {
        return Ok(Refreshed::ScopeExceeded);
    }
    if asked.audience.as_ref().is_some_and(|audience| *audience != family.audience) {
        return Ok(Refreshed::OtherAudience);
    }
    if is_current {
        let sql = "UPDATE families SET rotated = current, rotated_ms = ?1, current = ?2, used_ms = ?1 WHERE id = ?3";
        sqlx::query(sql).bind(now_ms).bind(asked.successor.to_vec()).bind(family.id).execute(&mut *connection).await?;
    } else {
        // The ten seconds run from the first time, or a thief could hold them open.
        let sql = "UPDATE families SET current = ? WHERE id = ?";
        sqlx::query(sql).bind(asked.successor.to_vec()).bind(family.id).execute(&mut *connection).await?;
    }
    let token =
        tokens::insert(connection, NewToken::of_family(&family, asked.scopes, asked.expires_ms), now_ms).await?;
    Ok(Refreshed::Issued { user, token })
}

async fn end(
    connection: &mut SqliteConnection,
    id: i64,
    now_ms: i64,
    actor: Actor,
    subject: String,
    why: &str,
) -> Result<Cut, Fault> {
    sqlx::query("DELETE FROM families WHERE id = ?").bind(id).execute(&mut *connection).await?;
    let cut = tokens::cut(connection, TokensOf::Family(id), now_ms).await?;
    let detail = json!({ "family": id, "why": why });
    Act { actor, act: "family.revoke", subject, detail, at_ms: now_ms }.write(connection).await?;
    Ok(cut)
}

/// Takes a few families along that are over: see [`tokens::insert`].
pub(crate) async fn forget_ended(connection: &mut SqliteConnection, now_ms: i64, limit: i64) -> Result<(), Fault> {
    let sql = "DELETE FROM families WHERE id IN (SELECT id FROM families WHERE ends_ms <= ? LIMIT ?)";
    sqlx::query(sql).bind(now_ms).bind(limit).execute(connection).await?;
    Ok(())
}

async fn by_handle(connection: &mut SqliteConnection, handle: &Hashes) -> Result<Option<SqliteRow>, Fault> {
    for hash in handle {
        let found =
            sqlx::query(select!("WHERE handle = ?")).bind(hash.to_vec()).fetch_optional(&mut *connection).await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Both are keyed hashes: how long a comparison takes tells nothing about a token.
fn is_one(kept: Option<Vec<u8>>, presented: &Hashes) -> bool {
    kept.is_some_and(|kept| presented.iter().any(|hash| kept == hash))
}

fn is_over(family: &Family, now_ms: i64) -> bool {
    let idle_ms = i64::try_from(bounds::REFRESH_IDLE_MAX.as_millis()).unwrap_or(i64::MAX);
    now_ms >= family.ends_ms || now_ms.saturating_sub(family.used_ms) >= idle_ms
}

fn from_row(row: &SqliteRow) -> Result<Family, sqlx::Error> {
    Ok(Family {
        id: row.try_get("id")?,
        client_id: row.try_get("client_id")?,
        user_id: row.try_get("user_id")?,
        scopes: row::json(row, "scopes")?,
        audience: row.try_get("audience")?,
        created_ms: row.try_get("created_ms")?,
        used_ms: row.try_get("used_ms")?,
        ends_ms: row.try_get("ends_ms")?,
    })
}
