use std::sync::Arc;

use callgate_model::{Code, Refusal};

use super::*;
use crate::sample;

fn expose(tallies: &MetricTallies, names: &Names) -> String {
    tallies.expose(names, &Gauges::default(), &Outside::default())
}

#[test]
fn a_scrape_of_a_few_calls() {
    let (mut tallies, mut names) = (MetricTallies::default(), Names::default());
    let mut observed = sample::good();
    observed.would_refuse = vec![*Refusal::new(Code::IpDenied, "ip")];
    let mut nowhere = sample::refused(Refusal::new(Code::NoSuchRoute, "path"));
    (nowhere.api, nowhere.route, nowhere.method) = (None, None, "BREW".into());
    for record in [sample::good(), observed, sample::refused(Refusal::new(Code::RateLimited, "10/s")), nowhere] {
        let named = names.of(&record);
        tallies.add(&record, named);
    }
    let text = expose(&tallies, &names);
    let calls: Vec<_> = text.lines().filter(|line| !line.contains("_bucket")).collect();
    insta::assert_snapshot!(calls.join("\n"), @r#"
    # HELP callgate_calls_total Calls answered, by route template; status 0 is a client that was gone before its answer.
    # TYPE callgate_calls_total counter
    callgate_calls_total{api="-",route="-",method="_OTHER",status="404"} 1
    callgate_calls_total{api="bookshop",route="GET /books/{id}",method="GET",status="200"} 2
    callgate_calls_total{api="bookshop",route="GET /books/{id}",method="GET",status="429"} 1
    # HELP callgate_refusals_total Calls that the gate refused, by code.
    # TYPE callgate_refusals_total counter
    callgate_refusals_total{api="-",code="no_such_route"} 1
    callgate_refusals_total{api="bookshop",code="rate_limited"} 1
    # HELP callgate_would_refuse_total Refusals that observe mode only recorded; a call may count under several codes.
    # TYPE callgate_would_refuse_total counter
    callgate_would_refuse_total{api="bookshop",code="ip_denied"} 1
    # HELP callgate_call_duration_seconds From the complete request head to the end of the answer; WebSockets are left out.
    # TYPE callgate_call_duration_seconds histogram
    callgate_call_duration_seconds_sum{api="-"} 0.00015
    callgate_call_duration_seconds_count{api="-"} 1
    callgate_call_duration_seconds_sum{api="bookshop"} 0.008792
    callgate_call_duration_seconds_count{api="bookshop"} 3
    # HELP callgate_upstream_head_seconds From forwarding to the upstream's response head.
    # TYPE callgate_upstream_head_seconds histogram
    callgate_upstream_head_seconds_sum{api="bookshop"} 0.0078
    callgate_upstream_head_seconds_count{api="bookshop"} 2
    # HELP callgate_request_body_bytes_total Body bytes from clients.
    # TYPE callgate_request_body_bytes_total counter
    callgate_request_body_bytes_total{api="-"} 0
    callgate_request_body_bytes_total{api="bookshop"} 0
    # HELP callgate_response_body_bytes_total Body bytes to clients.
    # TYPE callgate_response_body_bytes_total counter
    callgate_response_body_bytes_total{api="-"} 320
    callgate_response_body_bytes_total{api="bookshop"} 500
    # HELP callgate_upstream_calls_total Forwarded calls by the server that had them last: `answered`, `failed`, or `given_up` by the caller or the gate before either.
    # TYPE callgate_upstream_calls_total counter
    callgate_upstream_calls_total{api="bookshop",server="127.0.0.1:9000",outcome="answered"} 2
    # HELP callgate_records_dropped_total Records that found their queue full, by class of status: these calls are missing from every other count.
    # TYPE callgate_records_dropped_total counter
    # HELP callgate_log_lines_total Lines that the access log's target took.
    # TYPE callgate_log_lines_total counter
    callgate_log_lines_total 0
    # HELP callgate_log_lines_lost_total Lines that the access log's target refused, or was too slow for.
    # TYPE callgate_log_lines_lost_total counter
    callgate_log_lines_lost_total 0
    # HELP callgate_log_errors_total Failed writes to the access log's target, and files that could not be moved aside or opened anew.
    # TYPE callgate_log_errors_total counter
    callgate_log_errors_total 0
    # HELP callgate_calls_not_stored_total Recent calls that calls.db was too busy for; they are in the log and in usage.
    # TYPE callgate_calls_not_stored_total counter
    callgate_calls_not_stored_total 0
    # HELP callgate_usage_lost_total Calls missing from stored usage, because calls.db took nothing for too long.
    # TYPE callgate_usage_lost_total counter
    callgate_usage_lost_total 0
    # HELP callgate_records_store_errors_total Failed writes to calls.db.
    # TYPE callgate_records_store_errors_total counter
    callgate_records_store_errors_total 0
    # HELP callgate_messages_lost_total Messages of the gate itself that standard error did not take.
    # TYPE callgate_messages_lost_total counter
    callgate_messages_lost_total 0
    # HELP callgate_config_generation How many configurations this process has taken, the first included.
    # TYPE callgate_config_generation gauge
    callgate_config_generation 0
    # HELP callgate_build_info Always 1; the version is in the label.
    # TYPE callgate_build_info gauge
    callgate_build_info{version="0.1.0"} 1
    "#);
    let buckets: Vec<_> =
        text.lines().filter(|line| line.contains("duration_seconds_bucket{api=\"bookshop\"")).collect();
    insta::assert_snapshot!(buckets.join("\n"), @r#"
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.0005"} 1
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.001"} 1
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.0025"} 1
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.005"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.01"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.025"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.05"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.1"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.25"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="0.5"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="1"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="2.5"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="5"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="10"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="30"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="60"} 3
    callgate_call_duration_seconds_bucket{api="bookshop",le="+Inf"} 3
    "#);
}

#[test]
fn past_the_bound_calls_are_counted_under_other_and_none_is_lost() {
    let (mut tallies, mut names) = (MetricTallies::default(), Names::default());
    let count = bounds::METRIC_SERIES_MAX + 500;
    for route in 0..count {
        let mut record = sample::good();
        record.route = Some(Arc::from(format!("GET /{route}")));
        let named = names.of(&record);
        tallies.add(&record, named);
        tallies.add(&record, named);
    }
    let text = expose(&tallies, &names);
    let samples: Vec<_> = text.lines().filter(|line| line.starts_with("callgate_calls_total{")).collect();
    assert_eq!(samples.len(), bounds::METRIC_SERIES_MAX + 1);
    let other = r#"callgate_calls_total{api="other",route="other",method="other",status="other"} 1000"#;
    assert_eq!(samples.last(), Some(&other));
}

#[test]
fn a_server_answers_for_what_it_did_alone() {
    let check = |code: Option<Code>, status: Option<u16>, expect: &str| {
        let (mut tallies, mut names) = (MetricTallies::default(), Names::default());
        let mut record = sample::good();
        record.refusal = code.map(|code| Refusal::new(code, "the case"));
        record.upstream.as_mut().unwrap().status = status;
        let named = names.of(&record);
        tallies.add(&record, named);
        let text = expose(&tallies, &names);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("callgate_upstream_calls_total{")).collect();
        let outcome = lines.first().and_then(|line| line.split_once("outcome=")).map_or("", |(_, outcome)| outcome);
        assert_eq!((lines.len(), outcome), (usize::from(!expect.is_empty()), expect), "{code:?}");
    };
    check(None, Some(500), "\"answered\"} 1");
    check(Some(Code::ResponseViolated), Some(200), "\"answered\"} 1");
    check(Some(Code::UpstreamTimeout), None, "\"failed\"} 1");
    check(Some(Code::UpstreamUnreachable), None, "\"failed\"} 1");
    // The caller left, or its body was cut.
    check(None, None, "\"given_up\"} 1");
    check(Some(Code::BodyTooLarge), None, "\"given_up\"} 1");
    // The gate had no connection for it.
    check(Some(Code::UpstreamBusy), None, "");
    check(Some(Code::Overloaded), None, "");
}

#[test]
fn labels_and_helps_are_escaped() {
    let (mut tallies, mut names) = (MetricTallies::default(), Names::default());
    let mut record = sample::good();
    record.route = Some(Arc::from("GET /a\"b\\c\nd"));
    let named = names.of(&record);
    tallies.add(&record, named);
    assert!(expose(&tallies, &names).contains(r#"route="GET /a\"b\\c\nd""#));
}

#[test]
fn every_metric_of_the_table_is_exposed_once() {
    let text = expose(&MetricTallies::default(), &Names::default());
    for metric in METRICS {
        let line = format!("# TYPE {} {}\n", metric.name, metric.kind.name());
        assert_eq!(text.matches(&line).count(), 1, "{}", metric.name);
    }
    assert_eq!(text.matches("# TYPE ").count(), METRICS.len());
}
