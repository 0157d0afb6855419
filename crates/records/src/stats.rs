//! The live table: what happened in the last ten seconds and the last minute.

mod durations;
mod snapshot;

use callgate_model::{CallRecord, Code};

use crate::dropped::CLASSES;
use crate::names::{NameId, Named, Names, NumberMap};
use durations::Durations;
pub use snapshot::{ApiStats, CodeStats, ConsumerStats, Latency, RouteStats, Stats, WindowStats};

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_SECONDS: u64 = 60;
const SHORT_SECONDS: u64 = 10;
/// Routes, and consumers, counted apart in one second; the others of that second are counted together.
const NAMES_PER_SECOND_MAX: usize = 4_096;
/// Consumers in the table.
const CONSUMERS_SHOWN: usize = 10;

/// Counts per second, for the last minute and the second that is not over yet.
#[derive(Debug)]
pub(crate) struct StatTallies {
    started_ns: u64,
    /// The place of a second is its number modulo the length; a place that holds another second is stale.
    seconds: Vec<Second>,
}

/// Calls by class of status, in the order of [`CLASSES`].
type Classes = [u64; CLASSES.len()];

#[derive(Debug, Default)]
struct Second {
    number: u64,
    refused: u64,
    classes: Classes,
    durations: Durations,
    apis: NumberMap<NameId, ApiSecond>,
    routes: NumberMap<(NameId, NameId), Classes>,
    /// Calls, and of these how many were refused.
    consumers: NumberMap<NameId, (u64, u64)>,
    refusals: NumberMap<Code, u64>,
    would_refuse: NumberMap<Code, u64>,
}

#[derive(Debug, Default)]
struct ApiSecond {
    refused: u64,
    classes: Classes,
    durations: Durations,
}

// === impl StatTallies ===

impl StatTallies {
    pub(crate) fn new(now_ns: u64) -> StatTallies {
        let seconds = (0..=MINUTE_SECONDS).map(|_| Second::default()).collect();
        StatTallies { started_ns: now_ns, seconds }
    }

    /// Counts one call in the second in which it is recorded.
    pub(crate) fn add(&mut self, record: &CallRecord, named: Named, now_ns: u64) {
        let number = now_ns / SECOND_NS;
        let Some(second) = self.place(number) else { return };
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        second.add(record, named);
    }

    fn place(&mut self, number: u64) -> Option<&mut Second> {
        let index = number % self.seconds.len() as u64;
        self.seconds.get_mut(usize::try_from(index).ok()?)
    }

    /// The table as it is now.
    pub(crate) fn snapshot(&self, names: &Names, at_ms: i64, now_ns: u64) -> Stats {
        let now = now_ns / SECOND_NS;
        let window = |seconds: u64| {
            // So many whole seconds and the part of the one that runs; after a start, only the time since then.
            let covered_ns = (seconds * SECOND_NS + now_ns % SECOND_NS).min(now_ns.saturating_sub(self.started_ns));
            let covered_s = (covered_ns as f64 / SECOND_NS as f64).max(1.0);
            let recent = self
                .seconds
                .iter()
                .filter(move |second| second.number <= now && second.number + seconds >= now && second.number != 0);
            (recent, covered_s)
        };
        snapshot::make(names, at_ms, window(SHORT_SECONDS), window(MINUTE_SECONDS))
    }
}

// === impl Second ===

impl Second {
    fn add(&mut self, record: &CallRecord, named: Named) {
        let class = usize::from(record.status / 100).min(CLASSES.len() - 1);
        let refused = u64::from(record.refusal.is_some());
        count(&mut self.classes, class);
        self.refused += refused;
        // How long a WebSocket stays open says nothing of how fast calls are answered.
        let answered = record.websocket.is_none();
        if answered {
            self.durations.add(record.duration_us);
        }

        let api = within(&self.apis, named.api, NameId::OTHER);
        let api = self.apis.entry(api).or_default();
        count(&mut api.classes, class);
        api.refused += refused;
        if answered {
            api.durations.add(record.duration_us);
        }

        let route = within(&self.routes, (named.api, named.route), (NameId::OTHER, NameId::OTHER));
        count(self.routes.entry(route).or_default(), class);

        if named.consumer != NameId::NONE {
            let consumer = within(&self.consumers, named.consumer, NameId::OTHER);
            let counts = self.consumers.entry(consumer).or_default();
            counts.0 += 1;
            counts.1 += refused;
        }
        if let Some(refusal) = &record.refusal {
            *self.refusals.entry(refusal.code).or_default() += 1;
        }
        for refusal in &record.would_refuse {
            *self.would_refuse.entry(refusal.code).or_default() += 1;
        }
    }
}

fn count(classes: &mut Classes, class: usize) {
    if let Some(count) = classes.get_mut(class) {
        *count += 1;
    }
}

/// The key itself while there is room for it, else the one that gathers the others.
fn within<K: Copy + Eq + std::hash::Hash, V>(map: &NumberMap<K, V>, key: K, other: K) -> K {
    if map.len() < NAMES_PER_SECOND_MAX || map.contains_key(&key) { key } else { other }
}

#[cfg(test)]
mod tests;
