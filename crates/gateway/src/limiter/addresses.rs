//! Limit cells for subjects that anybody can make more of: addresses and header values.
//!
//! A fixed table of atomics: no lock, no allocation, and no way for an attacker to make it grow. A bucket of eight slots
//! is searched for the subject; a slot whose cell is full again (its TAT has passed) carries no information and is taken
//! over. When all eight are in use, the subject shares an overflow cell with its whole network (/24 or /48): under a flood
//! from a million addresses the table gets coarser, never larger and never open.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use callgate_model::gcra::{Rate, Verdict};

/// Slots searched for one subject: 128 bytes, two cache lines.
const BUCKET_SLOTS: usize = 8;
/// Set in a slot while its taker makes sure that no other worker is taking one for the same subject: two cells of one subject
/// would let it have its burst twice.
const CLAIM: u64 = 1;
/// Cells shared by the networks of subjects that found no slot.
const OVERFLOW_CELLS: usize = 1 << 14;

/// The table. One for the whole gate; every limit's subjects live in it side by side.
#[derive(Debug)]
pub struct Addresses {
    slots: Box<[Slot]>,
    overflow: Box<[AtomicU64]>,
    /// Random per process, so that nobody can choose addresses that fall into one bucket.
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Slot {
    /// Hash of (limit, subject), with [`CLAIM`] while it is being taken over; 0 is an empty slot.
    subject: AtomicU64,
    /// The cell itself, nanoseconds.
    tat_ns: AtomicU64,
}

/// A subject of a limit, hashed: 64 random-keyed bits, so two of a million addresses share a cell with a probability of
/// one in thirty million, and then only refuse a little early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    own: u64,
    network: u64,
}

// === impl Addresses ===

impl Addresses {
    /// A table of this many cells, rounded up to whole buckets.
    #[must_use]
    pub fn new(cells: usize) -> Addresses {
        let buckets = cells.div_ceil(BUCKET_SLOTS).max(1).next_power_of_two();
        Addresses {
            slots: (0..buckets * BUCKET_SLOTS).map(|_| Slot::default()).collect(),
            overflow: (0..OVERFLOW_CELLS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The subject for an address under a limit. IPv6 counts per /64: one customer's line has at least that many.
    #[must_use]
    pub fn ip(&self, limit: u64, ip: IpAddr) -> Subject {
        let (own, network) = match ip {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), u128::from(ip.to_bits() >> 8)),
            IpAddr::V6(ip) => (ip.to_bits() >> 64, ip.to_bits() >> 80),
        };
        self.subject(limit, ip.is_ipv6(), own, network)
    }

    /// The subject for a header's value under a limit.
    #[must_use]
    pub fn text(&self, limit: u64, text: &[u8]) -> Subject {
        let own = settled(self.hasher.hash_one((limit, text)));
        Subject { own, network: own >> 32 }
    }

    fn subject(&self, limit: u64, v6: bool, own: u128, network: u128) -> Subject {
        Subject {
            own: settled(self.hasher.hash_one((limit, v6, own))),
            network: self.hasher.hash_one((limit, v6, network, "network")),
        }
    }

    /// Charges one call to a subject's cell, or says how long it must wait.
    pub fn charge(&self, subject: Subject, rate: Rate, now_ns: u64) -> Verdict {
        loop {
            let Some(slot) = self.slot(subject, now_ns) else {
                return charge_cell(self.overflow_cell(subject), rate, now_ns);
            };
            let verdict = charge_cell(&slot.tat_ns, rate, now_ns);
            // Another subject may have taken the slot over between the search and the charge; the charge then went to the
            // wrong cell. It is given back, and the search begins anew.
            if slot.subject.load(Ordering::Acquire) == subject.own {
                return verdict;
            }
            if matches!(verdict, Verdict::Admit { .. }) {
                give_back(&slot.tat_ns, rate);
            }
        }
    }

    /// What a cell's TAT is now, without charging it.
    #[must_use]
    pub fn peek(&self, subject: Subject, now_ns: u64) -> u64 {
        let bucket = self.bucket(subject);
        let cell = match own_slot(bucket, subject) {
            Some(slot) => &slot.tat_ns,
            None if bucket.iter().any(|slot| slot.tat_ns.load(Ordering::Relaxed) <= now_ns) => return 0,
            None => self.overflow_cell(subject),
        };
        cell.load(Ordering::Relaxed)
    }

    /// Gives a charge back.
    pub fn give_back(&self, subject: Subject, rate: Rate) {
        // Without a slot of its own the charge went to the network's cell, or is over.
        let own = own_slot(self.bucket(subject), subject);
        give_back(own.map_or_else(|| self.overflow_cell(subject), |slot| &slot.tat_ns), rate);
    }

    /// The subject's slot, taken over from a subject that needs it no more if it had none. None when all are needed.
    fn slot(&self, subject: Subject, now_ns: u64) -> Option<&Slot> {
        let bucket = self.bucket(subject);
        loop {
            if let Some(own) = own_slot(bucket, subject) {
                return Some(own);
            }
            match take_slot(bucket, subject, now_ns) {
                Taking::Done(slot) => return Some(slot),
                Taking::Full => return None,
                // Another worker is at it for the same subject, for a few instructions.
                Taking::Contended => std::thread::yield_now(),
            }
        }
    }

    fn bucket(&self, subject: Subject) -> &[Slot] {
        let buckets = self.slots.len() / BUCKET_SLOTS;
        let first = ((subject.own >> 1) as usize & (buckets - 1)) * BUCKET_SLOTS;
        self.slots.get(first..first + BUCKET_SLOTS).unwrap_or_default()
    }

    fn overflow_cell(&self, subject: Subject) -> &AtomicU64 {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits choose the cell")]
        let index = subject.network as usize % OVERFLOW_CELLS;
        #[expect(clippy::indexing_slicing, reason = "taken modulo the table's length")]
        &self.overflow[index]
    }
}

/// What came of taking a slot over.
enum Taking<'a> {
    Done(&'a Slot),
    /// Every slot is needed by its holder.
    Full,
    Contended,
}

/// A hash as it stands in a slot that nobody is taking over.
fn settled(hash: u64) -> u64 {
    (hash & !CLAIM).max(CLAIM << 1)
}

fn own_slot(bucket: &[Slot], subject: Subject) -> Option<&Slot> {
    bucket.iter().find(|slot| slot.subject.load(Ordering::Acquire) == subject.own)
}

/// Claims a slot, and settles in it only if no other slot is claimed or held for the same subject. Of two workers that claim
/// at once, the later one sees the earlier one's claim, because claiming and looking are in one order for all (`SeqCst`);
/// so never do both settle, and nobody charges a slot that is only claimed.
fn take_slot(bucket: &[Slot], subject: Subject, now_ns: u64) -> Taking<'_> {
    let claim = subject.own | CLAIM;
    let claimed = bucket.iter().enumerate().find(|(_, slot)| {
        let holder = slot.subject.load(Ordering::Acquire);
        slot.tat_ns.load(Ordering::Relaxed) <= now_ns
            && holder != claim
            && slot.subject.compare_exchange(holder, claim, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    });
    let same = |slot: &Slot| slot.subject.load(Ordering::SeqCst) | CLAIM == claim;
    let Some((place, slot)) = claimed else {
        return if bucket.iter().any(same) { Taking::Contended } else { Taking::Full };
    };
    let alone = !bucket.iter().enumerate().any(|(other, slot)| other != place && same(slot));
    let next = if alone { subject.own } else { 0 };
    match slot.subject.compare_exchange(claim, next, Ordering::SeqCst, Ordering::Relaxed) {
        Ok(_) if alone => Taking::Done(slot),
        _ => Taking::Contended,
    }
}

/// Charges one call to a cell, exactly, however many workers charge it at once.
pub fn charge_cell(cell: &AtomicU64, rate: Rate, now_ns: u64) -> Verdict {
    let mut tat_ns = cell.load(Ordering::Relaxed);
    loop {
        match rate.charge(tat_ns, now_ns, 1) {
            refused @ Verdict::Refuse { .. } => return refused,
            admitted @ Verdict::Admit { tat_ns: charged_ns } => {
                match cell.compare_exchange_weak(tat_ns, charged_ns, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return admitted,
                    Err(seen) => tat_ns = seen,
                }
            }
        }
    }
}

/// Gives one call back to a cell. A cell is never given more than it was charged, so this does not underflow; saturating
/// all the same.
pub fn give_back(cell: &AtomicU64, rate: Rate) {
    let take_off = |tat_ns: u64| Some(tat_ns.saturating_sub(rate.interval_ns));
    // Always taken: the closure never declines.
    let _before = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_off);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { interval_ns: 1_000_000_000, burst: 5 };
    const NOW: u64 = 1 << 62;

    fn admitted(table: &Addresses, ip: &str, now_ns: u64) -> bool {
        matches!(table.charge(table.ip(1, ip.parse().unwrap()), RATE, now_ns), Verdict::Admit { .. })
    }

    #[test]
    fn each_address_has_its_own_burst() {
        let table = Addresses::new(1024);
        for ip in ["10.0.0.1", "10.0.0.2", "2001:db8::1"] {
            let count = (0..20).filter(|_| admitted(&table, ip, NOW)).count();
            assert_eq!(count, 5, "{ip}");
        }
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_subject() {
        let table = Addresses::new(1024);
        let count = (0..20).filter(|host| admitted(&table, &format!("2001:db8::{host:x}"), NOW)).count();
        assert_eq!(count, 5);
    }

    #[test]
    fn exact_across_threads() {
        let table = Addresses::new(1024);
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..10_000).filter(|_| admitted(&table, "10.0.0.1", NOW)).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 5);
    }

    /// Workers that meet a new subject at the same instant must end up in one slot.
    #[test]
    fn exact_at_the_first_contact() {
        const ROUNDS: u64 = 2_000;
        let table = Addresses::new(64);
        let barrier = std::sync::Barrier::new(4);
        let work = || -> Vec<bool> {
            let round = |round: u64| {
                let now_ns = NOW + round * 10_000_000_000;
                barrier.wait();
                admitted(&table, &format!("10.1.{}.{}", round >> 8, round & 255), now_ns)
            };
            (0..ROUNDS).flat_map(|number| (0..2).map(move |_| number)).map(round).collect()
        };
        let passed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).filter(|passed| *passed).count()
        });
        assert_eq!(passed as u64, ROUNDS * RATE.burst, "8 calls for each address, 5 of which pass");
    }

    #[test]
    fn a_flood_of_addresses_makes_cells_coarser_and_never_opens_them() {
        let table = Addresses::new(64);
        // 65,536 addresses of 256 networks, five calls each at one instant: had each its own cell, all would pass.
        let passed: usize = (0..=u16::MAX)
            .map(|host| format!("10.1.{}.{}", host >> 8, host & 255))
            .map(|ip| (0..5).filter(|_| admitted(&table, &ip, NOW)).count())
            .sum();
        assert!(passed <= 64 * 5 + 256 * 5, "{passed}");
        // And an hour later everything is as new.
        assert!(admitted(&table, "10.9.9.9", NOW + 3_600_000_000_000));
    }
}
