//! The key table: from a presented text to a caller, on every call, by every worker, without a lock.
//!
//! The order of [`KeyTable::verify`] is the order of cost and of safety. A text that is too long or has a broken checksum
//! costs nothing. Every other one costs the same hash whether its id exists or not, so the time of an answer tells nobody
//! which ids exist; and a known id with a wrong secret is [`KeyFault::Unknown`] like any other. Only who proved to hold the
//! key is told that it was revoked, begins later or has expired.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use callgate_model::key::{self, NotAKey};
use callgate_model::{Consumer, Key, KeyId, bounds};
use callgate_store::{Peppers, Store, StoreError, pepper};

use crate::entry::{ConsumerEntry, Grants, KeyEntry, Standing};
use crate::shards::ShardMap;

#[cfg(test)]
mod tests;

/// Every key, and who owns it.
pub struct KeyTable {
    peppers: Peppers,
    by_id: ShardMap<KeyId, KeyEntry>,
    /// Consumers, by the digest of their name: who is known by a certificate is named in the configuration.
    consumers: ShardMap<[u8; 32], ConsumerEntry>,
    /// Imported keys again, by their hash.
    by_hash: ShardMap<[u8; 32], KeyEntry>,
    /// How many keys are in `by_hash`. While it is 0, a text that is not ours by its shape is not even hashed.
    imported: AtomicUsize,
    /// Keys whose last use the store does not know yet. Each waits here once, so the queue is as bounded as the table.
    touched: mpsc::Sender<Arc<KeyEntry>>,
    waiting: Mutex<mpsc::Receiver<Arc<KeyEntry>>>,
    /// Held while something changes; never on the way of a call.
    writer: Mutex<Writer>,
}

/// What only changes need.
#[derive(Default)]
struct Writer {
    consumers: HashMap<i64, Arc<ConsumerEntry>>,
    /// One of each: a million keys seldom have more than a few sets of scopes.
    grants: HashSet<Arc<Grants>>,
}

/// A table in the making.
struct Filling {
    writer: Writer,
    keys: Vec<Arc<KeyEntry>>,
}

/// A consumer's name, ready to be looked up on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameDigest([u8; 32]);

/// Why a presented text leads to no caller. The last three have proved the secret and carry the entry, for the record.
#[derive(Debug, Clone)]
pub enum KeyFault {
    /// Too long, or not a key by shape or checksum; nothing was looked up.
    Garbage,
    /// No key of ours, or a known id with a wrong secret; the caller must not learn which.
    Unknown,
    /// Revoked.
    Revoked(Arc<KeyEntry>),
    /// Its `not_before` is to come.
    NotYetValid(Arc<KeyEntry>),
    /// Expired.
    Expired(Arc<KeyEntry>),
}

// === impl KeyTable ===

impl KeyTable {
    /// A table of these consumers and keys. A key whose consumer is not among them is left out.
    pub fn new(peppers: Peppers, consumers: &[Consumer], keys: impl IntoIterator<Item = Key>) -> KeyTable {
        let mut filling = Filling::of(consumers);
        keys.into_iter().for_each(|key| filling.take(&key));
        filling.table(peppers)
    }

    /// Every consumer and key of a store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn load(store: &Store) -> Result<KeyTable, StoreError> {
        let filling = store.keys_each(|consumers| Filling::of(&consumers), |filling, key| filling.take(&key)).await?;
        Ok(filling.table(store.peppers().clone()))
    }

    /// Who presents this text, at this moment (Unix milliseconds); notes the use.
    ///
    /// # Errors
    /// See [`KeyFault`].
    pub fn verify(&self, presented: &str, now_ms: i64) -> Result<Arc<KeyEntry>, KeyFault> {
        let entry = self.judge(presented, now_ms)?;
        if entry.touch(now_ms) {
            // Fails only when the table itself is gone.
            let _gone = self.touched.send(Arc::clone(&entry));
        }
        Ok(entry)
    }

    /// The same without noting a use: for dry runs.
    ///
    /// # Errors
    /// See [`KeyFault`].
    pub fn judge(&self, presented: &str, now_ms: i64) -> Result<Arc<KeyEntry>, KeyFault> {
        if presented.len() > bounds::CREDENTIAL_BYTES_MAX {
            return Err(KeyFault::Garbage);
        }
        let id = match key::inspect(presented) {
            Ok(id) => Some(id),
            // Imported texts are never of our shape with a wrong checksum: import refuses them.
            Err(NotAKey::Checksum) => return Err(KeyFault::Garbage),
            Err(NotAKey::Shape) if self.imported.load(Ordering::Acquire) == 0 => return Err(KeyFault::Garbage),
            Err(NotAKey::Shape) => None,
        };
        let entry = self.find(presented, id).ok_or(KeyFault::Unknown)?;
        match entry.standing(now_ms) {
            Standing::Good => Ok(entry),
            Standing::Revoked => Err(KeyFault::Revoked(entry)),
            Standing::NotYetValid => Err(KeyFault::NotYetValid(entry)),
            Standing::Expired => Err(KeyFault::Expired(entry)),
        }
    }

    /// The key with this text. Hashes once for a key of ours, and once again per further pepper only while there are
    /// imported keys; a missing id is compared with zeros, so that it takes the steps of a wrong secret.
    fn find(&self, presented: &str, id: Option<KeyId>) -> Option<Arc<KeyEntry>> {
        let known = id.and_then(|id| self.by_id.get(&id));
        let own_pepper = known.as_ref().and_then(|entry| self.peppers.get(entry.pepper_id));
        let tried = own_pepper.unwrap_or(&self.peppers.current);
        let hash = pepper::hash(tried, presented);
        let equal = same(&hash, &known.as_ref().map_or([0; 32], |entry| entry.hash));
        if equal && own_pepper.is_some() {
            return known;
        }
        if self.imported.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.peppers.all.values().find_map(|other| {
            let hash = if other.id == tried.id { hash } else { pepper::hash(other, presented) };
            self.by_hash.get(&hash).filter(|entry| entry.pepper_id == other.id && same(&entry.hash, &hash))
        })
    }

    /// The entry with this id, whatever its standing.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<Arc<KeyEntry>> {
        self.by_id.get(&id)
    }

    /// The consumer whose name has this digest; for calls.
    #[must_use]
    pub fn consumer_named(&self, name: &NameDigest) -> Option<Arc<ConsumerEntry>> {
        self.consumers.get(&name.0)
    }

    /// The consumer with this name; walks all of them.
    #[must_use]
    pub fn consumer(&self, name: &str) -> Option<Arc<ConsumerEntry>> {
        self.writer().consumers.values().find(|consumer| &*consumer.name == name).cloned()
    }

    /// The consumer with this number; not for calls.
    pub(crate) fn consumer_numbered(&self, id: i64) -> Option<Arc<ConsumerEntry>> {
        self.writer().consumers.get(&id).cloned()
    }

    /// How many keys there are; walks the shards.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys that were used since the last time this was asked, each with its last use (Unix milliseconds, to the
    /// minute): for the store to write down now and then.
    #[must_use]
    pub fn drain_touched(&self) -> Vec<(KeyId, i64)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let drained = waiting.try_iter().filter_map(|entry| {
            // Before the moment is read, so that a use that comes just after it queues the entry again.
            entry.queued.store(false, Ordering::Release);
            Some((entry.id, entry.last_used_ms()?))
        });
        drained.collect()
    }

    /// Adds a consumer, or takes over the plan of one that is there.
    pub fn put_consumer(&self, consumer: &Consumer) {
        let mut writer = self.writer();
        match writer.consumers.get(&consumer.id) {
            Some(entry) => entry.set_plan(consumer.plan.as_deref()),
            None => {
                let entry = Arc::new(ConsumerEntry::new(consumer));
                self.consumers.insert(NameDigest::of(&entry.name).0, Arc::clone(&entry));
                writer.consumers.insert(consumer.id, entry);
            }
        }
    }

    /// Adds a key, or takes over the moments of one that is there: its cells, and whoever holds it, stay.
    pub fn put_key(&self, key: &Key) {
        let mut writer = self.writer();
        if let Some(entry) = self.by_id.get(&key.id) {
            entry.set_expires(key.expires_ms);
            if let Some(at_ms) = key.revoked_ms {
                entry.revoke(at_ms);
            }
            return;
        }
        let Some(entry) = writer.entry(key) else { return };
        if entry.imported {
            self.by_hash.insert(entry.hash, Arc::clone(&entry));
            self.imported.fetch_add(1, Ordering::AcqRel);
        }
        self.by_id.insert(entry.id, entry);
    }

    /// Takes a consumer and its keys out. Whoever still holds one of them sees it revoked.
    pub fn remove_consumer(&self, id: i64, now_ms: i64) {
        let mut writer = self.writer();
        let mut gone = Vec::new();
        self.by_id.for_each(|entry| {
            if entry.consumer.id == id {
                gone.push(Arc::clone(entry));
            }
        });
        for entry in gone {
            entry.revoke(now_ms);
            if entry.imported {
                self.by_hash.remove(&entry.hash);
                self.imported.fetch_sub(1, Ordering::AcqRel);
            }
            self.by_id.remove(&entry.id);
        }
        if let Some(entry) = writer.consumers.remove(&id) {
            self.consumers.remove(&NameDigest::of(&entry.name).0);
        }
        writer.grants.retain(|grants| Arc::strong_count(grants) > 1);
    }

    /// Takes over what a store holds, after another process has changed it: what is new, what changed, and what is gone.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn take_over(&self, store: &Store, now_ms: i64) -> Result<(), StoreError> {
        let begin = |consumers: Vec<Consumer>| {
            consumers.iter().for_each(|consumer| self.put_consumer(consumer));
            consumers.iter().map(|consumer| consumer.id).collect::<HashSet<i64>>()
        };
        let known = store.keys_each(begin, |_, key| self.put_key(&key)).await?;
        let gone: Vec<i64> = self.writer().consumers.keys().copied().filter(|id| !known.contains(id)).collect();
        gone.into_iter().for_each(|id| self.remove_consumer(id, now_ms));
        Ok(())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for KeyTable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeyTable({} keys)", self.len())
    }
}

// === impl Filling ===

impl Filling {
    fn of(consumers: &[Consumer]) -> Filling {
        let entries = consumers.iter().map(|consumer| (consumer.id, Arc::new(ConsumerEntry::new(consumer))));
        Filling { writer: Writer { consumers: entries.collect(), ..Writer::default() }, keys: Vec::new() }
    }

    /// Takes a key in; one whose consumer is not there is left out.
    fn take(&mut self, key: &Key) {
        self.keys.extend(self.writer.entry(key));
    }

    fn table(self, peppers: Peppers) -> KeyTable {
        let Filling { writer, keys } = self;
        let foreign = || keys.iter().filter(|entry| entry.imported);
        let (touched, waiting) = mpsc::channel();
        let named = writer.consumers.values().map(|entry| (NameDigest::of(&entry.name).0, Arc::clone(entry)));
        KeyTable {
            peppers,
            consumers: ShardMap::build(named),
            by_hash: ShardMap::build(foreign().map(|entry| (entry.hash, Arc::clone(entry)))),
            imported: AtomicUsize::new(foreign().count()),
            by_id: ShardMap::build(keys.into_iter().map(|entry| (entry.id, entry))),
            touched,
            waiting: Mutex::new(waiting),
            writer: Mutex::new(writer),
        }
    }
}

// === impl NameDigest ===

impl NameDigest {
    /// Of this name.
    #[must_use]
    pub fn of(name: &str) -> NameDigest {
        let digest = digest(&SHA256, name.as_bytes());
        NameDigest(digest.as_ref().try_into().unwrap_or_default())
    }

    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

// === impl Writer ===

impl Writer {
    fn entry(&mut self, key: &Key) -> Option<Arc<KeyEntry>> {
        let consumer = Arc::clone(self.consumers.get(&key.consumer_id)?);
        let grants = Grants::of(key);
        let grants = match self.grants.get(&grants) {
            Some(same) => Arc::clone(same),
            None => {
                let grants = Arc::new(grants);
                self.grants.insert(Arc::clone(&grants));
                grants
            }
        };
        Some(Arc::new(KeyEntry::new(key, consumer, grants)))
    }
}

/// Compares in a time that does not depend on where the two differ.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}
