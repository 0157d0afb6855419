//! Rotation: a new key beside the old one, which goes on for a while.

use std::time::Duration;

use callgate_model::{Key, KeyId};
use serde_json::json;

use super::insert::{NewKey, described, insert};
use crate::audit::{Act, Actor};
use crate::error::StoreError;
use crate::store::Store;

// === impl Store ===

impl Store {
    /// Keeps a new key in place of an old one. The old one is still taken until `overlap` has passed, or its own expiry if
    /// that is sooner, and names its successor, so that its last users can be found.
    ///
    /// # Errors
    /// As [`Store::keys_insert`]; [`StoreError::Conflict`] too when the old key is revoked, was rotated before, or belongs to
    /// another consumer.
    pub async fn keys_rotate(
        &self,
        actor: &Actor,
        old: KeyId,
        new: NewKey,
        overlap: Duration,
    ) -> Result<Key, StoreError> {
        self.check_key(&new)?;
        let (actor, now_ms) = (actor.clone(), self.clock().unix_ms());
        let until_ms = now_ms.saturating_add(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX));
        self.main
            .act(move |connection| {
                Box::pin(async move {
                    let old = super::by_id(connection, old).await?;
                    check_old(&old, &new)?;
                    let consumer = crate::consumers::name_of(connection, old.consumer_id).await?;
                    let key = insert(connection, new, now_ms).await?;
                    let until_ms = old.expires_ms.map_or(until_ms, |expires_ms| expires_ms.min(until_ms));
                    let sql = "UPDATE keys SET expires_ms = ?, successor = ? WHERE id = ?";
                    let update = sqlx::query(sql).bind(until_ms).bind(key.id.as_str()).bind(old.id.as_str());
                    update.execute(&mut *connection).await?;
                    let mut detail = described(&key, &consumer);
                    if let Some(members) = detail.as_object_mut() {
                        members.insert("successor".to_owned(), json!(key.id));
                        members.insert("old_expires_ms".to_owned(), json!(until_ms));
                    }
                    Act { actor, act: "key.rotate", subject: old.id.to_string(), detail, at_ms: now_ms }
                        .write(connection)
                        .await?;
                    Ok(key)
                })
            })
            .await
    }
}

fn check_old(old: &Key, new: &NewKey) -> Result<(), StoreError> {
    let refuse = |why: String| Err(StoreError::conflict("key", &old.id, why));
    if let Some(successor) = old.successor {
        return refuse(format!("was rotated already: rotate its successor `{successor}`"));
    }
    if old.revoked_ms.is_some() {
        return refuse("is revoked: create a new key instead".to_owned());
    }
    if old.consumer_id != new.consumer_id {
        return refuse("belongs to another consumer: create a new key instead".to_owned());
    }
    Ok(())
}
