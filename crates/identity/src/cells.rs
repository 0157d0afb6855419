//! The limit cells that a key or a consumer owns.
//!
//! A cell lives as long as its owner, not as long as a configuration: a reload that leaves a limit as it was finds the
//! same cell under the same fingerprint, so nobody gets a fresh burst by waiting for a reload.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwapOption;

/// An append-only set of limit cells, found by the fingerprint of their limit. Empty, it is one pointer wide: most of a
/// million keys have never been limited. Reading takes no lock.
#[derive(Default)]
pub struct CellSet(ArcSwapOption<Vec<Cell>>);

#[derive(Clone)]
struct Cell {
    fingerprint: u64,
    state: Arc<AtomicU64>,
}

// === impl CellSet ===

impl CellSet {
    /// The cell of the limit with this fingerprint; made (as zero) when it is asked for the first time. Every thread that
    /// asks gets the same cell.
    #[must_use]
    pub fn cell(&self, fingerprint: u64) -> Arc<AtomicU64> {
        if let Some(state) = find(self.0.load().as_deref(), fingerprint) {
            return state;
        }
        let fresh = Cell { fingerprint, state: Arc::default() };
        // Two workers may append at once; `rcu` runs again for the one that lost, which then finds the other's cell or
        // appends its own after it. Never is a cell dropped that somebody was given.
        self.0.rcu(|current| {
            if find(current.as_deref(), fingerprint).is_some() {
                return current.clone();
            }
            let mut cells = current.as_deref().cloned().unwrap_or_default();
            cells.push(fresh.clone());
            Some(Arc::new(cells))
        });
        find(self.0.load().as_deref(), fingerprint).unwrap_or(fresh.state)
    }

    /// How many cells there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.load().as_ref().map_or(0, |cells| cells.len())
    }

    /// Whether nothing was ever limited here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for CellSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CellSet({})", self.len())
    }
}

// A handful of cells at most, one per limit that names this owner: a scan beats a map.
fn find(cells: Option<&Vec<Cell>>, fingerprint: u64) -> Option<Arc<AtomicU64>> {
    cells?.iter().find(|cell| cell.fingerprint == fingerprint).map(|cell| Arc::clone(&cell.state))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn the_same_fingerprint_is_the_same_cell() {
        let cells = CellSet::default();
        cells.cell(7).store(70, Ordering::Relaxed);
        cells.cell(8).store(80, Ordering::Relaxed);
        assert_eq!(cells.cell(7).load(Ordering::Relaxed), 70);
        assert_eq!(cells.cell(8).load(Ordering::Relaxed), 80);
        assert_eq!(cells.len(), 2);
        assert_eq!(size_of::<CellSet>(), size_of::<usize>());
    }

    /// Every increment by every thread must be found in the end: a cell handed out and then lost would forget charges.
    #[test]
    fn threads_that_meet_at_an_empty_set_share_its_cells() {
        const THREADS: u64 = 4;
        for _ in 0..200 {
            let cells = CellSet::default();
            let barrier = std::sync::Barrier::new(THREADS as usize);
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (cells, barrier) = (&cells, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        for step in 0..16 {
                            cells.cell((step + thread) % 4).fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            let total: u64 = (0..4).map(|fingerprint| cells.cell(fingerprint).load(Ordering::Relaxed)).sum();
            assert_eq!((total, cells.len()), (THREADS * 16, 4));
        }
    }
}
