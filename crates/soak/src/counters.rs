//! What the gate counts of itself, added up over the processes that served one after another.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use callgate_testkit::Call;

/// Configurations that were taken over, the first included.
pub(crate) const CONFIGURATIONS: &str = "callgate_config_generation";
/// What must stay nothing.
pub(crate) const LOST: &[&str] = &[
    "callgate_records_dropped_total",
    "callgate_log_lines_lost_total",
    "callgate_usage_lost_total",
    "callgate_messages_lost_total",
    "callgate_accept_failures_total",
];

/// One process's, or a sum of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts(BTreeMap<String, u64>);

/// Those of the processes that were replaced.
#[derive(Debug, Default)]
pub(crate) struct Before(Mutex<Counts>);

// === impl Counts ===

impl Counts {
    /// Those of the process that serves now.
    pub(crate) fn now(health: SocketAddr) -> Counts {
        let page = Call::new(health, "GET /metrics").send().text();
        let mut counts = Counts::default();
        for name in LOST.iter().chain([&CONFIGURATIONS]) {
            let lines =
                page.lines().filter_map(|line| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<u64>().ok());
            counts.add(name, lines.sum());
        }
        counts
    }

    pub(crate) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    fn add(&mut self, name: &str, count: u64) {
        *self.0.entry(name.to_owned()).or_default() += count;
    }
}

// === impl Before ===

impl Before {
    /// A process was replaced; these were its counts just before. What it loses later would show in the usage.
    pub(crate) fn keep(&self, counts: &Counts) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, count) in &counts.0 {
            sum.add(name, *count);
        }
    }

    /// The sum, the process that serves now included.
    pub(crate) fn and(&self, now: &Counts) -> Counts {
        self.keep(now);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
