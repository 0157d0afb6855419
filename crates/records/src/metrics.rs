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

use std::collections::HashMap;
use std::sync::Arc;

use callgate_model::bounds;
use callgate_model::{CallRecord, Code};

use crate::names::{NameId, Names};
use exposition::Exposition;
pub(crate) use gauges::Gauges;
use histogram::Histogram;
pub(crate) use page::page;
pub use table::{Kind, METRICS, Metric};

/// The label of calls that reached no API or no route.
const NONE: &str = "-";
/// The label that gathers what is past the bound.
const OTHER: &str = "other";

/// What has been counted so far.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    names: Names,
    /// Bounded by [`bounds::METRIC_SERIES_MAX`], after which calls go to `calls_other`.
    calls: HashMap<CallSeries, u64>,
    calls_other: u64,
    refusals: HashMap<(NameId, Code), u64>,
    would_refuse: HashMap<(NameId, Code), u64>,
    apis: HashMap<NameId, ApiTallies>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CallSeries {
    api: NameId,
    route: NameId,
    method: &'static str,
    status: u16,
}

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
    pub(crate) config_generation: u64,
}

// === impl Tallies ===

impl Tallies {
    /// Counts one call.
    pub(crate) fn add(&mut self, record: &CallRecord) {
        let api = self.name(record.api.as_ref());
        let route = self.name(record.route.as_ref());
        let series = CallSeries { api, route, method: method(&record.method), status: record.status };
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
        tallies.duration.add(record.duration_us);
        tallies.request_bytes += record.request_bytes;
        tallies.response_bytes += record.response_bytes;
        if let Some(upstream) = record.upstream.as_ref().filter(|upstream| upstream.status.is_some()) {
            tallies.upstream_head.add(upstream.head_us);
        }
    }

    /// Names come from the configuration, but it may be reloaded for ever: past the bound they are all `other`.
    fn name(&mut self, name: Option<&Arc<str>>) -> NameId {
        match name {
            Some(name) => match self.names.known(name) {
                Some(id) => id,
                None if self.names.len() < bounds::METRIC_SERIES_MAX => self.names.id(name),
                None => self.names.id(&Arc::from(OTHER)),
            },
            None => self.names.known(NONE).unwrap_or_else(|| self.names.id(&Arc::from(NONE))),
        }
    }

    /// Everything as text; `gauges` and `outside` are what the tallies do not know.
    pub(crate) fn expose(&self, gauges: &Gauges, outside: &Outside) -> String {
        let mut page = Exposition::default();
        self.expose_calls(&mut page);
        self.expose_codes(&mut page, &table::REFUSALS, &self.refusals);
        self.expose_codes(&mut page, &table::WOULD_REFUSE, &self.would_refuse);
        self.expose_apis(&mut page);
        outside.expose(&mut page);
        gauges.expose(&mut page);
        page.into_text()
    }

    fn expose_calls(&self, page: &mut Exposition) {
        page.family(&table::CALLS);
        let mut rows: Vec<_> = self.calls.iter().map(|(series, count)| (self.labels(series), *count)).collect();
        rows.sort_unstable();
        if self.calls_other > 0 {
            rows.push(((OTHER.into(), OTHER.into(), OTHER, OTHER.to_owned()), self.calls_other));
        }
        for ((api, route, method, status), count) in rows {
            let labels = [("api", &*api), ("route", &*route), ("method", method), ("status", &*status)];
            page.sample(table::CALLS.name, &labels, count);
        }
    }

    fn labels(&self, series: &CallSeries) -> (Arc<str>, Arc<str>, &'static str, String) {
        (self.names.text(series.api), self.names.text(series.route), series.method, series.status.to_string())
    }

    fn expose_codes(&self, page: &mut Exposition, metric: &Metric, tallies: &HashMap<(NameId, Code), u64>) {
        page.family(metric);
        let mut rows: Vec<_> =
            tallies.iter().map(|((api, code), count)| (self.names.text(*api), *code, *count)).collect();
        rows.sort_unstable();
        for (api, code, count) in rows {
            page.sample(metric.name, &[("api", &*api), ("code", code.name())], count);
        }
    }

    fn expose_apis(&self, page: &mut Exposition) {
        let mut rows: Vec<_> = self.apis.iter().map(|(api, tallies)| (self.names.text(*api), tallies)).collect();
        rows.sort_unstable_by(|left, right| left.0.cmp(&right.0));
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
            (&table::CONFIG_GENERATION, self.config_generation),
        ] {
            page.family(metric);
            page.sample(metric.name, &[], value);
        }
        page.family(&table::BUILD_INFO);
        page.sample(table::BUILD_INFO.name, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    }
}

/// The methods of RFC 9110, 5789 and 10008; others are chosen by callers and gathered under OpenTelemetry's word.
fn method(method: &str) -> &'static str {
    const KNOWN: [&str; 10] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}
