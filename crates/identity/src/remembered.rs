//! Tokens that were verified already: a signature is checked once, and not on every call.
//!
//! Found by a hash whose key nobody outside knows, and then compared whole: so a token that is not the very same text is
//! never taken for it, and how long the comparison takes tells nothing that could be used.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, TryLockError};

use crate::shards::{ShardMap, Spread};

/// Something that a token says, and that ends.
pub(crate) trait Remembers {
    /// When, Unix milliseconds: what ends first is let go of first.
    fn ends_ms(&self) -> i64;
    /// Whether that was so.
    fn is_over(&self, now_ms: i64) -> bool;
}

/// A token's text with what it says.
struct Known<E> {
    text: Box<str>,
    /// By what it was verified: keys, an issuer's name.
    generation: u64,
    entry: Arc<E>,
}

/// Bounded by shards: each holds at most its share, and lets go of what ends first.
pub(crate) struct Remembered<E> {
    hashes: RandomState,
    known: ShardMap<Place, Known<E>>,
    per_shard_max: usize,
    /// Held while one is put in; whoever finds it held remembers nothing, and waits for nothing.
    writer: Mutex<()>,
}

/// Where a text is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

impl Spread for Place {
    fn bytes(&self) -> [u8; 8] {
        self.0.to_ne_bytes()
    }
}

// === impl Remembered ===

impl<E: Remembers> Remembered<E> {
    /// With room for so many in each shard.
    pub(crate) fn new(per_shard_max: usize) -> Remembered<E> {
        Remembered { hashes: RandomState::new(), known: ShardMap::build([]), per_shard_max, writer: Mutex::default() }
    }

    /// What this text said when it was verified, if nothing has changed since that it was verified by.
    pub(crate) fn get(&self, text: &str, generation: u64) -> Option<Arc<E>> {
        let known = self.known.get(&self.place(text))?;
        (known.generation == generation && *known.text == *text).then(|| Arc::clone(&known.entry))
    }

    /// Remembers a text that was verified by what was in force at this generation.
    pub(crate) fn put(&self, text: &str, generation: u64, entry: &Arc<E>, now_ms: i64) {
        let _alone = match self.writer.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let place = self.place(text);
        self.known.change(&place, |shard| {
            shard.retain(|(other, known)| *other != place && !known.entry.is_over(now_ms));
            if shard.len() >= self.per_shard_max
                && let Some(first) =
                    (0..shard.len()).min_by_key(|at| shard.get(*at).map(|(_, known)| known.entry.ends_ms()))
            {
                shard.remove(first);
            }
            let known = Arc::new(Known { text: text.into(), generation, entry: Arc::clone(entry) });
            let at = shard.partition_point(|(other, _)| *other < place);
            shard.insert(at, (place, known));
        });
    }

    fn place(&self, text: &str) -> Place {
        Place(self.hashes.hash_one(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Endless;

    impl Remembers for Endless {
        fn ends_ms(&self) -> i64 {
            i64::MAX
        }

        fn is_over(&self, _: i64) -> bool {
            false
        }
    }

    /// A verification that began before the keys changed, and ends after, must not bring the token back.
    #[test]
    fn what_was_verified_by_earlier_keys_is_not_found_after_they_changed() {
        let (remembered, entry) = (Remembered::new(8), Arc::new(Endless));
        remembered.put("a.b.c", 0, &entry, 0);
        assert!(remembered.get("a.b.c", 0).is_some() && remembered.get("a.b.d", 0).is_none());
        assert!(remembered.get("a.b.c", 1).is_none());
        remembered.put("a.b.c", 1, &entry, 0);
        assert!(remembered.get("a.b.c", 1).is_some());
    }
}
