//! The memory bound: past it no new call is taken, so that the calls under way can end.
//!
//! What is used is measured elsewhere, some times a second; a call reads one atomic. The data plane alone sheds: health and
//! the admin API answer as ever, since whoever looks for the reason needs them most.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};

use crate::call::Call;

/// Shed calls hear that this much later is soon enough.
const RETRY_AFTER_NS: u64 = 1_000_000_000;

/// What the last look found.
#[derive(Debug, Default)]
pub struct Memory {
    /// Bytes in use.
    used: AtomicU64,
    /// Bytes that may be; 0 stands for no bound.
    bound: AtomicU64,
    full: AtomicBool,
}

/// What a look changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// From here on new calls are refused.
    Full,
    /// From here on they are taken again.
    Room,
}

// === impl Memory ===

impl Memory {
    /// Takes the outcome of a look.
    pub fn look(&self, used: u64, bound: Option<u64>) -> Option<Turn> {
        self.used.store(used, Ordering::Relaxed);
        self.bound.store(bound.unwrap_or(0), Ordering::Relaxed);
        let full = self.full.load(Ordering::Relaxed);
        let now = match bound {
            None => false,
            // Room means a twentieth below the bound: at the bound itself, calls would be refused and taken by turns.
            Some(bound) if full => used > bound - bound / 20,
            Some(bound) => used > bound,
        };
        self.full.store(now, Ordering::Relaxed);
        (now != full).then_some(if now { Turn::Full } else { Turn::Room })
    }

    /// Bytes in use at the last look.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be in use; none where nothing bounds them.
    #[must_use]
    pub fn bound(&self) -> Option<u64> {
        Some(self.bound.load(Ordering::Relaxed)).filter(|bound| *bound > 0)
    }
}

/// Whether there is room for one more call. Not a rule that could be observed: memory that is not there can't be used.
///
/// # Errors
/// `overloaded`.
pub(crate) fn room(call: &Call<'_>) -> Result<(), Refused> {
    let memory = &call.gate.memory;
    if !memory.full.load(Ordering::Relaxed) {
        return Ok(());
    }
    // Refusing makes room only where other calls hold some. What is still counted when none runs is freed memory that the
    // allocator keeps, and it lets go of that at work, never at rest: without this the gate would stay shut for good.
    if call.gate.in_flight() <= 1 {
        return Ok(());
    }
    let (used, bound) = (memory.used() >> 20, memory.bound().unwrap_or_default() >> 20);
    Err(Refusal::new(Code::Overloaded, "The gate is short of memory and takes no new calls for the moment.")
        .rule("memory")
        .gate_side(format!("{used} MiB are in use, {bound} MiB may be"))
        .retry_after_ns(RETRY_AFTER_NS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_full_past_the_bound_and_has_room_a_twentieth_below_it() {
        let memory = Memory::default();
        let check = |used: u64, bound: Option<u64>, expect: Option<Turn>| {
            assert_eq!(memory.look(used, bound), expect, "{used} of {bound:?}");
        };
        check(500, None, None);
        check(100, Some(100), None);
        check(101, Some(100), Some(Turn::Full));
        check(101, Some(100), None);
        check(96, Some(100), None);
        check(95, Some(100), Some(Turn::Room));
        check(100, Some(100), None);
        check(101, Some(100), Some(Turn::Full));
        // A reload without a bound opens it at once, and one with a larger one too.
        check(101, None, Some(Turn::Room));
        check(101, Some(100), Some(Turn::Full));
        check(101, Some(200), Some(Turn::Room));
        assert_eq!((memory.used(), memory.bound()), (101, Some(200)));
    }
}
