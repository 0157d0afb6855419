//! Tokens that were verified already: a signature is checked once, and not on every call.
//!
//! Found by a hash whose key nobody outside knows, and then compared whole: so a token that is not the very same text is
//! never taken for it, and how long the comparison takes tells nothing that could be used.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, TryLockError};

use callgate_model::bounds;

use super::entry::TokenEntry;
use crate::shards::{SHARDS, ShardMap, Spread};

/// A token's text with what it says.
pub(super) struct Known {
    text: Box<str>,
    entry: Arc<TokenEntry>,
}

/// Bounded by shards: each holds at most its share, and lets go of what ends first.
pub(super) struct Remembered {
    hashes: RandomState,
    known: ShardMap<Place, Known>,
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

const PER_SHARD_MAX: usize = bounds::TOKENS_REMEMBERED_MAX / SHARDS;

// === impl Remembered ===

impl Remembered {
    pub(super) fn new() -> Remembered {
        Remembered { hashes: RandomState::new(), known: ShardMap::build([]), writer: Mutex::default() }
    }

    /// What this text said when it was verified.
    pub(super) fn get(&self, text: &str) -> Option<Arc<TokenEntry>> {
        let known = self.known.get(&self.place(text))?;
        (*known.text == *text).then(|| Arc::clone(&known.entry))
    }

    /// Remembers a verified text.
    pub(super) fn put(&self, text: &str, entry: &Arc<TokenEntry>, now_ms: i64) {
        let _alone = match self.writer.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let place = self.place(text);
        self.known.change(&place, |shard| {
            shard.retain(|(other, known)| *other != place && !known.entry.is_expired(now_ms));
            if shard.len() >= PER_SHARD_MAX
                && let Some(first) =
                    (0..shard.len()).min_by_key(|at| shard.get(*at).map(|(_, known)| known.entry.expires_ms))
            {
                shard.remove(first);
            }
            let known = Arc::new(Known { text: text.into(), entry: Arc::clone(entry) });
            let at = shard.partition_point(|(other, _)| *other < place);
            shard.insert(at, (place, known));
        });
    }

    /// Forgets all of them: what was good by other keys or another issuer is not good any more.
    pub(super) fn clear(&self) {
        let _alone = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.known.clear();
    }

    fn place(&self, text: &str) -> Place {
        Place(self.hashes.hash_one(text))
    }
}
