//! Revocations, as the gate compares them: of a subject every token with a number up to this one is dead.
//!
//! A token that was found alive need not look again until something was revoked: [`Cuts::epoch`] counts revocations, and
//! whoever looked at this epoch has seen them all.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use callgate_model::{Cut, TokensOf};

use crate::shards::{ShardMap, Spread};

/// Every revocation that a living token may run into.
pub(crate) struct Cuts {
    epoch: AtomicU64,
    by_subject: ShardMap<TokensOf, AtomicI64>,
    /// In the order in which they end; held while something changes, never on the way of a call.
    ending: Mutex<Vec<(i64, TokensOf)>>,
}

impl Spread for TokensOf {
    fn bytes(&self) -> [u8; 8] {
        // Numbers of one kind follow each other; the product that places them spreads them.
        let (kind, number) = match self {
            TokensOf::Token(number) => (0, number),
            TokensOf::Client(number) => (1_i64 << 62, number),
            TokensOf::User(number) => (1_i64 << 61, number),
            TokensOf::Family(number) => (1_i64 << 60, number),
        };
        (kind ^ number).to_ne_bytes()
    }
}

// === impl Cuts ===

impl Cuts {
    pub(super) fn new(cuts: &[Cut]) -> Cuts {
        let entries = cuts.iter().map(|cut| (cut.of, Arc::new(AtomicI64::new(cut.up_to))));
        Cuts {
            epoch: AtomicU64::new(1),
            by_subject: ShardMap::build(entries),
            ending: Mutex::new(cuts.iter().map(|cut| (cut.until_ms, cut.of)).collect()),
        }
    }

    /// Takes revocations in; when this returns, the very next call is judged by them.
    pub(super) fn apply(&self, cuts: &[Cut], now_ms: i64) {
        let mut ending = self.ending();
        for cut in cuts {
            match self.by_subject.get(&cut.of) {
                Some(known) => {
                    known.fetch_max(cut.up_to, Ordering::AcqRel);
                }
                None => self.by_subject.insert(cut.of, Arc::new(AtomicI64::new(cut.up_to))),
            }
            // The last word on a subject counts: an earlier end would forget the later cut.
            ending.retain(|(_, of)| *of != cut.of);
            ending.push((cut.until_ms, cut.of));
        }
        ending.retain(|(until_ms, of)| {
            let lasts = *until_ms > now_ms;
            if !lasts {
                self.by_subject.remove(of);
            }
            lasts
        });
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Which revocations there were: changes with each.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether the token with this number, which is of these subjects, is dead.
    pub(super) fn kill(&self, token: i64, of: impl IntoIterator<Item = TokensOf>) -> bool {
        let reaches = |of| self.by_subject.get(&of).is_some_and(|cut| cut.load(Ordering::Acquire) >= token);
        of.into_iter().any(reaches)
    }

    fn ending(&self) -> MutexGuard<'_, Vec<(i64, TokensOf)>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
