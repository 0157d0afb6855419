//! Metrics in the Prometheus text format.
//!
//! Tallies are plain numbers that only the recorder changes, from the records themselves, under a lock that only a scrape
//! ever waits for: every call makes one record, so the counters are exact but for records that were dropped, and those
//! are counted too. Written by hand rather than with a metrics library: a library's families look a label set up by
//! owned strings, which is an allocation and a lock per call, where a tally here is one look-up by numbers.

mod exposition;
mod gauges;
mod histogram;
mod page;
mod table;

use callgate_model::bounds;
use callgate_model::record::UpstreamPart;
use callgate_model::{CallRecord, Code};

use crate::names::{NameId, Named, Names, NumberMap};
use exposition::Exposition;
pub(crate) use gauges::Gauges;
use histogram::Histogram;
pub(crate) use page::page;
pub use table::{Kind, METRICS, Metric};

/// The label that gathers what is past the bound.
const OTHER: &str = "other";

/// What has been counted so far.
#[derive(Debug, Default)]
pub(crate) struct MetricTallies {
    /// Bounded by [`bounds::METRIC_SERIES_MAX`], after which calls go to `calls_other`.
    calls: NumberMap<CallSeries, u64>,
    calls_other: u64,
    refusals: NumberMap<(NameId, Code), u64>,
    would_refuse: NumberMap<(NameId, Code), u64>,
    apis: NumberMap<NameId, ApiTallies>,
    servers: NumberMap<(NameId, NameId, Outcome), u64>,
}

/// What became of a call at the server that had it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Answered,
    Failed,
    /// Its caller, or the gate, ended it before the server could do the one or the other.
    GivenUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CallSeries {
    api: NameId,
    route: NameId,
    method: Method,
    status: u16,
}

/// A method that may be a label, by its place in [`Method::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Method(u8);

#[derive(Debug, Clone, Default)]
struct ApiTallies {
    duration: Histogram,
    upstream_head: Histogram,
    request_bytes: u64,
    response_bytes: u64,
}

/// Counters that live outside the tallies, read at a scrape.
#[derive(Debug, Default, Clone)]
pub(crate) struct Outside {
    pub(crate) dropped: Vec<(&'static str, &'static str, u64)>,
    pub(crate) log_lines: u64,
    pub(crate) log_lines_lost: u64,
    pub(crate) log_errors: u64,
    pub(crate) calls_not_stored: u64,
    pub(crate) usage_lost: u64,
    pub(crate) store_errors: u64,
    pub(crate) messages_lost: u64,
    pub(crate) config_generation: u64,
}

// === impl MetricTallies ===

impl MetricTallies {
    /// Counts one call.
    pub(crate) fn add(&mut self, record: &CallRecord, Named { api, route, server, .. }: Named) {
        let series = CallSeries { api, route, method: Method::of(&record.method), status: record.status };
        let room = self.calls.len() < bounds::METRIC_SERIES_MAX;
        match self.calls.get_mut(&series) {
            Some(count) => *count += 1,
            None if room => drop(self.calls.insert(series, 1)),
            None => self.calls_other += 1,
        }
        if let Some(refusal) = &record.refusal {
            *self.refusals.entry((api, refusal.code)).or_default() += 1;
        }
        for refusal in &record.would_refuse {
            *self.would_refuse.entry((api, refusal.code)).or_default() += 1;
        }
        let tallies = self.apis.entry(api).or_default();
        // How long a WebSocket stays open says nothing of how fast calls are answered.
        if record.websocket.is_none() {
            tallies.duration.add(record.duration_us);
        }
        tallies.request_bytes += record.request_bytes;
        tallies.response_bytes += record.response_bytes;
        if let Some(upstream) = &record.upstream {
            let outcome = Outcome::of(record, upstream);
            if outcome == Some(Outcome::Answered) {
                tallies.upstream_head.add(upstream.head_us);
            }
            if let Some(outcome) = outcome {
                *self.servers.entry((api, server, outcome)).or_default() += 1;
            }
        }
    }

    /// Everything as text; `gauges` and `outside` are what the tallies do not know.
    pub(crate) fn expose(&self, names: &Names, gauges: &Gauges, outside: &Outside) -> String {
        let mut page = Exposition::default();
        self.expose_calls(names, &mut page);
        expose_codes(&table::REFUSALS, &self.refusals, names, &mut page);
        expose_codes(&table::WOULD_REFUSE, &self.would_refuse, names, &mut page);
        self.expose_apis(names, &mut page);
        self.expose_servers(names, &mut page);
        outside.expose(&mut page);
        gauges.expose(&mut page);
        page.into_text()
    }

    fn expose_calls(&self, names: &Names, page: &mut Exposition) {
        page.family(&table::CALLS);
        let row = |(series, count): (&CallSeries, &u64)| {
            let CallSeries { api, route, method, status } = series;
            (names.text(*api).as_ref(), names.text(*route).as_ref(), method.name(), status.to_string(), *count)
        };
        let mut rows: Vec<(&str, &str, &str, String, u64)> = self.calls.iter().map(row).collect();
        rows.sort_unstable();
        if self.calls_other > 0 {
            rows.push((OTHER, OTHER, OTHER, OTHER.to_owned(), self.calls_other));
        }
        for (api, route, method, status, count) in rows {
            let labels = [("api", api), ("route", route), ("method", method), ("status", &*status)];
            page.sample(table::CALLS.name, &labels, count);
        }
    }

    fn expose_apis(&self, names: &Names, page: &mut Exposition) {
        let mut rows: Vec<_> = self.apis.iter().map(|(api, tallies)| (names.text(*api), tallies)).collect();
        rows.sort_unstable_by(|left, right| left.0.cmp(right.0));
        page.family(&table::CALL_DURATION);
        for (api, tallies) in &rows {
            page.histogram(table::CALL_DURATION.name, ("api", api), &tallies.duration);
        }
        page.family(&table::UPSTREAM_HEAD);
        for (api, tallies) in rows.iter().filter(|(_, tallies)| tallies.upstream_head.count() > 0) {
            page.histogram(table::UPSTREAM_HEAD.name, ("api", api), &tallies.upstream_head);
        }
        page.family(&table::REQUEST_BYTES);
        for (api, tallies) in &rows {
            page.sample(table::REQUEST_BYTES.name, &[("api", &**api)], tallies.request_bytes);
        }
        page.family(&table::RESPONSE_BYTES);
        for (api, tallies) in &rows {
            page.sample(table::RESPONSE_BYTES.name, &[("api", &**api)], tallies.response_bytes);
        }
    }

    fn expose_servers(&self, names: &Names, page: &mut Exposition) {
        page.family(&table::UPSTREAM_CALLS);
        let row = |((api, server, outcome), count): (&(NameId, NameId, Outcome), &u64)| {
            (names.text(*api).as_ref(), names.text(*server).as_ref(), outcome.name(), *count)
        };
        let mut rows: Vec<(&str, &str, &str, u64)> = self.servers.iter().map(row).collect();
        rows.sort_unstable();
        for (api, server, outcome, count) in rows {
            let labels = [("api", api), ("server", server), ("outcome", outcome)];
            page.sample(table::UPSTREAM_CALLS.name, &labels, count);
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// None where the server never had the call: the gate had no connection for it, and the server no part in that.
    fn of(record: &CallRecord, upstream: &UpstreamPart) -> Option<Outcome> {
        if upstream.status.is_some() {
            return Some(Outcome::Answered);
        }
        match record.refusal.as_ref().map(|refusal| refusal.code) {
            Some(Code::UpstreamBusy | Code::Overloaded) => None,
            Some(Code::UpstreamUnreachable | Code::UpstreamTimeout | Code::UpstreamInvalid) => Some(Outcome::Failed),
            _ => Some(Outcome::GivenUp),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Failed => "failed",
            Outcome::GivenUp => "given_up",
        }
    }
}

fn expose_codes(metric: &Metric, tallies: &NumberMap<(NameId, Code), u64>, names: &Names, page: &mut Exposition) {
    page.family(metric);
    let mut rows: Vec<_> = tallies.iter().map(|((api, code), count)| (names.text(*api), *code, *count)).collect();
    rows.sort_unstable();
    for (api, code, count) in rows {
        page.sample(metric.name, &[("api", api), ("code", code.name())], count);
    }
}

// === impl Outside ===

impl Outside {
    fn expose(&self, page: &mut Exposition) {
        page.family(&table::RECORDS_DROPPED);
        for (queue, class, count) in &self.dropped {
            page.sample(table::RECORDS_DROPPED.name, &[("queue", queue), ("class", class)], *count);
        }
        for (metric, value) in [
            (&table::LOG_LINES, self.log_lines),
            (&table::LOG_LINES_LOST, self.log_lines_lost),
            (&table::LOG_ERRORS, self.log_errors),
            (&table::CALLS_NOT_STORED, self.calls_not_stored),
            (&table::USAGE_LOST, self.usage_lost),
            (&table::RECORDS_STORE_ERRORS, self.store_errors),
            (&table::MESSAGES_LOST, self.messages_lost),
            (&table::CONFIG_GENERATION, self.config_generation),
        ] {
            page.family(metric);
            page.sample(metric.name, &[], value);
        }
        page.family(&table::BUILD_INFO);
        page.sample(table::BUILD_INFO.name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    }
}

// === impl Method ===

impl Method {
    /// Of RFC 9110, 5789 and 10008; the others are chosen by callers and gathered under OpenTelemetry's word for that.
    const NAMES: [&str; 11] =
        ["_OTHER", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "CONNECT", "TRACE"];

    fn of(method: &str) -> Method {
        let known = Method::NAMES.iter().position(|known| *known == method);
        Method(known.and_then(|index| u8::try_from(index).ok()).unwrap_or(0))
    }

    fn name(self) -> &'static str {
        Method::NAMES.get(usize::from(self.0)).copied().unwrap_or("_OTHER")
    }
}

#[cfg(test)]
mod tests;
