//! A new key: checked, written, audited.

use callgate_model::consumer::is_scope;
use callgate_model::{Key, KeyId};
use ipnet::IpNet;
use serde_json::json;
use sqlx::SqliteConnection;

use crate::audit::{Act, Actor};
use crate::consumers::check_name;
use crate::error::{Fault, StoreError};
use crate::row;
use crate::store::Store;

/// A key to be kept; what the store decides itself (times, revocation) is not here.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// From the key's own text, or made for an imported one.
    pub id: KeyId,
    /// Whose it will be.
    pub consumer_id: i64,
    /// A person's name for it, up to 128 characters.
    pub label: Option<String>,
    /// [`crate::pepper::hash`] of the whole text.
    pub hash: [u8; 32],
    /// The pepper it was hashed under.
    pub pepper_id: u32,
    /// Brought from elsewhere.
    pub imported: bool,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The APIs it may call; empty means every one.
    pub apis: Vec<String>,
    /// The addresses it may call from; empty means every one.
    pub ips: Vec<IpNet>,
    /// Not valid before, Unix milliseconds.
    pub not_before_ms: Option<i64>,
    /// Not valid from, Unix milliseconds.
    pub expires_ms: Option<i64>,
}

/// Characters of a label.
const LABEL_CHARS_MAX: usize = 128;
/// Entries of each of a key's lists: a key is read whole into every gate's table.
const LIST_MAX: usize = 256;

// === impl Store ===

impl Store {
    /// Keeps a new key.
    ///
    /// # Errors
    /// [`StoreError::Unfit`] for a value that can't be kept, [`StoreError::NotFound`] for an unknown consumer,
    /// [`StoreError::Conflict`] when the id or the very key is there already (make another id and try again).
    pub async fn keys_insert(&self, actor: &Actor, new: NewKey) -> Result<Key, StoreError> {
        self.check_key(&new)?;
        let (actor, now_ms) = (actor.clone(), self.clock().unix_ms());
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let consumer = crate::consumers::name_of(connection, new.consumer_id).await?;
                    let key = insert(connection, new, now_ms).await?;
                    let act = if key.imported { "key.import" } else { "key.create" };
                    let detail = described(&key, &consumer);
                    Act { actor, act, subject: key.id.to_string(), detail, at_ms: now_ms }.write(connection).await?;
                    Ok(key)
                })
            })
            .await
    }

    /// Everything about a new key that can be judged without the database.
    pub(super) fn check_key(&self, new: &NewKey) -> Result<(), StoreError> {
        if let Some(label) = &new.label
            && (label.chars().count() > LABEL_CHARS_MAX || label.chars().any(char::is_control))
        {
            return Err(StoreError::unfit("label", label, "write up to 128 characters on one line"));
        }
        for scope in &new.scopes {
            if !is_scope(scope) {
                let expected = "write up to 128 printable characters without space, quote or backslash";
                return Err(StoreError::unfit("scope", scope, expected));
            }
        }
        for api in &new.apis {
            check_name("api", api)?;
        }
        for (what, count) in [("scopes", new.scopes.len()), ("apis", new.apis.len()), ("ips", new.ips.len())] {
            if count > LIST_MAX {
                return Err(StoreError::unfit(what, &count, format!("a key carries up to {LIST_MAX}")));
            }
        }
        if let (Some(from_ms), Some(to_ms)) = (new.not_before_ms, new.expires_ms)
            && from_ms >= to_ms
        {
            return Err(StoreError::unfit("expiry", &to_ms, "the key must expire after the moment it becomes valid"));
        }
        if self.peppers().get(new.pepper_id).is_none() {
            return Err(StoreError::unfit("pepper", &new.pepper_id, "hash the key under a pepper of this store"));
        }
        Ok(())
    }
}

/// Writes the row.
pub(super) async fn insert(connection: &mut SqliteConnection, new: NewKey, now_ms: i64) -> Result<Key, Fault> {
    let key = Key {
        id: new.id,
        consumer_id: new.consumer_id,
        label: new.label,
        hash: new.hash,
        pepper_id: new.pepper_id,
        imported: new.imported,
        scopes: new.scopes,
        apis: new.apis,
        ips: new.ips,
        not_before_ms: new.not_before_ms,
        expires_ms: new.expires_ms,
        revoked_ms: None,
        created_ms: now_ms,
        last_used_ms: None,
        successor: None,
    };
    let sql = "INSERT INTO keys (id, consumer_id, label, hash, pepper_id, imported, scopes, apis, ips, not_before_ms, \
               expires_ms, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(sql)
        .bind(key.id.as_str())
        .bind(key.consumer_id)
        .bind(&key.label)
        .bind(key.hash.as_slice())
        .bind(key.pepper_id)
        .bind(key.imported)
        .bind(row::to_json(&key.scopes)?)
        .bind(row::to_json(&key.apis)?)
        .bind(row::to_json(&key.ips)?)
        .bind(key.not_before_ms)
        .bind(key.expires_ms)
        .bind(key.created_ms)
        .execute(connection)
        .await
        .map_err(|error| taken(error, key.id))?;
    Ok(key)
}

/// What the audit log says of a new key. Its hash is not part of it.
pub(super) fn described(key: &Key, consumer: &str) -> serde_json::Value {
    json!({
        "consumer": consumer,
        "label": key.label,
        "scopes": key.scopes,
        "apis": key.apis,
        "ips": key.ips,
        "not_before_ms": key.not_before_ms,
        "expires_ms": key.expires_ms,
    })
}

/// Tells a taken id from a known key, by the column that SQLite names.
fn taken(error: sqlx::Error, id: KeyId) -> Fault {
    let violation = error.as_database_error().filter(|error| error.is_unique_violation()).map(|error| error.message());
    match violation {
        Some(message) if message.contains("keys.hash") => {
            StoreError::conflict("key", &id, "is in this store already, under another id").into()
        }
        Some(_) => StoreError::conflict("key", &id, "exists already: take another id").into(),
        None => error.into(),
    }
}
