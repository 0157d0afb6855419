//! Access tokens: which were issued, and which of them are dead.
//!
//! A token's row is committed before the token is signed, so no token exists that the store does not know. Its number only
//! grows; a revocation is one row that says "up to here", whatever the clocks say.

use callgate_model::{Cut, Family, Token, TokensOf, bounds};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::error::{Fault, StoreError};
use crate::store::Store;
use crate::{grants, row};

/// A token about to be issued.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// To which client.
    pub client_id: i64,
    /// On whose behalf, and of which family, when a person signed in.
    pub user_and_family: Option<(i64, i64)>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Whom it is for.
    pub audience: String,
    /// From when it is not valid any more, Unix milliseconds.
    pub expires_ms: i64,
}

/// How many expired rows each new token takes along, so that their table never grows and no single act pays for all.
const EXPIRED_TAKEN_ALONG: i64 = 8;

// === impl NewToken ===

impl NewToken {
    /// A token of a family, for all of its scopes or for some.
    pub(crate) fn of_family(family: &Family, scopes: Option<Vec<String>>, expires_ms: i64) -> NewToken {
        NewToken {
            client_id: family.client_id,
            user_and_family: Some((family.user_id, family.id)),
            scopes: scopes.unwrap_or_else(|| family.scopes.clone()),
            audience: family.audience.clone(),
            expires_ms,
        }
    }
}

// === impl Store ===

impl Store {
    /// Notes a token, and gives it its number. It may be signed when this has returned.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a client that is gone.
    pub async fn tokens_issue(&self, new: NewToken) -> Result<Token, StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let client = sqlx::query("SELECT 1 FROM clients WHERE id = ?").bind(new.client_id);
                    if client.fetch_optional(&mut *connection).await?.is_none() {
                        return Err(StoreError::not_found("client", &new.client_id).into());
                    }
                    insert(connection, new, now_ms).await
                })
            })
            .await
    }

    /// The tokens that are valid now, of a client or of every one, newest first; at most `limit`.
    pub async fn tokens_list(&self, client_id: Option<i64>, limit: u32) -> Result<Vec<Token>, StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let sql = "SELECT number, client_id, user_id, family_id, scopes, audience, issued_ms, expires_ms FROM tokens \
                               WHERE (?1 IS NULL OR client_id = ?1) AND expires_ms > ?2 AND NOT EXISTS ( \
                               SELECT 1 FROM cuts WHERE up_to >= number AND (kind = 'token' AND subject = number \
                               OR kind = 'client' AND subject = client_id OR kind = 'user' AND subject = user_id \
                               OR kind = 'family' AND subject = family_id)) ORDER BY number DESC LIMIT ?3";
                    let rows = sqlx::query(sql).bind(client_id).bind(now_ms).bind(limit).fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// Revokes a token, or all of a client so far, with what it could get others by. `name` is what the audit log calls the subject.
    pub async fn tokens_revoke(&self, actor: &Actor, of: TokensOf, name: &str) -> Result<Cut, StoreError> {
        let (actor, name, now_ms) = (actor.clone(), name.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    if let TokensOf::Client(client_id) = of {
                        grants::end_of_client(connection, client_id).await?;
                    }
                    let cut = cut(connection, of, now_ms).await?;
                    let detail = json!({ of.parts().0: of.parts().1, "tokens_up_to": cut.up_to });
                    Act { actor, act: "token.revoke", subject: name, detail, at_ms: now_ms }.write(connection).await?;
                    Ok(cut)
                })
            })
            .await
    }

    /// The client of the token with this number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]: it was never issued, or has ended so long ago that nothing of it is left.
    pub async fn tokens_client(&self, number: i64) -> Result<String, StoreError> {
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let sql = "SELECT name FROM clients JOIN tokens ON clients.id = client_id WHERE number = ?";
                    let row = sqlx::query(sql).bind(number).fetch_optional(connection).await?;
                    Ok(row.ok_or_else(|| StoreError::not_found("token", &number))?.try_get(0)?)
                })
            })
            .await
    }

    /// Every revocation that a living token may still run into.
    pub async fn cuts_all(&self) -> Result<Vec<Cut>, StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let sql = "SELECT kind, subject, up_to, until_ms FROM cuts WHERE until_ms > ?";
                    let rows = sqlx::query(sql).bind(now_ms).fetch_all(connection).await?;
                    Ok(rows.iter().map(cut_from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }
}

/// The highest number that a token ever had.
pub(crate) async fn last_number(connection: &mut SqliteConnection) -> Result<i64, Fault> {
    let row = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = 'tokens'").fetch_optional(connection).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get(0))?)
}

/// Notes a token of a client that is there, and takes a few along that are over.
pub(crate) async fn insert(connection: &mut SqliteConnection, new: NewToken, now_ms: i64) -> Result<Token, Fault> {
    forget_expired(connection, now_ms).await?;
    grants::forget_ended(connection, now_ms, EXPIRED_TAKEN_ALONG).await?;
    let NewToken { client_id, user_and_family, scopes, audience, expires_ms } = new;
    let (user_id, family_id) = user_and_family.unzip();
    let sql = "INSERT INTO tokens (client_id, user_id, family_id, scopes, audience, issued_ms, expires_ms) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    let insert =
        sqlx::query(sql).bind(client_id).bind(user_id).bind(family_id).bind(row::to_json(&scopes)?).bind(&audience);
    let number = insert.bind(now_ms).bind(expires_ms).execute(connection).await?.last_insert_rowid();
    Ok(Token { number, client_id, user_id, family_id, scopes, audience, issued_ms: now_ms, expires_ms })
}

/// The same for every client.
pub(crate) async fn cut_every_client(connection: &mut SqliteConnection, now_ms: i64) -> Result<Vec<Cut>, Fault> {
    let clients = sqlx::query("SELECT id FROM clients").fetch_all(&mut *connection).await?;
    let mut cuts = Vec::with_capacity(clients.len());
    for row in &clients {
        cuts.push(cut(connection, TokensOf::Client(row.try_get(0)?), now_ms).await?);
    }
    Ok(cuts)
}

/// Kills every token of a subject so far. A cut only ever grows.
pub(crate) async fn cut(connection: &mut SqliteConnection, of: TokensOf, now_ms: i64) -> Result<Cut, Fault> {
    let up_to = match of {
        TokensOf::Token(number) => number,
        TokensOf::Client(_) | TokensOf::User(_) | TokensOf::Family(_) => last_number(connection).await?,
    };
    // No token lives longer than this, whatever was written beside it when it was issued.
    let lifetime_ms = i64::try_from(bounds::TOKEN_LIFETIME.as_millis()).unwrap_or(i64::MAX);
    let kept_ms = i64::try_from(bounds::CUT_KEPT.as_millis()).unwrap_or(i64::MAX);
    let until_ms = now_ms.saturating_add(lifetime_ms).saturating_add(kept_ms);
    let (kind, subject) = of.parts();
    let sql = "INSERT INTO cuts (kind, subject, up_to, until_ms) VALUES (?, ?, ?, ?) \
               ON CONFLICT (kind, subject) DO UPDATE SET up_to = max(up_to, excluded.up_to), \
               until_ms = max(until_ms, excluded.until_ms) RETURNING kind, subject, up_to, until_ms";
    let insert = sqlx::query(sql).bind(kind).bind(subject).bind(up_to).bind(until_ms);
    Ok(cut_from_row(&insert.fetch_one(connection).await?)?)
}

async fn forget_expired(connection: &mut SqliteConnection, now_ms: i64) -> Result<(), Fault> {
    let sql = "DELETE FROM tokens WHERE number IN (SELECT number FROM tokens WHERE expires_ms <= ? LIMIT ?)";
    sqlx::query(sql).bind(now_ms).bind(EXPIRED_TAKEN_ALONG).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM cuts WHERE until_ms <= ?").bind(now_ms).execute(connection).await?;
    Ok(())
}

fn from_row(row: &SqliteRow) -> Result<Token, sqlx::Error> {
    Ok(Token {
        number: row.try_get("number")?,
        client_id: row.try_get("client_id")?,
        user_id: row.try_get("user_id")?,
        family_id: row.try_get("family_id")?,
        scopes: row::json(row, "scopes")?,
        audience: row.try_get("audience")?,
        issued_ms: row.try_get("issued_ms")?,
        expires_ms: row.try_get("expires_ms")?,
    })
}

fn cut_from_row(row: &SqliteRow) -> Result<Cut, sqlx::Error> {
    let subject = row.try_get("subject")?;
    Ok(Cut {
        of: row::parsed(row, "kind", |kind| TokensOf::from_parts(kind, subject))?,
        up_to: row.try_get("up_to")?,
        until_ms: row.try_get("until_ms")?,
    })
}
