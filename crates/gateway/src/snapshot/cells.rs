//! The cells of limits per api and route, and how servers stand, by a fingerprint of what they belong to. They survive a reload: the next snapshot takes over
//! those it still needs, so nobody gains a fresh burst by waiting for an operator to save a file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use callgate_identity::CellSet;
use callgate_transport::upstream::{Budget, Name, Room, Standing};

use crate::limiter::Counter;

/// Cells and counters of one snapshot.
#[derive(Debug, Default, Clone)]
pub struct Cells {
    limits: HashMap<u64, Arc<AtomicU64>>,
    counters: HashMap<u64, Counter>,
    standings: HashMap<u64, Arc<Standing>>,
    budgets: HashMap<u64, Arc<Budget>>,
    names: HashMap<u64, Arc<Name>>,
    rooms: HashMap<u64, Arc<Room>>,
    /// Of callers with certificates: their own sets of cells, as keys have them.
    callers: HashMap<u64, Arc<CellSet>>,
}

// === impl Cells ===

impl Cells {
    /// The cell with this fingerprint: the earlier snapshot's, or a new one.
    pub fn limit(&mut self, earlier: Option<&Cells>, fingerprint: u64) -> Arc<AtomicU64> {
        let known = earlier.and_then(|cells| cells.limits.get(&fingerprint));
        Arc::clone(self.limits.entry(fingerprint).or_insert_with(|| known.cloned().unwrap_or_default()))
    }

    /// The cells of the caller with this fingerprint: the earlier snapshot's, or new ones.
    pub fn caller(&mut self, earlier: Option<&Cells>, fingerprint: u64) -> Arc<CellSet> {
        let known = earlier.and_then(|cells| cells.callers.get(&fingerprint));
        Arc::clone(self.callers.entry(fingerprint).or_insert_with(|| known.cloned().unwrap_or_default()))
    }

    /// The counter with this fingerprint: the earlier snapshot's, or a new one.
    pub fn counter(&mut self, earlier: Option<&Cells>, fingerprint: u64) -> Counter {
        let known = earlier.and_then(|cells| cells.counters.get(&fingerprint));
        self.counters.entry(fingerprint).or_insert_with(|| known.cloned().unwrap_or_default()).clone()
    }

    /// The budget of repeats of the upstream with this fingerprint: the earlier snapshot's, or a new one.
    pub fn budget(&mut self, earlier: Option<&Cells>, fingerprint: u64) -> Arc<Budget> {
        let known = earlier.and_then(|cells| cells.budgets.get(&fingerprint));
        Arc::clone(self.budgets.entry(fingerprint).or_insert_with(|| known.cloned().unwrap_or_default()))
    }

    /// What is known of the name with this fingerprint: the earlier snapshot's, or a new one.
    pub fn name(&mut self, earlier: Option<&Cells>, fingerprint: u64) -> Arc<Name> {
        let known = earlier.and_then(|cells| cells.names.get(&fingerprint));
        Arc::clone(self.names.entry(fingerprint).or_insert_with(|| known.cloned().unwrap_or_default()))
    }

    /// The standing of the server with this fingerprint: the earlier snapshot's, with the calls that are at it, or a new one.
    pub fn standing(&mut self, earlier: Option<&Cells>, fingerprint: u64) -> Arc<Standing> {
        let known = earlier.and_then(|cells| cells.standings.get(&fingerprint));
        Arc::clone(self.standings.entry(fingerprint).or_insert_with(|| known.cloned().unwrap_or_default()))
    }

    /// The room for connections to the server with this fingerprint, of which the numbers are a part: the earlier snapshot's,
    /// with the connections that are open, or a new one.
    pub fn room(&mut self, earlier: Option<&Cells>, fingerprint: u64, max: u32, workers: usize) -> Arc<Room> {
        let known = earlier.and_then(|cells| cells.rooms.get(&fingerprint));
        let made = || known.cloned().unwrap_or_else(|| Arc::new(Room::new(max, workers)));
        Arc::clone(self.rooms.entry(fingerprint).or_insert_with(made))
    }
}
