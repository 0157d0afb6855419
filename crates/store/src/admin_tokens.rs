//! Admin tokens: who may administer over TCP. Kept as hashes, shown once.

use callgate_model::Secret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::audit::{Act, Actor};
use crate::consumers::check_name;
use crate::error::StoreError;
use crate::store::Store;
use crate::{hex, pepper, row};

/// What an admin token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// An admin token, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminToken {
    /// Its name; the audit log calls its holder `token:<name>`.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
}

/// A token just made: the only moment at which its text is known.
#[derive(Debug, Clone)]
pub struct NewAdminToken {
    /// What is kept.
    pub token: AdminToken,
    /// What its holder must keep: `cga_` and 64 hex digits.
    pub text: Secret,
}

/// Begins every admin token, so that scanners for leaked secrets can know one.
const PREFIX: &str = "cga_";

// === impl Role ===

impl Role {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Role> {
        [Role::Read, Role::Write].into_iter().find(|role| role.name() == name)
    }
}

// === impl Store ===

impl Store {
    /// Makes a token.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] for a name that is none, [`StoreError::Conflict`] for one that is taken.
    pub async fn admin_tokens_create(
        &self,
        actor: &Actor,
        name: &str,
        role: Role,
    ) -> Result<NewAdminToken, StoreError> {
        check_name("admin token name", name)?;
        let text = Secret::new(format!("{PREFIX}{}", hex::write(&pepper::random_32())));
        let pepper = &self.peppers().current;
        let (hash, pepper_id) = (pepper::hash(pepper, text.expose()), pepper.id);
        let (actor, now_ms) = (actor.clone(), self.clock().unix_ms());
        let token = AdminToken { name: name.to_owned(), role, created_ms: now_ms };
        let made = self.main.act(move |connection| {
            Box::pin(async move {
                let held = sqlx::query("SELECT 1 FROM admin_tokens WHERE name = ? AND revoked_ms IS NULL");
                if held.bind(&token.name).fetch_optional(&mut *connection).await?.is_some() {
                    let why = "exists already: remove it first, or choose another name";
                    return Err(StoreError::conflict("admin token", &token.name, why).into());
                }
                let sql = "INSERT INTO admin_tokens (name, hash, pepper_id, role, created_ms) VALUES (?, ?, ?, ?, ?)";
                let insert = sqlx::query(sql).bind(&token.name).bind(hash.as_slice()).bind(pepper_id);
                insert.bind(role.name()).bind(now_ms).execute(&mut *connection).await?;
                let (subject, detail) = (token.name.clone(), json!({ "role": role }));
                Act { actor, act: "admin_token.create", subject, detail, at_ms: now_ms }.write(connection).await?;
                Ok(token)
            })
        });
        Ok(NewAdminToken { token: made.await?, text })
    }

    /// Every token that is still one, by name.
    pub async fn admin_tokens_list(&self) -> Result<Vec<AdminToken>, StoreError> {
        self.main
            .read(|connection| {
                Box::pin(async move {
                    let sql = "SELECT name, role, created_ms FROM admin_tokens WHERE revoked_ms IS NULL ORDER BY name";
                    let rows = sqlx::query(sql).fetch_all(connection).await?;
                    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
                })
            })
            .await
    }

    /// Takes a token's power away; its name may be given again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn admin_tokens_remove(&self, actor: &Actor, name: &str) -> Result<AdminToken, StoreError> {
        let (name, actor, now_ms) = (name.to_owned(), actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE admin_tokens SET revoked_ms = ? WHERE name = ? AND revoked_ms IS NULL \
                               RETURNING name, role, created_ms";
                    let row = sqlx::query(sql).bind(now_ms).bind(&name).fetch_optional(&mut *connection).await?;
                    let token = from_row(&row.ok_or_else(|| StoreError::not_found("admin token", &name))?)?;
                    let detail = json!({ "role": token.role });
                    Act { actor, act: "admin_token.remove", subject: name, detail, at_ms: now_ms }
                        .write(connection)
                        .await?;
                    Ok(token)
                })
            })
            .await
    }

    /// The token with this text, if it is one. Found by its hash, so how long it takes says nothing about the text.
    pub async fn admin_tokens_verify(&self, text: &str) -> Result<Option<AdminToken>, StoreError> {
        if !text.starts_with(PREFIX) || text.len() != PREFIX.len() + 64 {
            return Ok(None);
        }
        let hashes: Vec<_> =
            self.peppers().all.values().map(|pepper| (pepper.id, pepper::hash(pepper, text))).collect();
        self.main
            .read(|connection| {
                Box::pin(async move {
                    let sql = "SELECT name, role, created_ms FROM admin_tokens \
                               WHERE hash = ? AND pepper_id = ? AND revoked_ms IS NULL";
                    for (pepper_id, hash) in hashes {
                        let found = sqlx::query(sql).bind(hash.to_vec()).bind(pepper_id);
                        if let Some(row) = found.fetch_optional(&mut *connection).await? {
                            return Ok(Some(from_row(&row)?));
                        }
                    }
                    Ok(None)
                })
            })
            .await
    }
}

fn from_row(row: &SqliteRow) -> Result<AdminToken, sqlx::Error> {
    Ok(AdminToken {
        name: row.try_get("name")?,
        role: row::parsed(row, "role", Role::from_name)?,
        created_ms: row.try_get("created_ms")?,
    })
}
