//! Codes: what a browser carries from the person who agreed to the client that asked.

use callgate_model::{Cut, Family, Token, TokensOf, User, bounds};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::{Hashes, consented};
use crate::audit::{Act, Actor};
use crate::error::{Fault, StoreError};
use crate::store::Store;
use crate::tokens::{self, NewToken};
use crate::{row, users};

/// A code about to be given out.
#[derive(Debug, Clone)]
pub struct NewCode {
    /// Its keyed hash.
    pub hash: [u8; 32],
    /// For which client.
    pub client_id: i64,
    /// On whose behalf.
    pub user_id: i64,
    /// The address that it is sent to.
    pub redirect: String,
    /// What the client must prove to know the verifier of (RFC 7636, S256).
    pub challenge: String,
    /// What is granted.
    pub scopes: Vec<String>,
    /// Whom tokens are for, when the client said.
    pub audience: Option<String>,
    /// The person was asked just now: the answer is kept.
    pub agreed: bool,
}

/// A client that brings a code back.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// The code's keyed hashes.
    pub code: Hashes,
    /// Which client.
    pub client_id: i64,
    /// The address that it says the code was sent to, if it says one.
    pub redirect: Option<String>,
    /// The challenge of the verifier that it shows.
    pub challenge: String,
    /// Whom it says that tokens are for, if it says so.
    pub audience: Option<String>,
    /// Whom they are for when nobody said.
    pub audience_default: String,
    /// The handle's and the whole refresh token's keyed hash, for a client that gets one.
    pub refresh: Option<([u8; 32], [u8; 32])>,
    /// The thumbprint of a key that refresh tokens are bound to: a public client's, which has nothing else to prove that it
    /// is itself (RFC 9449 section 5).
    pub key: Option<String>,
    /// Until when the access token is valid, Unix milliseconds.
    pub expires_ms: i64,
}

/// What became of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// It was good, and is used up.
    Issued {
        /// By whom it was granted.
        user: User,
        /// The first access token.
        token: Token,
    },
    /// It was used before: somebody has a copy. All that came of it is dead by this cut.
    Replayed(Cut),
    /// None, over, or not this client's; it is worth nothing any more. Why, for the operator.
    Refused(&'static str),
}

// === impl Store ===

impl Store {
    /// Notes a code, and what the person agreed to.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the client or the account is gone or disabled.
    pub async fn codes_issue(&self, new: NewCode) -> Result<(), StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = users::enabled(connection, new.user_id).await?;
                    let user = user.ok_or_else(|| StoreError::not_found("user", &new.user_id))?;
                    let client = crate::clients::name_of(connection, new.client_id).await?;
                    sqlx::query("DELETE FROM codes WHERE expires_ms <= ?").bind(now_ms).execute(&mut *connection).await?;
                    let lifetime_ms = i64::try_from(bounds::CODE_LIFETIME.as_millis()).unwrap_or(i64::MAX);
                    let sql = "INSERT INTO codes (hash, client_id, user_id, redirect, challenge, scopes, audience, expires_ms) \
                               VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
                    let insert = sqlx::query(sql).bind(new.hash.to_vec()).bind(new.client_id).bind(new.user_id);
                    let insert = insert.bind(&new.redirect).bind(&new.challenge).bind(row::to_json(&new.scopes)?);
                    let insert = insert.bind(&new.audience).bind(now_ms.saturating_add(lifetime_ms));
                    insert.execute(&mut *connection).await?;
                    if new.agreed {
                        remember(connection, &user, &client, &new, now_ms).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Takes a code for what it is worth, once.
    ///
    /// # Errors
    /// What SQLite says; the code is as good as before then.
    pub async fn codes_redeem(&self, asked: Redemption) -> Result<Redeemed, StoreError> {
        let now_ms = self.clock().unix_ms();
        self.main.act(move |connection| Box::pin(redeem(connection, asked, now_ms))).await
    }
}

async fn redeem(connection: &mut SqliteConnection, asked: Redemption, now_ms: i64) -> Result<Redeemed, Fault> {
    for hash in &asked.code {
        // Whatever is wrong with who brings it, it was in the wrong hands, and is used up.
        let sql = "DELETE FROM codes WHERE hash = ? RETURNING client_id, user_id, redirect, challenge, scopes, audience, expires_ms";
        if let Some(row) = sqlx::query(sql).bind(hash.to_vec()).fetch_optional(&mut *connection).await? {
            let user = users::enabled(connection, row.try_get("user_id")?).await?;
            return match (judge(&row, &asked, now_ms)?, user) {
                (Some(why), _) => Ok(Redeemed::Refused(why)),
                (None, None) => Ok(Redeemed::Refused("of an account that is disabled or gone")),
                (None, Some(user)) => begin(connection, &row, *hash, asked, user, now_ms).await,
            };
        }
        let sql = "DELETE FROM families WHERE code = ? RETURNING id, client_id";
        if let Some(row) = sqlx::query(sql).bind(hash.to_vec()).fetch_optional(&mut *connection).await? {
            let family: i64 = row.try_get("id")?;
            let cut = tokens::cut(connection, TokensOf::Family(family), now_ms).await?;
            let subject = crate::clients::name_of(connection, row.try_get("client_id")?).await?;
            let detail = json!({ "family": family, "why": "its code was used twice" });
            Act { actor: Actor::Local, act: "family.revoke", subject, detail, at_ms: now_ms }.write(connection).await?;
            return Ok(Redeemed::Replayed(cut));
        }
    }
    Ok(Redeemed::Refused("no code, or one that is long over"))
}

/// What is wrong with who brings a code, or when.
fn judge(row: &SqliteRow, asked: &Redemption, now_ms: i64) -> Result<Option<&'static str>, sqlx::Error> {
    let (redirect, audience): (String, Option<String>) = (row.try_get("redirect")?, row.try_get("audience")?);
    // What is compared is a hash of a secret, and the code is gone whatever comes of it: time tells nothing that can be used.
    Ok(if row.try_get::<i64, _>("client_id")? != asked.client_id {
        Some("another client's code")
    } else if row.try_get::<i64, _>("expires_ms")? <= now_ms {
        Some("a code that has expired")
    } else if row.try_get::<String, _>("challenge")? != asked.challenge {
        Some("not with the verifier of its challenge")
    } else if asked.redirect.as_ref().is_some_and(|named| *named != redirect) {
        Some("with another redirect_uri than it was sent to")
    } else if asked.audience.is_some() && asked.audience != audience {
        Some("for another resource than was granted")
    } else {
        None
    })
}

/// The family of this code and its first access token.
async fn begin(
    connection: &mut SqliteConnection,
    row: &SqliteRow,
    code: [u8; 32],
    asked: Redemption,
    user: User,
    now_ms: i64,
) -> Result<Redeemed, Fault> {
    let scopes: Vec<String> = row::json(row, "scopes")?;
    let audience = row.try_get::<Option<String>, _>("audience")?.unwrap_or(asked.audience_default);
    let lifetime_ms = i64::try_from(bounds::REFRESH_LIFETIME.as_millis()).unwrap_or(i64::MAX);
    // One without a refresh token is only remembered as long as a second use of its code could do harm.
    let ends_ms = if asked.refresh.is_some() { now_ms.saturating_add(lifetime_ms) } else { asked.expires_ms };
    let (handle, current) =
        asked.refresh.map_or((None, None), |(handle, whole)| (Some(handle.to_vec()), Some(whole.to_vec())));
    let sql = "DELETE FROM families WHERE user_id = ?1 AND client_id = ?2 AND id NOT IN ( \
               SELECT id FROM families WHERE user_id = ?1 AND client_id = ?2 ORDER BY used_ms DESC, id DESC LIMIT ?3)";
    let make_room = sqlx::query(sql).bind(user.id).bind(asked.client_id).bind(bounds::FAMILIES_MAX - 1);
    make_room.execute(&mut *connection).await?;
    let sql = "INSERT INTO families (code, handle, current, key, client_id, user_id, scopes, audience, created_ms, used_ms, ends_ms) \
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let insert = sqlx::query(sql)
        .bind(code.to_vec())
        .bind(handle)
        .bind(current)
        .bind(asked.key)
        .bind(asked.client_id)
        .bind(user.id);
    let insert = insert.bind(row::to_json(&scopes)?).bind(&audience).bind(now_ms).bind(now_ms).bind(ends_ms);
    let id = insert.execute(&mut *connection).await?.last_insert_rowid();
    let (client_id, user_id) = (asked.client_id, user.id);
    let family = Family { id, client_id, user_id, scopes, audience, created_ms: now_ms, used_ms: now_ms, ends_ms };
    let token = tokens::insert(connection, NewToken::of_family(&family, None, asked.expires_ms), now_ms).await?;
    Ok(Redeemed::Issued { user, token })
}

/// What somebody agreed to, added to what they had.
async fn remember(
    connection: &mut SqliteConnection,
    user: &User,
    client: &str,
    new: &NewCode,
    now_ms: i64,
) -> Result<(), Fault> {
    let mut scopes = consented(connection, new.user_id, new.client_id).await?.unwrap_or_default();
    for scope in &new.scopes {
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    let detail = json!({ "client": client, "scopes": new.scopes });
    let sql = "INSERT INTO consents (user_id, client_id, scopes, at_ms) VALUES (?, ?, ?, ?) \
               ON CONFLICT (user_id, client_id) DO UPDATE SET scopes = excluded.scopes, at_ms = excluded.at_ms";
    let insert = sqlx::query(sql).bind(new.user_id).bind(new.client_id).bind(row::to_json(&scopes)?).bind(now_ms);
    insert.execute(&mut *connection).await?;
    let actor = Actor::User(user.name.clone());
    Act { actor, act: "user.agree", subject: user.name.clone(), detail, at_ms: now_ms }.write(connection).await
}
