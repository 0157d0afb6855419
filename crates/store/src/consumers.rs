//! Consumers: who calls, as a customer.

use callgate_model::consumer::is_name;
use callgate_model::{Consumer, Cut, KeyId};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::error::{Fault, StoreError};
use crate::store::Store;

/// What went with a consumer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RemovedConsumer {
    /// As it was.
    pub consumer: Consumer,
    /// Its keys; none of them is one any more.
    pub key_ids: Vec<KeyId>,
    /// Its OAuth clients, by name; likewise.
    pub clients: Vec<String>,
    /// What makes the clients' tokens dead.
    #[serde(skip)]
    pub cuts: Vec<Cut>,
}

// === impl Store ===

impl Store {
    /// Makes a consumer.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] for a name that is none, [`StoreError::Conflict`] for one that is taken.
    pub async fn consumers_create(
        &self,
        actor: &Actor,
        name: &str,
        plan: Option<&str>,
    ) -> Result<Consumer, StoreError> {
        check_name("consumer name", name)?;
        check_plan(plan)?;
        let (name, plan) = (name.to_owned(), plan.map(str::to_owned));
        let (actor, now_ms) = (actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| Box::pin(async move { make(connection, &actor, name, plan, now_ms).await }))
            .await
    }

    /// Every consumer, by name.
    pub async fn consumers_list(&self) -> Result<Vec<Consumer>, StoreError> {
        self.main.read(|connection| Box::pin(all(connection))).await
    }

    /// The consumer with this name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn consumers_get(&self, name: &str) -> Result<Consumer, StoreError> {
        let name = name.to_owned();
        self.main.read(move |connection| Box::pin(async move { by_name(connection, &name).await })).await
    }

    /// Puts a consumer on a plan, or takes it off every one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Unfit`] for a plan's name that is none.
    pub async fn consumers_set_plan(
        &self,
        actor: &Actor,
        name: &str,
        plan: Option<&str>,
    ) -> Result<Consumer, StoreError> {
        check_plan(plan)?;
        let (name, plan) = (name.to_owned(), plan.map(str::to_owned));
        let (actor, now_ms) = (actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let before = by_name(connection, &name).await?;
                    let update = sqlx::query("UPDATE consumers SET plan = ? WHERE id = ?").bind(&plan).bind(before.id);
                    update.execute(&mut *connection).await?;
                    let detail = json!({ "id": before.id, "from": before.plan, "to": plan });
                    Act { actor, act: "consumer.plan", subject: name, detail, at_ms: now_ms }.write(connection).await?;
                    Ok(Consumer { plan, ..before })
                })
            })
            .await
    }

    /// Removes a consumer, its keys and its clients. The audit log keeps their ids; their numbers are never given again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn consumers_remove(&self, actor: &Actor, name: &str) -> Result<RemovedConsumer, StoreError> {
        let (name, actor, now_ms) = (name.to_owned(), actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let consumer = by_name(connection, &name).await?;
                    let sql = "DELETE FROM keys WHERE consumer_id = ? RETURNING id";
                    let rows = sqlx::query(sql).bind(consumer.id).fetch_all(&mut *connection).await?;
                    let mut key_ids = rows.iter().map(crate::keys::id_in).collect::<Result<Vec<_>, _>>()?;
                    key_ids.sort();
                    let (mut clients, mut cuts) = (Vec::new(), Vec::new());
                    for client in crate::clients::of_consumer(connection, consumer.id).await? {
                        cuts.push(crate::clients::remove(connection, &client, now_ms).await?);
                        clients.push(client.name);
                    }
                    let delete = sqlx::query("DELETE FROM consumers WHERE id = ?").bind(consumer.id);
                    delete.execute(&mut *connection).await?;
                    let detail =
                        json!({ "id": consumer.id, "plan": consumer.plan, "keys": key_ids, "clients": clients });
                    Act { actor, act: "consumer.remove", subject: name, detail, at_ms: now_ms }
                        .write(connection)
                        .await?;
                    Ok(RemovedConsumer { consumer, key_ids, clients, cuts })
                })
            })
            .await
    }
}

async fn make(
    connection: &mut SqliteConnection,
    actor: &Actor,
    name: String,
    plan: Option<String>,
    now_ms: i64,
) -> Result<Consumer, Fault> {
    let sql = "INSERT INTO consumers (name, plan, created_ms) VALUES (?, ?, ?)";
    let insert = sqlx::query(sql).bind(&name).bind(&plan).bind(now_ms);
    let done = insert.execute(&mut *connection).await.map_err(|error| taken(error, &name))?;
    let consumer = Consumer { id: done.last_insert_rowid(), name, plan, created_ms: now_ms };
    let detail = json!({ "id": consumer.id, "plan": consumer.plan });
    let (actor, subject) = (actor.clone(), consumer.name.clone());
    Act { actor, act: "consumer.create", subject, detail, at_ms: now_ms }.write(connection).await?;
    Ok(consumer)
}

/// The consumer with this name; made, on no plan, where there is none.
pub(crate) async fn found_or_made(
    connection: &mut SqliteConnection,
    actor: &Actor,
    name: &str,
    now_ms: i64,
) -> Result<Consumer, Fault> {
    let sql = "SELECT id, name, plan, created_ms FROM consumers WHERE name = ?";
    match sqlx::query(sql).bind(name).fetch_optional(&mut *connection).await? {
        Some(row) => Ok(from_row(&row)?),
        None => make(connection, actor, name.to_owned(), None, now_ms).await,
    }
}

/// Every consumer, by name.
pub(crate) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Consumer>, Fault> {
    let sql = "SELECT id, name, plan, created_ms FROM consumers ORDER BY name";
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
}

pub(crate) async fn by_name(connection: &mut SqliteConnection, name: &str) -> Result<Consumer, Fault> {
    let sql = "SELECT id, name, plan, created_ms FROM consumers WHERE name = ?";
    let row = sqlx::query(sql).bind(name).fetch_optional(connection).await?;
    Ok(from_row(&row.ok_or_else(|| StoreError::not_found("consumer", name))?)?)
}

/// The name of the consumer with this number.
pub(crate) async fn name_of(connection: &mut SqliteConnection, id: i64) -> Result<String, Fault> {
    let row = sqlx::query("SELECT name FROM consumers WHERE id = ?").bind(id).fetch_optional(connection).await?;
    Ok(row.ok_or_else(|| StoreError::not_found("consumer", &id))?.try_get(0)?)
}

fn from_row(row: &SqliteRow) -> Result<Consumer, sqlx::Error> {
    Ok(Consumer {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        plan: row.try_get("plan")?,
        created_ms: row.try_get("created_ms")?,
    })
}

pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), StoreError> {
    let expected = "write 1 to 64 letters, digits, `.`, `_` or `-`, not beginning with `-` or `.`";
    if is_name(name) { Ok(()) } else { Err(StoreError::unfit(what, name, expected)) }
}

fn check_plan(plan: Option<&str>) -> Result<(), StoreError> {
    plan.map_or(Ok(()), |plan| check_name("plan", plan))
}

fn taken(error: sqlx::Error, name: &str) -> Fault {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        StoreError::conflict("consumer", name, "exists already: choose another name").into()
    } else {
        error.into()
    }
}
