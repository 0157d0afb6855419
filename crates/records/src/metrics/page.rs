//! `docs/metrics.md`, generated from the table.

use super::histogram::BUCKETS;
use super::table::METRICS;

/// The whole page.
#[must_use]
pub(crate) fn page() -> String {
    let mut page = String::from(HEAD);
    for metric in METRICS {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        page.push_str(&format!("| `{}` | {} | {labels} | {} |\n", metric.name, metric.kind.name(), metric.help));
    }
    let ends = BUCKETS.iter().map(|(_, end)| *end).collect::<Vec<_>>().join(", ");
    page.push_str(&FOOT.replace("ENDS", &ends));
    page
}

const HEAD: &str = "# Metrics

<!-- Generated from `crates/records/src/metrics/table.rs`; `CALLGATE_UPDATE=1 cargo test -p callgate-records` writes it anew. -->

`GET /metrics` on the `health` address answers in the Prometheus text format (0.0.4).

| metric | kind | labels | meaning |
|---|---|---|---|
";

const FOOT: &str = "
Buckets of the histograms end at ENDS seconds. What other parts of the gate count appears beside these, each with its own
`HELP` line: `callgate_connections` (client connections open now) and `callgate_connections_max`,
`callgate_connections_refused_total`, `callgate_accept_failures_total`, `callgate_memory_bytes` and `callgate_memory_max_bytes`,
`callgate_certificate_ends_seconds` (by `listener` and `name`: when its certificate ends) and
`callgate_upstream_certificate_ends_seconds` (by `api` and `name`: when the one ends that its servers are shown),
`callgate_upstream_connections`, `callgate_upstream_connections_max` and `callgate_upstream_calls_waiting` (by `api` and `server`, for
servers with `max_connections`), `callgate_name_lookups_failed_total`, `callgate_upstream_healthy` (by `api` and `server`: 1 if it gets calls, 0 while it is left out),
`callgate_issuer_up`, `callgate_issuer_keys` and `callgate_issuer_seen_seconds` (by `issuer`, for issuers that are not the gate: whether
the last look found its keys, how many serve, and when they were seen), and `callgate_configurations` (configurations in memory: one for new calls, what workers saw last, what calls under way began with).

**How exact they are.** Every call makes one record, and the counters are made from records, so they miss nothing but the
records that were dropped on a starved gate, which `callgate_records_dropped_total` counts by class of status. A dropped
record is missing from the log, from usage and from every other metric: alert on that counter.

**How many lines there are.** `route` is the template from the configuration, never a path that a caller wrote; calls that
reached no API or no route are under `-`; methods that no RFC names are under `_OTHER`; past 10,000 label sets, calls are
counted under `other`.
";
