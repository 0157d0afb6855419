//! Several limits on one call: all are tested, then all are charged; if one fails late, the others are given back.
//!
//! Never over-admits. Under contention a call may be refused although, a moment later, the cell it lost to was given back:
//! briefly over-refusing is the harmless side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use callgate_model::gcra::{Rate, Verdict};

use super::addresses::{self, Addresses, Subject};

/// Where a limit's number is kept for this call.
#[derive(Debug, Clone)]
pub enum Cell {
    /// Owned by a key, consumer, API or route.
    Owned(Arc<AtomicU64>),
    /// In the table of addresses and header values.
    Shared(Subject),
}

/// The cells that one call is charged to, with what each is for.
#[derive(Debug)]
pub struct Charges<'gate, L> {
    table: &'gate Addresses,
    charges: Vec<Charge<L>>,
}

#[derive(Debug)]
struct Charge<L> {
    cell: Cell,
    rate: Rate,
    limit: L,
    /// A limit that only watches is charged like any other while it has calls left, and refuses nothing when it has none.
    only_watches: bool,
    charged: bool,
}

// === impl Cell ===

impl Cell {
    fn tat_ns(&self, table: &Addresses, now_ns: u64) -> u64 {
        match self {
            Cell::Owned(cell) => cell.load(Ordering::Relaxed),
            Cell::Shared(subject) => table.peek(*subject, now_ns),
        }
    }

    fn charge(&self, table: &Addresses, rate: Rate, now_ns: u64) -> Verdict {
        match self {
            Cell::Owned(cell) => addresses::charge_cell(cell, rate, now_ns),
            Cell::Shared(subject) => table.charge(*subject, rate, now_ns),
        }
    }

    fn give_back(&self, table: &Addresses, rate: Rate) {
        match self {
            Cell::Owned(cell) => addresses::give_back(cell, rate),
            Cell::Shared(subject) => table.give_back(*subject, rate),
        }
    }
}

// === impl Charges ===

impl<'gate, L: Copy> Charges<'gate, L> {
    /// No charges yet.
    #[must_use]
    pub fn new(table: &'gate Addresses) -> Charges<'gate, L> {
        Charges { table, charges: Vec::new() }
    }

    /// Adds a limit to charge.
    pub fn add(&mut self, cell: Cell, rate: Rate, limit: L, only_watches: bool) {
        self.charges.push(Charge { cell, rate, limit, only_watches, charged: false });
    }

    /// Whether there is nothing to charge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.charges.is_empty()
    }

    /// Tests every limit, then charges every limit. `would` hears of each that only watches and would have refused, with
    /// how long; the others stand all the same.
    ///
    /// # Errors
    /// The limit that refuses and how long it would, with nothing charged.
    pub fn charge(&mut self, now_ns: u64, mut would: impl FnMut(L, u64)) -> Result<(), (L, u64)> {
        // What an earlier call was charged is its own: only this one's charges may be given back.
        for charge in &mut self.charges {
            charge.charged = false;
        }
        // Of several limits that refuse, the one that refuses longest is named: waiting for it satisfies the others too.
        let mut longest: Option<(L, u64)> = None;
        for charge in self.charges.iter().filter(|charge| !charge.only_watches) {
            let tat_ns = charge.cell.tat_ns(self.table, now_ns);
            if let Verdict::Refuse { wait_ns } = charge.rate.charge(tat_ns, now_ns, 1)
                && longest.is_none_or(|(_, wait)| wait < wait_ns)
            {
                longest = Some((charge.limit, wait_ns));
            }
        }
        if let Some(refusing) = longest {
            return Err(refusing);
        }
        let mut late = None;
        for charge in &mut self.charges {
            match charge.cell.charge(self.table, charge.rate, now_ns) {
                Verdict::Admit { .. } => charge.charged = true,
                Verdict::Refuse { wait_ns } if charge.only_watches => would(charge.limit, wait_ns),
                Verdict::Refuse { wait_ns } => {
                    late = Some((charge.limit, wait_ns));
                    break;
                }
            }
        }
        match late {
            None => Ok(()),
            Some(refusing) => {
                self.give_back();
                Err(refusing)
            }
        }
    }

    /// Gives every charge back: a later rule refused the call.
    pub fn give_back(&mut self) {
        for charge in self.charges.iter_mut().filter(|charge| charge.charged) {
            charge.cell.give_back(self.table, charge.rate);
            charge.charged = false;
        }
    }

    /// Each limit with its whole calls left and seconds until full, for the `RateLimit` field.
    pub fn states(&self, now_ns: u64) -> impl Iterator<Item = (L, u64, u64)> + '_ {
        self.charges.iter().map(move |charge| {
            let tat_ns = charge.cell.tat_ns(self.table, now_ns);
            (charge.limit, charge.rate.left(tat_ns, now_ns), charge.rate.full_in_s(tat_ns, now_ns))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1 << 62;

    #[test]
    fn one_refusing_limit_charges_none() {
        let table = Addresses::new(64);
        let (wide, narrow) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let call = || {
            let mut charges = Charges::new(&table);
            charges.add(Cell::Owned(Arc::clone(&wide)), Rate { interval_ns: 1_000, burst: 100 }, "wide", false);
            charges.add(Cell::Owned(Arc::clone(&narrow)), Rate { interval_ns: 1_000, burst: 1 }, "narrow", false);
            charges
        };
        let (mut first, mut second) = (call(), call());
        assert_eq!(first.charge(NOW, |_, _| {}), Ok(()));
        assert_eq!(second.charge(NOW, |_, _| {}), Err(("narrow", 1_000)));
        second.give_back();
        assert_eq!(wide.load(Ordering::Relaxed), NOW + 1_000, "the wide limit was charged once");
        first.give_back();
        first.give_back();
        assert_eq!(wide.load(Ordering::Relaxed), NOW, "and is given back once");
    }

    #[test]
    fn a_limit_that_only_watches_switches_no_other_off() {
        let table = Addresses::new(64);
        let cell = || Cell::Owned(Arc::default());
        let mut charges = Charges::new(&table);
        charges.add(cell(), Rate { interval_ns: 1_000, burst: 1 }, "watching", true);
        charges.add(cell(), Rate { interval_ns: 1_000, burst: 3 }, "enforced", false);
        let mut watched = Vec::new();
        let passed = (0..10).filter(|_| charges.charge(NOW, |limit, _| watched.push(limit)).is_ok()).count();
        assert_eq!((passed, watched), (3, vec!["watching", "watching"]));
    }

    #[test]
    fn exact_however_many_workers_charge() {
        let table = Addresses::new(64);
        let cells: Vec<_> = (0..3).map(|_| Arc::new(AtomicU64::new(0))).collect();
        let passed: usize = std::thread::scope(|scope| {
            let work = || {
                let mut charges = Charges::new(&table);
                for cell in &cells {
                    charges.add(Cell::Owned(Arc::clone(cell)), Rate { interval_ns: 1_000, burst: 500 }, (), false);
                }
                (0..5_000).filter(|_| charges.charge(NOW, |_, _| {}).is_ok()).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((499..=500).contains(&passed), "{passed}");
    }
}
