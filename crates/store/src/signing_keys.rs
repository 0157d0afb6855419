//! The keys that sign tokens: one signs at a time. The `next` one is published before it is used, the `previous` ones
//! until their last tokens have expired. Their private halves lie in files, 0600, beside the peppers.

use std::path::PathBuf;

use callgate_model::{Cut, Secret, bounds};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::audit::{Act, Actor};
use crate::error::{Fault, StoreError};
use crate::file;
use crate::row;
use crate::store::Store;
use crate::tokens;

/// What a signing key does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyRole {
    /// Published, not used yet.
    Next,
    /// Signs.
    Current,
    /// Signs no more; what it signed is still good.
    Previous,
}

/// A signing key with both halves.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its `kid`: the RFC 7638 thumbprint.
    pub id: String,
    /// `ES256`, as RFC 7518 names it.
    pub algorithm: String,
    /// What it does now.
    pub role: KeyRole,
    /// The public half; its form is the maker's.
    pub public_key: Vec<u8>,
    /// The private half: PKCS #8 in base64url. Empty of one that signs no more.
    pub private_key: Secret,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// Since when it has its role, Unix milliseconds.
    pub role_since_ms: i64,
}

/// A signing key about to be kept.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    /// Its `kid`.
    pub id: String,
    /// Its algorithm.
    pub algorithm: String,
    /// The public half.
    pub public_key: Vec<u8>,
    /// The private half: PKCS #8 in base64url.
    pub private_key: Secret,
}

/// How a new key comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// As the next one; the one that was next signs.
    Step,
    /// It signs; what signed before is previous. For another algorithm.
    Replace,
    /// It signs, and no other key is left: every token is dead, and so is what runs with one.
    AtOnce,
}

/// Begins the names of their files.
pub(crate) const FILE_PREFIX: &str = "signing-";

// === impl KeyRole ===

impl KeyRole {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            KeyRole::Next => "next",
            KeyRole::Current => "current",
            KeyRole::Previous => "previous",
        }
    }

    fn from_name(name: &str) -> Option<KeyRole> {
        [KeyRole::Next, KeyRole::Current, KeyRole::Previous].into_iter().find(|role| role.name() == name)
    }
}

// === impl Store ===

impl Store {
    /// Every signing key: current, next, previous.
    ///
    /// # Errors
    /// [`StoreError::SecretLost`] when the file of a private half is gone, [`StoreError::SecretExposed`] when others can
    /// read it.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        let rows = self.main.read(|connection| Box::pin(all(connection))).await?;
        rows.into_iter()
            .map(|mut key| {
                // One that signs no more is needed by its public half alone.
                if key.role != KeyRole::Previous {
                    key.private_key = self.private_key(&key.id)?;
                }
                Ok(key)
            })
            .collect()
    }

    /// Keeps the first key, or lets one more in. One that was previous is forgotten when no token of it can be valid. Gives every
    /// key, and the revocations that come with giving all up.
    pub async fn signing_keys_rotate(
        &self,
        actor: &Actor,
        new: NewSigningKey,
        how: Rotation,
    ) -> Result<(Vec<SigningKey>, Vec<Cut>), StoreError> {
        // On the disk before the row that needs it.
        file::write_atomically(&self.signing_file(&new.id), new.private_key.expose().as_bytes())?;
        let (actor, now_ms, id) = (actor.clone(), self.clock().unix_ms(), new.id.clone());
        let act = self.main.act(move |connection| {
            Box::pin(async move {
                let before = all(connection).await?;
                step(connection, &before, &new, how, now_ms).await?;
                let cuts = match how {
                    Rotation::AtOnce if !before.is_empty() => tokens::cut_every_client(connection, now_ms).await?,
                    _ => Vec::new(),
                };
                let after = all(connection).await?;
                let with_role = |role| after.iter().find(|key| key.role == role).map(|key| key.id.as_str());
                let detail = json!({
                    "algorithm": new.algorithm,
                    "signs": with_role(KeyRole::Current),
                    "next": with_role(KeyRole::Next),
                });
                let act = match how {
                    _ if before.is_empty() => "signing_key.create",
                    Rotation::AtOnce => "signing_key.give_up_all",
                    Rotation::Step | Rotation::Replace => "signing_key.rotate",
                };
                Act { actor, act, subject: new.id, detail, at_ms: now_ms }.write(connection).await?;
                Ok((before, after, cuts))
            })
        });
        let (before, after, cuts) = match act.await {
            Ok(done) => done,
            Err(error) => {
                file::remove(&self.signing_file(&id))?;
                return Err(error);
            }
        };
        for gone in before.iter().filter(|old| after.iter().all(|key| key.id != old.id)) {
            // Given up already, whatever becomes of its file.
            if let Err(error) = file::remove(&self.signing_file(&gone.id)) {
                tracing::warn!(
                    "the file of signing key `{}`, which was given up, could not be removed: {error}",
                    gone.id
                );
            }
        }
        Ok((self.signing_keys().await?, cuts))
    }

    /// Forgets every signing key: a restored store makes new ones, because tokens issued after the backup was made may have
    /// been revoked since, and nothing here knows.
    pub(crate) async fn signing_keys_forget(&self) -> Result<(), StoreError> {
        self.main
            .act(|connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM signing_keys").execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    fn private_key(&self, id: &str) -> Result<Secret, StoreError> {
        let path = self.signing_file(id);
        if !file::exists(&path)? {
            return Err(StoreError::SecretLost { path, why: "is missing" });
        }
        let mode = file::mode(&path)?;
        if mode & 0o077 != 0 {
            return Err(StoreError::SecretExposed { path, mode });
        }
        Ok(Secret::new(file::read_text(&path)?))
    }

    fn signing_file(&self, id: &str) -> PathBuf {
        self.folder().join(crate::SECRETS_FOLDER).join(format!("{FILE_PREFIX}{id}"))
    }
}

/// Every statement takes the moment and a token's lifetime, whether or not it needs them.
async fn step(
    connection: &mut SqliteConnection,
    before: &[SigningKey],
    new: &NewSigningKey,
    how: Rotation,
    now_ms: i64,
) -> Result<(), Fault> {
    const FORGET_ENDED: &str = "DELETE FROM signing_keys WHERE role = 'previous' AND role_since_ms <= ?1 - ?2";
    const CURRENT_TO_PREVIOUS: &str =
        "UPDATE signing_keys SET role = 'previous', role_since_ms = ?1 WHERE role = 'current' AND ?2 = ?2";
    const NEXT_TO_CURRENT: &str =
        "UPDATE signing_keys SET role = 'current', role_since_ms = ?1 WHERE role = 'next' AND ?2 = ?2";
    const FORGET_NEXT: &str = "DELETE FROM signing_keys WHERE role = 'next' AND ?1 = ?1 AND ?2 = ?2";
    const FORGET_ALL: &str = "DELETE FROM signing_keys WHERE ?1 = ?1 AND ?2 = ?2";
    let has_next = before.iter().any(|key| key.role == KeyRole::Next);
    let (changes, role): (&[&'static str], KeyRole) = match how {
        Rotation::AtOnce => (&[FORGET_ALL], KeyRole::Current),
        Rotation::Replace => (&[FORGET_ENDED, FORGET_NEXT, CURRENT_TO_PREVIOUS], KeyRole::Current),
        Rotation::Step if has_next => (&[FORGET_ENDED, CURRENT_TO_PREVIOUS, NEXT_TO_CURRENT], KeyRole::Next),
        // The first key signs, and the second waits beside it.
        Rotation::Step if before.iter().any(|key| key.role == KeyRole::Current) => (&[], KeyRole::Next),
        Rotation::Step => (&[], KeyRole::Current),
    };
    let lifetime_ms = i64::try_from(bounds::TOKEN_LIFETIME.as_millis()).unwrap_or(i64::MAX);
    for change in changes {
        sqlx::query(*change).bind(now_ms).bind(lifetime_ms).execute(&mut *connection).await?;
    }
    let sql = "INSERT INTO signing_keys (id, algorithm, role, public_key, created_ms, role_since_ms) \
               VALUES (?, ?, ?, ?, ?, ?)";
    let insert = sqlx::query(sql).bind(&new.id).bind(&new.algorithm).bind(role.name()).bind(&new.public_key);
    insert.bind(now_ms).bind(now_ms).execute(connection).await?;
    Ok(())
}

/// Every row, without the private halves.
async fn all(connection: &mut SqliteConnection) -> Result<Vec<SigningKey>, Fault> {
    let sql = "SELECT id, algorithm, role, public_key, created_ms, role_since_ms FROM signing_keys ORDER BY role";
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    Ok(rows.iter().map(from_row).collect::<Result<_, _>>()?)
}

fn from_row(row: &SqliteRow) -> Result<SigningKey, sqlx::Error> {
    Ok(SigningKey {
        id: row.try_get("id")?,
        algorithm: row.try_get("algorithm")?,
        role: row::parsed(row, "role", KeyRole::from_name)?,
        public_key: row.try_get("public_key")?,
        private_key: Secret::default(),
        created_ms: row.try_get("created_ms")?,
        role_since_ms: row.try_get("role_since_ms")?,
    })
}
