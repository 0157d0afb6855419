//! Addresses that guess credentials.
//!
//! After so many failures within a time, further failures from that address are answered 429 for a while, without telling
//! whether the guess was close. A success neither resets the count (an attacker would mix in a key of his own) nor is it
//! ever refused: a whole office behind one address must not lose its working keys to one broken script. So who asks here is
//! somebody whose credential has just failed.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use callgate_model::bounds;

#[cfg(test)]
mod tests;

/// When addresses are locked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutRule {
    /// This many failures, at least 1,
    pub failures: u32,
    /// within this time of the first of them,
    pub within: Duration,
    /// are answered by 429 for this time.
    pub lasts: Duration,
}

/// The memory of failures: a table of fixed size (1 MiB), which no flood of addresses makes larger, and no lock.
pub struct Lockout {
    rule: ArcSwapOption<LockoutRule>,
    /// Sets of [`WAYS`] cells; an address belongs to one set. Whoever finds a set full takes the cell whose matter is
    /// over, else the one that began longest ago, and a locked one only when all are locked.
    /// Made with the first failure: most gates at rest have none.
    cells: OnceLock<Box<[Cell]>>,
    /// Seeded per process, so that nobody can choose addresses that push each other out.
    hasher: RandomState,
}

/// One address's failures.
#[derive(Default)]
struct Cell {
    /// Hash of the address; [`FREE`] or [`CLAIMED`] when it belongs to none.
    tag: AtomicU64,
    /// A packed [`State`].
    state: AtomicU64,
}

/// What a cell says: failures since a moment, or locked until one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Counting { since_ms: u64, failures: u64 },
    Locked { until_ms: u64 },
}

const WAYS: usize = 8;
const FREE: u64 = 0;
/// Somebody is just moving in; others leave the cell alone for those few instructions.
const CLAIMED: u64 = 1;

const LOCKED_BIT: u64 = 1 << 63;
/// 44 bits of milliseconds are 557 years.
const TIME_BITS: u32 = 44;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
const FAILURES_MAX: u64 = (1 << (63 - TIME_BITS)) - 1;
const NS_PER_MS: u64 = 1_000_000;

// === impl Lockout ===

impl Lockout {
    /// An empty memory; without a rule nobody is ever locked out.
    #[must_use]
    pub fn new(rule: Option<LockoutRule>) -> Lockout {
        Lockout { rule: ArcSwapOption::from_pointee(rule), cells: OnceLock::new(), hasher: RandomState::new() }
    }

    /// Takes over another rule, at a reload. Who is locked stays locked as long as the old rule said.
    pub fn set_rule(&self, rule: Option<LockoutRule>) {
        self.rule.store(rule.map(Arc::new));
    }

    /// Notes a failure at this moment of the monotonic clock. `Some(wait_ns)`: the address was locked already, for that
    /// much longer; a failure while locked neither counts nor prolongs.
    pub fn failed(&self, ip: IpAddr, now_ns: u64) -> Option<u64> {
        let rule = **self.rule.load().as_ref()?;
        let now_ms = now_ns / NS_PER_MS;
        let cell = self.cell(self.tag(ip), now_ms, &rule)?;
        loop {
            let packed = cell.state.load(Ordering::Acquire);
            let next = match State::unpack(packed) {
                State::Locked { until_ms } if until_ms > now_ms => return Some(wait_ns(until_ms, now_ns)),
                state => state.with_failure(now_ms, &rule),
            };
            if cell.state.compare_exchange(packed, next.pack(), Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return None;
            }
        }
    }

    /// How much longer failures from this address are answered by 429, nanoseconds.
    #[must_use]
    pub fn locked(&self, ip: IpAddr, now_ns: u64) -> Option<u64> {
        self.rule.load().as_ref()?;
        let tag = self.tag(ip);
        let cell = self.set(tag).iter().find(|cell| cell.tag.load(Ordering::Acquire) == tag)?;
        match State::unpack(cell.state.load(Ordering::Acquire)) {
            State::Locked { until_ms } if until_ms > now_ns / NS_PER_MS => Some(wait_ns(until_ms, now_ns)),
            _ => None,
        }
    }

    /// The cell of an address; moves in when it has none. Nothing when every cell of the set is being moved into.
    fn cell(&self, tag: u64, now_ms: u64, rule: &LockoutRule) -> Option<&Cell> {
        let set = self.set(tag);
        for _ in 0..WAYS {
            if let Some(own) = set.iter().find(|cell| cell.tag.load(Ordering::Acquire) == tag) {
                return Some(own);
            }
            let worth = |cell: &&Cell| match cell.tag.load(Ordering::Acquire) {
                FREE => (0, 0),
                _ => State::unpack(cell.state.load(Ordering::Acquire)).worth(now_ms, rule),
            };
            let cell = set.iter().filter(|cell| cell.tag.load(Ordering::Acquire) != CLAIMED).min_by_key(worth)?;
            let before = cell.tag.load(Ordering::Acquire);
            if before != CLAIMED
                && cell.tag.compare_exchange(before, CLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
            {
                cell.state.store(State::NOTHING.pack(), Ordering::Release);
                cell.tag.store(tag, Ordering::Release);
                return Some(cell);
            }
        }
        None
    }

    fn set(&self, tag: u64) -> &[Cell] {
        let cells = self.cells.get_or_init(|| (0..bounds::LOCKOUT_CELLS_MAX).map(|_| Cell::default()).collect());
        let sets = cells.len() / WAYS;
        let first = (tag as usize % sets) * WAYS;
        cells.get(first..first + WAYS).unwrap_or_default()
    }

    /// An IPv6 customer holds a /64 at least, so that is what counts as one address.
    fn tag(&self, ip: IpAddr) -> u64 {
        let network = match ip.to_canonical() {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits() >> 64 | 1 << 64,
        };
        self.hasher.hash_one(network).max(CLAIMED + 1)
    }
}

impl std::fmt::Debug for Lockout {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Lockout({:?})", self.rule.load().as_deref())
    }
}

/// Until a moment in milliseconds, from one in nanoseconds.
fn wait_ns(until_ms: u64, now_ns: u64) -> u64 {
    (until_ms * NS_PER_MS).saturating_sub(now_ns)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(TIME_MASK)
}

// === impl State ===

impl State {
    const NOTHING: State = State::Counting { since_ms: 0, failures: 0 };

    fn with_failure(self, now_ms: u64, rule: &LockoutRule) -> State {
        let (since_ms, failures) = match self {
            State::Counting { since_ms, failures } if failures > 0 && now_ms < since_ms + ms(rule.within) => {
                (since_ms, failures + 1)
            }
            _ => (now_ms, 1),
        };
        if failures >= u64::from(rule.failures).min(FAILURES_MAX) {
            State::Locked { until_ms: (now_ms + ms(rule.lasts)).min(TIME_MASK) }
        } else {
            State::Counting { since_ms, failures }
        }
    }

    /// How much would be lost with it; least goes first.
    fn worth(self, now_ms: u64, rule: &LockoutRule) -> (u8, u64) {
        match self {
            State::Counting { since_ms, .. } if now_ms < since_ms + ms(rule.within) => (1, since_ms),
            State::Locked { until_ms } if now_ms < until_ms => (2, until_ms),
            _ => (0, 1),
        }
    }

    fn pack(self) -> u64 {
        match self {
            State::Counting { since_ms, failures } => failures << TIME_BITS | since_ms & TIME_MASK,
            State::Locked { until_ms } => LOCKED_BIT | until_ms & TIME_MASK,
        }
    }

    fn unpack(packed: u64) -> State {
        let ms = packed & TIME_MASK;
        if packed & LOCKED_BIT != 0 {
            State::Locked { until_ms: ms }
        } else {
            State::Counting { since_ms: ms, failures: packed >> TIME_BITS }
        }
    }
}
