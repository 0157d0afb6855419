//! OAuth clients: programs that ask for tokens.

use callgate_model::consumer::is_scope;
use callgate_model::{Client, Consumer, Cut, Grant, TokensOf, bounds, redirect};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::consumers::{self, check_name};
use crate::error::{Fault, StoreError};
use crate::store::Store;
use crate::{grants, row, tokens, users};

/// A client to be kept.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// Its name and `client_id`.
    pub name: String,
    /// Its consumer's name; without one, a consumer of the client's own name, which is made if it is missing.
    pub consumer: Option<String>,
    /// [`crate::pepper::hash`] of its secret.
    pub secret_hash: [u8; 32],
    /// The pepper it was hashed under.
    pub pepper_id: u32,
    /// How it may come to tokens; at least one way.
    pub grants: Vec<Grant>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// Where a person's browser may be sent back to.
    pub redirects: Vec<String>,
    /// It has no secret; the hash above is of none.
    pub public: bool,
}

/// A removed client, and what makes its tokens dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedClient {
    /// As it was.
    pub client: Client,
    /// Of its tokens.
    pub cut: Cut,
}

/// Every column, in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, consumer_id, secret_hash, pepper_id, grants, scopes, redirects, public, \
             tokens_after, created_ms FROM clients ",
            $rest
        )
    };
}

// === impl Store ===

impl Store {
    /// Makes a client; answers with it and its consumer.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a named consumer that is missing,
    /// [`StoreError::Unfit`] for a value that can't be kept, [`StoreError::Conflict`] for a name that is taken.
    pub async fn clients_create(&self, actor: &Actor, new: NewClient) -> Result<(Client, Consumer), StoreError> {
        self.check_client(&new)?;
        let (actor, now_ms) = (actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    if sqlx::query("SELECT 1 FROM users WHERE name = ?").bind(&new.name).fetch_optional(&mut *connection).await?.is_some() {
                        return Err(users::one_subject("client", &new.name, "a user").into());
                    }
                    let consumer = match &new.consumer {
                        Some(name) => consumers::by_name(connection, name).await?,
                        None => consumers::found_or_made(connection, &actor, &new.name, now_ms).await?,
                    };
                    let tokens_after = tokens::last_number(connection).await?;
                    let sql = "INSERT INTO clients (name, consumer_id, secret_hash, pepper_id, grants, scopes, redirects, \
                               public, tokens_after, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
                    let insert = sqlx::query(sql)
                        .bind(&new.name)
                        .bind(consumer.id)
                        .bind(new.secret_hash.as_slice())
                        .bind(new.pepper_id)
                        .bind(row::to_json(&new.grants)?)
                        .bind(row::to_json(&new.scopes)?)
                        .bind(row::to_json(&new.redirects)?)
                        .bind(new.public)
                        .bind(tokens_after)
                        .bind(now_ms);
                    let done = insert.execute(&mut *connection).await.map_err(|error| taken(error, &new.name))?;
                    let detail = json!({
                        "consumer": consumer.name, "grants": new.grants, "scopes": new.scopes,
                        "redirects": new.redirects, "public": new.public,
                    });
                    Act { actor, act: "client.create", subject: new.name.clone(), detail, at_ms: now_ms }
                        .write(connection)
                        .await?;
                    let client = Client {
                        id: done.last_insert_rowid(),
                        name: new.name,
                        consumer_id: consumer.id,
                        secret_hash: new.secret_hash,
                        pepper_id: new.pepper_id,
                        grants: new.grants,
                        scopes: new.scopes,
                        redirects: new.redirects,
                        public: new.public,
                        tokens_after,
                        created_ms: now_ms,
                    };
                    Ok((client, consumer))
                })
            })
            .await
    }

    /// Every client, by name.
    pub async fn clients_list(&self) -> Result<Vec<Client>, StoreError> {
        self.main
            .read(|connection| {
                Box::pin(async move {
                    let rows = sqlx::query(select!("ORDER BY name")).fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// The client with this name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn clients_get(&self, name: &str) -> Result<Client, StoreError> {
        let name = name.to_owned();
        self.main.read(move |connection| Box::pin(async move { by_name(connection, &name).await })).await
    }

    /// Gives a client another secret; the old one ends at once. Tokens live on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn clients_set_secret(
        &self,
        actor: &Actor,
        name: &str,
        secret_hash: [u8; 32],
        pepper_id: u32,
    ) -> Result<Client, StoreError> {
        let (name, actor, now_ms) = (name.to_owned(), actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let client = by_name(connection, &name).await?;
                    if client.public {
                        return Err(StoreError::conflict("client", &name, "is public: it has no secret").into());
                    }
                    let sql = "UPDATE clients SET secret_hash = ?, pepper_id = ? WHERE id = ?";
                    let update = sqlx::query(sql).bind(secret_hash.as_slice()).bind(pepper_id).bind(client.id);
                    update.execute(&mut *connection).await?;
                    Act { actor, act: "client.rotate_secret", subject: name, detail: json!({}), at_ms: now_ms }
                        .write(connection)
                        .await?;
                    Ok(Client { secret_hash, pepper_id, ..client })
                })
            })
            .await
    }

    /// Removes a client; its tokens are dead.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn clients_remove(&self, actor: &Actor, name: &str) -> Result<RemovedClient, StoreError> {
        let (name, actor, now_ms) = (name.to_owned(), actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let client = by_name(connection, &name).await?;
                    let cut = remove(connection, &client, now_ms).await?;
                    let consumer = consumers::name_of(connection, client.consumer_id).await?;
                    let detail = json!({ "consumer": consumer, "tokens_up_to": cut.up_to });
                    Act { actor, act: "client.remove", subject: name, detail, at_ms: now_ms }.write(connection).await?;
                    Ok(RemovedClient { client, cut })
                })
            })
            .await
    }

    fn check_client(&self, new: &NewClient) -> Result<(), StoreError> {
        check_name("client name", &new.name)?;
        if new.grants.is_empty() {
            return Err(StoreError::unfit("grants", &"", "name at least one, for example client_credentials"));
        }
        check_people(new)?;
        if new.scopes.len() > bounds::KEY_GRANTS_MAX {
            let expected = format!("a client carries up to {}", bounds::KEY_GRANTS_MAX);
            return Err(StoreError::unfit("scopes", &new.scopes.len(), expected));
        }
        match new.scopes.iter().find(|scope| !is_scope(scope)) {
            Some(scope) => {
                let expected = "write up to 128 printable characters without space, quote or backslash";
                Err(StoreError::unfit("scope", scope, expected))
            }
            None => Ok(()),
        }
    }
}

/// What must fit together where a client acts for people.
fn check_people(new: &NewClient) -> Result<(), StoreError> {
    let may = |grant| new.grants.contains(&grant);
    let unfit = |what, value: &str, expected: &str| Err(StoreError::unfit(what, value, expected));
    if may(Grant::AuthorizationCode) == new.redirects.is_empty() {
        return match new.redirects.first() {
            None => unfit("grant", "authorization_code", "name at least one redirect that a code may be sent to"),
            Some(redirect) => {
                unfit("redirect", redirect, "only a client with the grant authorization_code has redirects")
            }
        };
    }
    if may(Grant::RefreshToken) && !may(Grant::AuthorizationCode) {
        return unfit(
            "grant",
            "refresh_token",
            "goes together with authorization_code: a client asks for itself as often as it likes",
        );
    }
    if new.public && may(Grant::ClientCredentials) {
        return unfit("grant", "client_credentials", "needs a secret, and a public client has none");
    }
    if new.public && !may(Grant::AuthorizationCode) {
        return unfit(
            "client name",
            &new.name,
            "a public client has the grant authorization_code, or it can get no token",
        );
    }
    if new.redirects.len() > bounds::REDIRECTS_MAX {
        return unfit(
            "redirects",
            &new.redirects.len().to_string(),
            &format!("a client has up to {}", bounds::REDIRECTS_MAX),
        );
    }
    match new.redirects.iter().find(|text| !redirect::is_redirect(text)) {
        Some(text) => unfit(
            "redirect",
            text,
            "write https://…, http://127.0.0.1/… or http://[::1]/… for a program on the person's machine, or a scheme like \
             com.example.app:/…; no fragment, no wildcard, up to 512 characters",
        ),
        None => Ok(()),
    }
}

/// Takes a client out with what it was granted, and cuts its tokens off.
pub(crate) async fn remove(connection: &mut SqliteConnection, client: &Client, now_ms: i64) -> Result<Cut, Fault> {
    grants::forget_client(connection, client.id).await?;
    sqlx::query("DELETE FROM clients WHERE id = ?").bind(client.id).execute(&mut *connection).await?;
    tokens::cut(connection, TokensOf::Client(client.id), now_ms).await
}

/// The clients of a consumer.
pub(crate) async fn of_consumer(connection: &mut SqliteConnection, consumer_id: i64) -> Result<Vec<Client>, Fault> {
    let query = sqlx::query(select!("WHERE consumer_id = ? ORDER BY name")).bind(consumer_id);
    Ok(query.fetch_all(connection).await?.iter().map(from_row).collect::<Result<_, _>>()?)
}

/// The name of the client with this number.
pub(crate) async fn name_of(connection: &mut SqliteConnection, id: i64) -> Result<String, Fault> {
    let row = sqlx::query("SELECT name FROM clients WHERE id = ?").bind(id).fetch_optional(connection).await?;
    Ok(row.ok_or_else(|| StoreError::not_found("client", &id))?.try_get(0)?)
}

async fn by_name(connection: &mut SqliteConnection, name: &str) -> Result<Client, Fault> {
    let row = sqlx::query(select!("WHERE name = ?")).bind(name).fetch_optional(connection).await?;
    Ok(from_row(&row.ok_or_else(|| StoreError::not_found("client", name))?)?)
}

fn from_row(row: &SqliteRow) -> Result<Client, sqlx::Error> {
    Ok(Client {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        consumer_id: row.try_get("consumer_id")?,
        secret_hash: row::bytes_32(row, "secret_hash")?,
        pepper_id: row.try_get("pepper_id")?,
        grants: row::json(row, "grants")?,
        scopes: row::json(row, "scopes")?,
        redirects: row::json(row, "redirects")?,
        public: row.try_get::<i64, _>("public")? != 0,
        tokens_after: row.try_get("tokens_after")?,
        created_ms: row.try_get("created_ms")?,
    })
}

fn taken(error: sqlx::Error, name: &str) -> Fault {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        StoreError::conflict("client", name, "exists already: choose another name").into()
    } else {
        error.into()
    }
}
