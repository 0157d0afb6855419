//! The live table as it is shown.

use std::collections::BTreeMap;
use std::hash::Hash;

use callgate_model::Code;
use serde::{Deserialize, Serialize};

use super::durations::Durations;
use super::{CONSUMERS_SHOWN, Classes, NameId, Names, NumberMap, Second};
use crate::dropped::CLASSES;

/// What happened lately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// When this was taken, Unix milliseconds.
    pub at_ms: i64,
    /// The last ten seconds.
    pub ten_seconds: WindowStats,
    /// The last minute.
    pub minute: WindowStats,
    /// Per API, the busiest first.
    pub apis: Vec<ApiStats>,
    /// Per route, the busiest first.
    pub routes: Vec<RouteStats>,
    /// Refusals of the last minute, the most frequent first.
    pub refusals: Vec<CodeStats>,
    /// Refusals that observe mode only recorded, of the last minute.
    pub would_refuse: Vec<CodeStats>,
    /// The consumers with the most calls in the last minute, ten at most.
    pub consumers: Vec<ConsumerStats>,
    /// Records dropped since the start: calls that are missing everywhere here.
    pub dropped: u64,
}

/// All calls of a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowStats {
    /// Calls.
    pub calls: u64,
    /// Calls a second.
    pub calls_per_s: f64,
    /// Of the calls, those that the gate refused.
    pub refused: u64,
    /// By class of status: `2xx`; `none` for clients that were gone.
    pub classes: BTreeMap<String, u64>,
    /// How long they took.
    pub latency: Latency,
}

/// One API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiStats {
    /// Its name; `-` for calls that reached none.
    pub api: String,
    /// Calls a second, over the last ten seconds.
    pub calls_per_s: f64,
    /// Calls of the last minute.
    pub calls: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Of these, by class of status.
    pub classes: BTreeMap<String, u64>,
    /// How long these took.
    pub latency: Latency,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteStats {
    /// Its API.
    pub api: String,
    /// Its template; `-` for calls that reached none.
    pub route: String,
    /// Calls a second, over the last ten seconds.
    pub calls_per_s: f64,
    /// Calls of the last minute.
    pub calls: u64,
    /// Of these, by class of status.
    pub classes: BTreeMap<String, u64>,
}

/// One code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeStats {
    /// The code.
    pub code: Code,
    /// How often.
    pub count: u64,
}

/// One consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerStats {
    /// Its name.
    pub consumer: String,
    /// Calls of the last minute.
    pub calls: u64,
    /// Of these, refused.
    pub refused: u64,
}

/// Percentiles of the time from the complete head to the end of the answer, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the calls took at most this.
    pub p50_ms: f64,
    /// 95 of 100.
    pub p95_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
}

/// Builds the table out of the seconds of two windows, each with the seconds it covers.
pub(super) fn make<'a>(
    names: &Names,
    at_ms: i64,
    (short, short_s): (impl Iterator<Item = &'a Second>, f64),
    (long, long_s): (impl Iterator<Item = &'a Second>, f64),
) -> Stats {
    let (short, long) = (Sum::of(short), Sum::of(long));
    let rate = |classes: Option<&Classes>| round(classes.map_or(0, total) as f64 / short_s);
    let mut apis: Vec<_> = long
        .apis
        .iter()
        .map(|(api, (sum, refused, durations))| ApiStats {
            api: names.text(*api).to_string(),
            calls_per_s: rate(short.apis.get(api).map(|(sum, ..)| sum)),
            calls: total(sum),
            refused: *refused,
            classes: by_class(sum),
            latency: Latency::of(durations),
        })
        .collect();
    apis.sort_by(|left, right| right.calls.cmp(&left.calls).then_with(|| left.api.cmp(&right.api)));
    let mut routes: Vec<_> = long
        .routes
        .iter()
        .map(|(route, sum)| RouteStats {
            api: names.text(route.0).to_string(),
            route: names.text(route.1).to_string(),
            calls_per_s: rate(short.routes.get(route)),
            calls: total(sum),
            classes: by_class(sum),
        })
        .collect();
    routes.sort_by(|left, right| {
        right.calls.cmp(&left.calls).then_with(|| (&left.api, &left.route).cmp(&(&right.api, &right.route)))
    });
    Stats {
        at_ms,
        ten_seconds: short.window(short_s),
        minute: long.window(long_s),
        apis,
        routes,
        refusals: codes(&long.refusals),
        would_refuse: codes(&long.would_refuse),
        consumers: consumers(&long.consumers, names),
        dropped: 0,
    }
}

/// Several seconds added up.
#[derive(Default)]
struct Sum {
    refused: u64,
    classes: Classes,
    durations: Durations,
    apis: NumberMap<NameId, (Classes, u64, Durations)>,
    routes: NumberMap<(NameId, NameId), Classes>,
    consumers: NumberMap<NameId, (u64, u64)>,
    refusals: NumberMap<Code, u64>,
    would_refuse: NumberMap<Code, u64>,
}

// === impl Sum ===

impl Sum {
    fn of<'a>(seconds: impl Iterator<Item = &'a Second>) -> Sum {
        let mut sum = Sum::default();
        for second in seconds {
            sum.refused += second.refused;
            add_classes(&mut sum.classes, &second.classes);
            sum.durations.merge(&second.durations);
            for (api, more) in &second.apis {
                let (classes, refused, durations) = sum.apis.entry(*api).or_default();
                add_classes(classes, &more.classes);
                *refused += more.refused;
                durations.merge(&more.durations);
            }
            for (route, more) in &second.routes {
                add_classes(sum.routes.entry(*route).or_default(), more);
            }
            for (consumer, more) in &second.consumers {
                let counts = sum.consumers.entry(*consumer).or_default();
                *counts = (counts.0 + more.0, counts.1 + more.1);
            }
            add_counts(&mut sum.refusals, &second.refusals);
            add_counts(&mut sum.would_refuse, &second.would_refuse);
        }
        sum
    }

    fn window(&self, covered_s: f64) -> WindowStats {
        let calls = total(&self.classes);
        WindowStats {
            calls,
            calls_per_s: round(calls as f64 / covered_s),
            refused: self.refused,
            classes: by_class(&self.classes),
            latency: Latency::of(&self.durations),
        }
    }
}

// === impl Latency ===

impl Latency {
    fn of(durations: &Durations) -> Latency {
        let ms = |share| durations.quantile_us(share) as f64 / 1_000.0;
        Latency { p50_ms: ms(0.5), p95_ms: ms(0.95), p99_ms: ms(0.99) }
    }
}

fn add_classes(sum: &mut Classes, more: &Classes) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

fn add_counts<K: Copy + Eq + Hash>(sum: &mut NumberMap<K, u64>, more: &NumberMap<K, u64>) {
    for (key, count) in more {
        *sum.entry(*key).or_default() += count;
    }
}

fn total(classes: &Classes) -> u64 {
    classes.iter().sum()
}

fn by_class(classes: &Classes) -> BTreeMap<String, u64> {
    let present = CLASSES.into_iter().zip(*classes).filter(|(_, count)| *count > 0);
    present.map(|(class, count)| (class.to_owned(), count)).collect()
}

fn codes(counts: &NumberMap<Code, u64>) -> Vec<CodeStats> {
    let mut rows: Vec<_> = counts.iter().map(|(code, count)| CodeStats { code: *code, count: *count }).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.count), row.code));
    rows
}

fn consumers(counts: &NumberMap<NameId, (u64, u64)>, names: &Names) -> Vec<ConsumerStats> {
    let mut rows: Vec<_> = counts
        .iter()
        .map(|(consumer, (calls, refused))| ConsumerStats {
            consumer: names.text(*consumer).to_string(),
            calls: *calls,
            refused: *refused,
        })
        .collect();
    rows.sort_by(|left, right| right.calls.cmp(&left.calls).then_with(|| left.consumer.cmp(&right.consumer)));
    rows.truncate(CONSUMERS_SHOWN);
    rows
}

/// Two digits behind the point are as many as a person reads.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
