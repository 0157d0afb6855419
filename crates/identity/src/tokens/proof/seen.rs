//! The proofs that were used, until they are too old to be used again. A table of fixed size, without a lock: who floods it
//! makes it refuse, never forget.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use callgate_model::bounds;

/// What became of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was not seen before.
    First,
    /// It was.
    Again,
    /// There is no place to remember it.
    NoRoom,
}

/// Places for proofs, in sets of [`WAYS`]. A place holds a tag of the proof in its upper 40 bits, and in the lower 24 the
/// second from which it is free again; 0 was never taken.
pub(super) struct Seen {
    hashes: RandomState,
    places: OnceLock<Box<[AtomicU64]>>,
}

/// With three in the mean, a set of 16 overflows about once in 10,000,000 proofs (Poisson).
const WAYS: usize = 16;
const SETS: usize = bounds::PROOFS_REMEMBERED_MAX / WAYS;
const SECOND_BITS: u32 = 24;

// === impl Seen ===

impl Seen {
    pub(super) fn new() -> Seen {
        Seen { hashes: RandomState::new(), places: OnceLock::new() }
    }

    /// Takes a proof, which is not to be taken again until this moment.
    pub(super) fn take(&self, proof: &impl Hash, now_ms: i64, until_ms: i64) -> Taken {
        let hash = self.hashes.hash_one(proof);
        let tag = (hash >> SECOND_BITS).max(1) << SECOND_BITS;
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash name a set")]
        let set = hash as usize % SETS;
        let places = self.places.get_or_init(|| (0..SETS * WAYS).map(|_| AtomicU64::new(0)).collect());
        let Some(places) = places.get(set * WAYS..(set + 1) * WAYS) else { return Taken::NoRoom };
        let is_it = |value: u64| value & !low_bits() == tag && !is_free(value, now_ms);
        let mine = tag | second(until_ms.saturating_add(999));
        for (at, place) in places.iter().enumerate() {
            let value = place.load(Ordering::SeqCst);
            if is_it(value) {
                return Taken::Again;
            }
            if !is_free(value, now_ms) {
                continue;
            }
            // Free for somebody else's proof; this one may stand further on.
            let further = places.iter().skip(at + 1).any(|place| is_it(place.load(Ordering::SeqCst)));
            if further {
                return Taken::Again;
            }
            if place.compare_exchange(value, mine, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                continue;
            }
            // The same proof at the same moment on another worker: each sees the other, and none is the first.
            let beside =
                places.iter().enumerate().any(|(other, place)| other != at && is_it(place.load(Ordering::SeqCst)));
            return if beside { Taken::Again } else { Taken::First };
        }
        Taken::NoRoom
    }
}

fn low_bits() -> u64 {
    (1 << SECOND_BITS) - 1
}

/// The second of a moment, as far as it fits: they come round after 194 days, and a place is held for minutes.
fn second(ms: i64) -> u64 {
    (ms.div_euclid(1_000).unsigned_abs() & low_bits()).max(1)
}

fn is_free(value: u64, now_ms: i64) -> bool {
    if value == 0 {
        return true;
    }
    let left = (value & low_bits()).wrapping_sub(second(now_ms)) & low_bits();
    // What ends in the far future has ended in the past.
    left == 0 || left > low_bits() / 2
}
