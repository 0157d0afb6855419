//! A map that many threads read without a lock and one writes: sorted slices behind `ArcSwap`, many of them.
//!
//! A writer copies one shard (a few hundred pointers at a million keys), changes the copy, and swaps it in: readers see the
//! whole shard before or the whole shard after. papaya, the concurrent hash map that was the other candidate, allocates a
//! node per key and keeps its table half empty, about 50 bytes a key against 16 here, and its strength, many writers at
//! once, is not needed: keys change when a person or a program administers them, one act at a time. A look-up here is two
//! loads and about eight comparisons in one or two cache lines each.

use std::sync::Arc;

use arc_swap::ArcSwap;
use callgate_model::KeyId;

/// 4096 shards: at a million keys 244 to a shard, 4 KiB to copy for a change; empty, the map takes 32 KiB.
const SHARD_BITS: u32 = 12;
pub(crate) const SHARDS: usize = 1 << SHARD_BITS;

/// A map from ids or hashes to shared values.
pub(crate) struct ShardMap<K, V> {
    shards: Box<[ArcSwap<Shard<K, V>>]>,
}

/// Sorted by key, exactly as long as it must be.
pub(crate) type Shard<K, V> = Vec<(K, Arc<V>)>;

/// Something that can be spread over shards. Ids are drawn and hashes are keyed, and numbers are given by the store: nobody
/// outside can crowd a shard.
pub(crate) trait Spread: Ord + Copy {
    /// Eight bytes of it.
    fn bytes(&self) -> [u8; 8];
}

impl Spread for KeyId {
    fn bytes(&self) -> [u8; 8] {
        self.as_str().as_bytes().try_into().unwrap_or_default()
    }
}

impl Spread for [u8; 32] {
    fn bytes(&self) -> [u8; 8] {
        self.first_chunk().copied().unwrap_or_default()
    }
}

// === impl ShardMap ===

impl<K: Spread, V> ShardMap<K, V> {
    /// Builds the whole map at once; of two entries with one key the later stays.
    pub(crate) fn build(entries: impl IntoIterator<Item = (K, Arc<V>)>) -> ShardMap<K, V> {
        let mut shards: Vec<Shard<K, V>> = (0..SHARDS).map(|_| Vec::new()).collect();
        for (key, value) in entries {
            if let Some(shard) = shards.get_mut(index(&key)) {
                shard.push((key, value));
            }
        }
        let nothing: Arc<Shard<K, V>> = Arc::default();
        let finish = |mut shard: Shard<K, V>| {
            if shard.is_empty() {
                return ArcSwap::new(Arc::clone(&nothing));
            }
            shard.reverse();
            shard.sort_by_key(|(key, _)| *key);
            shard.dedup_by_key(|(key, _)| *key);
            shard.shrink_to_fit();
            ArcSwap::from_pointee(shard)
        };
        ShardMap { shards: shards.into_iter().map(finish).collect() }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<Arc<V>> {
        let shard = self.shards.get(index(key))?.load();
        let place = shard.binary_search_by(|(own, _)| own.cmp(key)).ok()?;
        shard.get(place).map(|(_, value)| Arc::clone(value))
    }

    /// Puts a value in, in place of the one before. One writer at a time: the table's lock sees to it.
    pub(crate) fn insert(&self, key: K, value: Arc<V>) {
        self.change(&key, |shard| match shard.binary_search_by(|(own, _)| own.cmp(&key)) {
            Ok(place) => {
                if let Some(slot) = shard.get_mut(place) {
                    slot.1 = value;
                }
            }
            Err(place) => {
                shard.reserve_exact(1);
                shard.insert(place, (key, value));
            }
        });
    }

    /// Takes a key out.
    pub(crate) fn remove(&self, key: &K) {
        self.change(key, |shard| shard.retain(|(own, _)| own != key));
    }

    /// Every value, shard by shard; what is put in meanwhile may or may not be among them.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&Arc<V>)) {
        for shard in &self.shards {
            for (_, value) in shard.load().iter() {
                visit(value);
            }
        }
    }

    /// How many there are; walks the shards.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.load().len()).sum()
    }

    /// Changes a copy of the shard that this key belongs to, and puts it in its place; sorted by key before and after. One
    /// writer at a time.
    pub(crate) fn change(&self, key: &K, act: impl FnOnce(&mut Shard<K, V>)) {
        let Some(slot) = self.shards.get(index(key)) else { return };
        let mut shard: Shard<K, V> = Vec::clone(&slot.load());
        act(&mut shard);
        slot.store(Arc::new(shard));
    }
}

fn index<K: Spread>(key: &K) -> usize {
    // Fibonacci hashing: the high bits of the product depend on every byte, and base62 text uses few bits of each.
    let mixed = u64::from_ne_bytes(key.bytes()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - SHARD_BITS)) as usize
}
