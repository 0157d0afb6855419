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
    cells: Vec<(Cell, Rate, L)>,
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

    fn give_back(&self, table: &Addresses, rate: Rate, now_ns: u64) {
        match self {
            Cell::Owned(cell) => addresses::give_back(cell, rate),
            Cell::Shared(subject) => table.give_back(*subject, rate, now_ns),
        }
    }
}

// === impl Charges ===

impl<'gate, L: Copy> Charges<'gate, L> {
    /// No charges yet.
    #[must_use]
    pub fn new(table: &'gate Addresses) -> Charges<'gate, L> {
        Charges { table, cells: Vec::new() }
    }

    /// Adds a limit to charge.
    pub fn add(&mut self, cell: Cell, rate: Rate, limit: L) {
        self.cells.push((cell, rate, limit));
    }

    /// Whether there is nothing to charge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Tests every cell, then charges every cell.
    ///
    /// # Errors
    /// The limit that refuses and how long it would, with nothing charged.
    pub fn charge(&self, now_ns: u64) -> Result<(), (L, u64)> {
        // Of several limits that refuse, the one that refuses longest is named: waiting for it satisfies the others too.
        let mut longest: Option<(L, u64)> = None;
        for (cell, rate, limit) in &self.cells {
            if let Verdict::Refuse { wait_ns } = rate.charge(cell.tat_ns(self.table, now_ns), now_ns, 1)
                && longest.is_none_or(|(_, wait)| wait < wait_ns)
            {
                longest = Some((*limit, wait_ns));
            }
        }
        if let Some(refusing) = longest {
            return Err(refusing);
        }
        for (done, (cell, rate, limit)) in self.cells.iter().enumerate() {
            if let Verdict::Refuse { wait_ns } = cell.charge(self.table, *rate, now_ns) {
                self.give_back_first(done, now_ns);
                return Err((*limit, wait_ns));
            }
        }
        Ok(())
    }

    /// Gives every charge back: a later rule refused the call.
    pub fn give_back(&self, now_ns: u64) {
        self.give_back_first(self.cells.len(), now_ns);
    }

    /// Each limit with its whole calls left and seconds until full, for the `RateLimit` field.
    pub fn states(&self, now_ns: u64) -> impl Iterator<Item = (L, u64, u64)> + '_ {
        self.cells.iter().map(move |(cell, rate, limit)| {
            let tat_ns = cell.tat_ns(self.table, now_ns);
            (*limit, rate.left(tat_ns, now_ns), rate.full_in_s(tat_ns, now_ns))
        })
    }

    fn give_back_first(&self, count: usize, now_ns: u64) {
        for (cell, rate, _) in self.cells.iter().take(count) {
            cell.give_back(self.table, *rate, now_ns);
        }
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
        let mut charges = Charges::new(&table);
        charges.add(Cell::Owned(Arc::clone(&wide)), Rate { interval_ns: 1_000, burst: 100 }, "wide");
        charges.add(Cell::Owned(narrow), Rate { interval_ns: 1_000, burst: 1 }, "narrow");
        assert_eq!(charges.charge(NOW), Ok(()));
        assert_eq!(charges.charge(NOW), Err(("narrow", 1_000)));
        assert_eq!(wide.load(Ordering::Relaxed), NOW + 1_000, "the wide limit was charged once");
    }

    #[test]
    fn exact_however_many_workers_charge() {
        let table = Addresses::new(64);
        let cells: Vec<_> = (0..3).map(|_| Arc::new(AtomicU64::new(0))).collect();
        let passed: usize = std::thread::scope(|scope| {
            let work = || {
                let mut charges = Charges::new(&table);
                for cell in &cells {
                    charges.add(Cell::Owned(Arc::clone(cell)), Rate { interval_ns: 1_000, burst: 500 }, ());
                }
                (0..5_000).filter(|_| charges.charge(NOW).is_ok()).count()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!((499..=500).contains(&passed), "{passed}");
    }
}
