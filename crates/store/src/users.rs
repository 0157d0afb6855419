//! People with an account of this gate.
//!
//! Whatever takes an account's power away (disabling, another password, removal) takes at once everything that came of it:
//! sessions, codes, refresh tokens, and by a cut the access tokens.

use callgate_model::{Cut, Secret, TokensOf, User};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::consumers::check_name;
use crate::error::{Fault, StoreError};
use crate::store::Store;
use crate::tokens;

/// Every column but the password, in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, name, disabled, created_ms FROM users ", $rest)
    };
}

// === impl Store ===

impl Store {
    /// Makes an account. `password` is a PHC string.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] for a name that is none, [`StoreError::Conflict`] for one that a user or a client has.
    pub async fn users_create(&self, actor: &Actor, name: &str, password: Secret) -> Result<User, StoreError> {
        check_name("user name", name)?;
        let (actor, name, now_ms) = (actor.clone(), name.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let client = sqlx::query("SELECT 1 FROM clients WHERE name = ?").bind(&name);
                    if client.fetch_optional(&mut *connection).await?.is_some() {
                        return Err(one_subject("user", &name, "a client").into());
                    }
                    let sql = "INSERT INTO users (name, password, created_ms) VALUES (?, ?, ?)";
                    let insert = sqlx::query(sql).bind(&name).bind(password.expose()).bind(now_ms);
                    let done = insert.execute(&mut *connection).await.map_err(|error| taken(error, &name))?;
                    note(connection, actor, "user.create", &name, json!({}), now_ms).await?;
                    Ok(User { id: done.last_insert_rowid(), name, disabled: false, created_ms: now_ms })
                })
            })
            .await
    }

    /// Every account, by name.
    pub async fn users_list(&self) -> Result<Vec<User>, StoreError> {
        self.main
            .read(|connection| {
                Box::pin(async move {
                    let rows = sqlx::query(select!("ORDER BY name")).fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// The account with this name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn users_get(&self, name: &str) -> Result<User, StoreError> {
        let name = name.to_owned();
        self.main.read(move |connection| Box::pin(async move { by_name(connection, &name).await })).await
    }

    /// The account with this name and its password's PHC string, where there is one.
    pub async fn users_with_password(&self, name: &str) -> Result<Option<(User, Secret)>, StoreError> {
        let name = name.to_owned();
        self.main
            .read(move |connection| {
                Box::pin(async move {
                    let sql = "SELECT id, name, disabled, created_ms, password FROM users WHERE name = ?";
                    let row = sqlx::query(sql).bind(&name).fetch_optional(connection).await?;
                    let read =
                        |row: SqliteRow| Ok((from_row(&row)?, Secret::new(row.try_get::<String, _>("password")?)));
                    Ok(row.map(read).transpose().map_err(|error: sqlx::Error| error)?)
                })
            })
            .await
    }

    /// Gives an account another password; everything that came of the old one is over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn users_set_password(
        &self,
        actor: &Actor,
        name: &str,
        password: Secret,
    ) -> Result<(User, Cut), StoreError> {
        let (actor, name, now_ms) = (actor.clone(), name.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = by_name(connection, &name).await?;
                    let update = sqlx::query("UPDATE users SET password = ? WHERE id = ?").bind(password.expose());
                    update.bind(user.id).execute(&mut *connection).await?;
                    let cut = end_all(connection, user.id, now_ms).await?;
                    note(connection, actor, "user.password", &name, json!({ "tokens_up_to": cut.up_to }), now_ms)
                        .await?;
                    Ok((user, cut))
                })
            })
            .await
    }

    /// Takes an account's power away; everything that came of it is over.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn users_disable(&self, actor: &Actor, name: &str) -> Result<(User, Cut), StoreError> {
        let (actor, name, now_ms) = (actor.clone(), name.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = by_name(connection, &name).await?;
                    sqlx::query("UPDATE users SET disabled = 1 WHERE id = ?")
                        .bind(user.id)
                        .execute(&mut *connection)
                        .await?;
                    let cut = end_all(connection, user.id, now_ms).await?;
                    note(connection, actor, "user.disable", &name, json!({ "tokens_up_to": cut.up_to }), now_ms)
                        .await?;
                    Ok((User { disabled: true, ..user }, cut))
                })
            })
            .await
    }

    /// Lets somebody sign in again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn users_enable(&self, actor: &Actor, name: &str) -> Result<User, StoreError> {
        let (actor, name, now_ms) = (actor.clone(), name.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = by_name(connection, &name).await?;
                    sqlx::query("UPDATE users SET disabled = 0 WHERE id = ?")
                        .bind(user.id)
                        .execute(&mut *connection)
                        .await?;
                    note(connection, actor, "user.enable", &name, json!({}), now_ms).await?;
                    Ok(User { disabled: false, ..user })
                })
            })
            .await
    }

    /// Removes an account with everything that came of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn users_remove(&self, actor: &Actor, name: &str) -> Result<(User, Cut), StoreError> {
        let (actor, name, now_ms) = (actor.clone(), name.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = by_name(connection, &name).await?;
                    let cut = end_all(connection, user.id, now_ms).await?;
                    sqlx::query("DELETE FROM consents WHERE user_id = ?")
                        .bind(user.id)
                        .execute(&mut *connection)
                        .await?;
                    sqlx::query("DELETE FROM users WHERE id = ?").bind(user.id).execute(&mut *connection).await?;
                    note(connection, actor, "user.remove", &name, json!({ "tokens_up_to": cut.up_to }), now_ms).await?;
                    Ok((user, cut))
                })
            })
            .await
    }

    /// Ends every token on behalf of somebody, and forgets what was agreed to: clients must ask again. Sessions go on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn users_revoke_tokens(&self, actor: &Actor, name: &str) -> Result<(User, Cut), StoreError> {
        let (actor, name, now_ms) = (actor.clone(), name.to_owned(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let user = by_name(connection, &name).await?;
                    let cut = end_tokens(connection, user.id, now_ms).await?;
                    sqlx::query("DELETE FROM consents WHERE user_id = ?")
                        .bind(user.id)
                        .execute(&mut *connection)
                        .await?;
                    let detail = json!({ "user": user.id, "tokens_up_to": cut.up_to });
                    note(connection, actor, "token.revoke", &name, detail, now_ms).await?;
                    Ok((user, cut))
                })
            })
            .await
    }
}

/// Sessions, codes, families, access tokens.
async fn end_all(connection: &mut SqliteConnection, user_id: i64, now_ms: i64) -> Result<Cut, Fault> {
    sqlx::query("DELETE FROM sessions WHERE user_id = ?").bind(user_id).execute(&mut *connection).await?;
    end_tokens(connection, user_id, now_ms).await
}

async fn end_tokens(connection: &mut SqliteConnection, user_id: i64, now_ms: i64) -> Result<Cut, Fault> {
    sqlx::query("DELETE FROM codes WHERE user_id = ?").bind(user_id).execute(&mut *connection).await?;
    sqlx::query("DELETE FROM families WHERE user_id = ?").bind(user_id).execute(&mut *connection).await?;
    tokens::cut(connection, TokensOf::User(user_id), now_ms).await
}

pub(crate) async fn by_name(connection: &mut SqliteConnection, name: &str) -> Result<User, Fault> {
    let row = sqlx::query(select!("WHERE name = ?")).bind(name).fetch_optional(connection).await?;
    Ok(from_row(&row.ok_or_else(|| StoreError::not_found("user", name))?)?)
}

/// The account with this number, if it may sign in.
pub(crate) async fn enabled(connection: &mut SqliteConnection, id: i64) -> Result<Option<User>, Fault> {
    let row = sqlx::query(select!("WHERE id = ? AND disabled = 0")).bind(id).fetch_optional(connection).await?;
    Ok(row.as_ref().map(from_row).transpose()?)
}

pub(crate) fn from_row(row: &SqliteRow) -> Result<User, sqlx::Error> {
    Ok(User {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        disabled: row.try_get::<i64, _>("disabled")? != 0,
        created_ms: row.try_get("created_ms")?,
    })
}

/// A name that both had would be one `sub` for a person and a program: whoever may make clients could be anybody.
pub(crate) fn one_subject(what: &'static str, name: &str, other: &str) -> StoreError {
    let why = format!("would be the same subject in tokens as {other} of this name: choose another name");
    StoreError::conflict(what, name, why)
}

async fn note(
    connection: &mut SqliteConnection,
    actor: Actor,
    act: &'static str,
    name: &str,
    detail: Value,
    at_ms: i64,
) -> Result<(), Fault> {
    Act { actor, act, subject: name.to_owned(), detail, at_ms }.write(connection).await
}

fn taken(error: sqlx::Error, name: &str) -> Fault {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        StoreError::conflict("user", name, "exists already: choose another name").into()
    } else {
        error.into()
    }
}
