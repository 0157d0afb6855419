//! Every metric that the recorder keeps, in one table: the page in `docs/metrics.md` and the scrape are made from it.

/// What a metric's numbers mean over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; starts again at a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts in buckets of seconds, with their sum.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// As it is scraped.
    pub name: &'static str,
    /// What its numbers mean.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

// === impl Kind ===

impl Kind {
    /// The word of the text format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(pub(crate) const $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*

        /// Every metric of the table, in the order of a scrape.
        pub const METRICS: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    CALLS Counter "callgate_calls_total" ["api" "route" "method" "status"] "Calls answered, by route template; status 0 is a client that was gone before its answer.";
    REFUSALS Counter "callgate_refusals_total" ["api" "code"] "Calls that the gate refused, by code.";
    WOULD_REFUSE Counter "callgate_would_refuse_total" ["api" "code"] "Refusals that observe mode only recorded; a call may count under several codes.";
    CALL_DURATION Histogram "callgate_call_duration_seconds" ["api"] "From the complete request head to the end of the answer; WebSockets are left out.";
    UPSTREAM_HEAD Histogram "callgate_upstream_head_seconds" ["api"] "From forwarding to the upstream's response head.";
    REQUEST_BYTES Counter "callgate_request_body_bytes_total" ["api"] "Body bytes from clients.";
    RESPONSE_BYTES Counter "callgate_response_body_bytes_total" ["api"] "Body bytes to clients.";
    UPSTREAM_CALLS Counter "callgate_upstream_calls_total" ["api" "server" "outcome"] "Forwarded calls by the server that had them last: `answered`, `failed`, or `given_up` by the caller or the gate before either.";
    RECORDS_DROPPED Counter "callgate_records_dropped_total" ["queue" "class"] "Records that found their queue full, by class of status: these calls are missing from every other count.";
    LOG_LINES Counter "callgate_log_lines_total" [] "Lines that the access log's target took.";
    LOG_LINES_LOST Counter "callgate_log_lines_lost_total" [] "Lines that the access log's target refused, or was too slow for.";
    LOG_ERRORS Counter "callgate_log_errors_total" [] "Failed writes to the access log's target, and files that could not be moved aside or opened anew.";
    CALLS_NOT_STORED Counter "callgate_calls_not_stored_total" [] "Recent calls that calls.db was too busy for; they are in the log and in usage.";
    USAGE_LOST Counter "callgate_usage_lost_total" [] "Calls missing from stored usage, because calls.db took nothing for too long.";
    RECORDS_STORE_ERRORS Counter "callgate_records_store_errors_total" [] "Failed writes to calls.db.";
    MESSAGES_LOST Counter "callgate_messages_lost_total" [] "Messages of the gate itself that standard error did not take.";
    CONFIG_GENERATION Gauge "callgate_config_generation" [] "How many configurations this process has taken, the first included.";
    BUILD_INFO Gauge "callgate_build_info" ["version"] "Always 1; the version is in the label.";
}
