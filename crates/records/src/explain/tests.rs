use callgate_model::record::End;
use callgate_model::{CallRecord, Code, Phase, Refusal};

use super::*;
use crate::sample;

fn check(record: &CallRecord) -> String {
    call(record).plain()
}

#[test]
fn a_call_over_its_limit() {
    let refusal = Refusal::new(Code::RateLimited, "limit `10-s-consumer` (10/s): 10 of 10 calls used; wait 1 s")
        .rule("plans.free.limits[0]")
        .gate_side("the cell of consumer alice is full again in 0.9 s; `limits: [20/s]` would have let it pass")
        .retry_after_ns(900_000_000);
    insta::assert_snapshot!(check(&sample::refused(refusal)), @"
    GET /shop/books/7 was refused with 429 rate_limited: Too many calls in too short a time

    The call
      call    019cbf1c-6a5a-7000-8000-000000000001
      at      2026-03-01T12:00:00.250Z
      from    203.0.113.7, through 10.1.2.3
      asked   GET /shop/books/7 on api.example.com
      took    0.150 ms
      bodies  0 bytes in, 320 bytes out
      agent   curl/8.5.0
      trace   4bf92f3577b34da6a3ce929d0e0e4736

    Its way
      ✓ accept     TLS on 0.0.0.0:8443
      ✓ read       HTTP/2
      ✓ route      bookshop, GET /books/{id}
      ✓ admit
      ✓ identify   alice, key Ab12Cd34
      ✓ authorize
      ✗ meter      429 rate_limited
      · check      not reached
      · forward    not reached
      · inspect    not reached
      ✓ record

    What the caller was told
      title        Too many calls in too short a time.
      detail       limit `10-s-consumer` (10/s): 10 of 10 calls used; wait 1 s
      hint         Wait for the time in Retry-After, then call more slowly.
      Retry-After  1 s

    What only you see
      rule          plans.free.limits[0]
      the gate saw  the cell of consumer alice is full again in 0.9 s; `limits: [20/s]` would have let
                    it pass

    What would let it pass
      the caller  Wait for the time in Retry-After and then call more slowly; the RateLimit fields of
                  every answer say how much is left.
      you         Raise the limit, give it a larger `burst`, or put the consumer on a larger plan. The
                  limits of a step are all tested before any is charged, and a refused call charges none
                  of them; those per address are a step of their own and may be charged already.
    ");
}

#[test]
fn a_good_call() {
    insta::assert_snapshot!(check(&sample::good()), @"
    GET /shop/books/7 passed and was answered with 200

    The call
      call    019cbf1c-6a5a-7000-8000-000000000001
      at      2026-03-01T12:00:00.250Z
      from    203.0.113.7, through 10.1.2.3
      asked   GET /shop/books/7 on api.example.com
      took    4.321 ms
      bodies  0 bytes in, 90 bytes out
      agent   curl/8.5.0
      trace   4bf92f3577b34da6a3ce929d0e0e4736

    Its way
      ✓ accept     TLS on 0.0.0.0:8443
      ✓ read       HTTP/2
      ✓ route      bookshop, GET /books/{id}
      ✓ admit
      ✓ identify   alice, key Ab12Cd34
      ✓ authorize
      ✓ meter
      ✓ check
      ✓ forward    to 127.0.0.1:9000
      ✓ inspect    the upstream's 200, sent on as 200
      ✓ record

    Upstream
      server      127.0.0.1:9000
      attempts    1, on a kept connection
      status      200
      head after  3.900 ms
      the rest    0.421 ms: the gate's own work and the body's way
    ");
}

#[test]
fn a_call_that_observe_mode_let_pass() {
    let mut record = sample::good();
    record.would_refuse = vec![
        *Refusal::new(Code::IpDenied, "calls from this address").rule("apis.bookshop.ip.deny").gate_side("203.0.113.7"),
    ];
    let page = check(&record);
    insta::assert_snapshot!(page, @"
    GET /shop/books/7 was answered with 200; in enforce mode it would have been refused: ip_denied

    The call
      call    019cbf1c-6a5a-7000-8000-000000000001
      at      2026-03-01T12:00:00.250Z
      from    203.0.113.7, through 10.1.2.3
      asked   GET /shop/books/7 on api.example.com
      took    4.321 ms
      bodies  0 bytes in, 90 bytes out
      agent   curl/8.5.0
      trace   4bf92f3577b34da6a3ce929d0e0e4736

    Its way
      ✓ accept     TLS on 0.0.0.0:8443
      ✓ read       HTTP/2
      ✓ route      bookshop, GET /books/{id}
      ! admit      would refuse: ip_denied
      ✓ identify   alice, key Ab12Cd34
      ✓ authorize
      ✓ meter
      ✓ check
      ✓ forward    to 127.0.0.1:9000
      ✓ inspect    the upstream's 200, sent on as 200
      ✓ record

    Upstream
      server      127.0.0.1:9000
      attempts    1, on a kept connection
      status      200
      head after  3.900 ms
      the rest    0.421 ms: the gate's own work and the body's way

    What observe mode only recorded
      ip_denied  calls from this address (apis.bookshop.ip.deny) The gate saw: 203.0.113.7
    ");
}

#[test]
fn an_upstream_that_broke_off() {
    let mut record = sample::good();
    (record.end, record.phase) = (End::UpstreamBroke, Phase::Inspect);
    let page = check(&record);
    assert!(page.contains("✗ inspect    the upstream broke off"), "{page}");
}

#[test]
fn a_call_that_was_cut_behind_the_head_of_its_answer() {
    let mut record = sample::good();
    record.end = End::Refused;
    record.refusal = Some(Refusal::new(Code::BodyTooLarge, "body_max"));
    let page = check(&record);
    assert!(page.starts_with("GET /shop/books/7 was answered with 200, and then cut: body_too_large: "), "{page}");
}

#[test]
fn an_error_of_the_upstream_is_not_taken_for_one_of_the_gate() {
    let mut record = sample::good();
    record.status = 500;
    record.upstream.as_mut().unwrap().status = Some(500);
    assert!(check(&record).starts_with("GET /shop/books/7 passed the gate; the 500 is the upstream's own answer\n"));
}

#[test]
fn a_call_in_one_line() {
    let mut observed = sample::good();
    observed.would_refuse = vec![*Refusal::new(Code::IpDenied, "ip")];
    let mut gone = sample::good();
    (gone.end, gone.status, gone.consumer, gone.path) = (End::ClientGone, 0, None, "/\u{1b}[2J".into());
    let refused = sample::refused(Refusal::new(Code::RateLimited, "10/s"));
    let lines = [sample::good(), refused, observed, gone].map(|record| call_in_short(&record));
    insta::assert_snapshot!(lines.join("\n"), @r"
    2026-03-01T12:00:00.250Z 200 GET /shop/books/7 alice 4.321 ms 019cbf1c-6a5a-7000-8000-000000000001
    2026-03-01T12:00:00.250Z 429 GET /shop/books/7 alice 0.150 ms rate_limited 019cbf1c-6a5a-7000-8000-000000000001
    2026-03-01T12:00:00.250Z 200 GET /shop/books/7 alice 4.321 ms would refuse ip_denied 019cbf1c-6a5a-7000-8000-000000000001
    2026-03-01T12:00:00.250Z --- GET /\u{1b}[2J 203.0.113.7 4.321 ms client_gone 019cbf1c-6a5a-7000-8000-000000000001
    ");
}

#[test]
fn a_limit_per_address_stops_a_call_in_admit_although_its_code_belongs_to_meter() {
    let mut record = sample::refused(Refusal::new(Code::RateLimited, "per ip"));
    (record.phase, record.consumer, record.key_id) = (Phase::Admit, None, None);
    let page = check(&record);
    assert!(page.contains("✗ admit ") && page.contains("· identify   not reached"), "{page}");
}

#[test]
fn what_a_caller_wrote_does_nothing_to_a_terminal() {
    let mut record = sample::good();
    record.path = "/\u{1b}[2J\nforged".into();
    record.user_agent = Some("\u{9b}31m\u{202e}".into());
    let page = check(&record);
    assert!(!page.contains('\u{1b}') && !page.contains('\u{9b}') && !page.contains('\u{202e}'), "{page}");
    assert!(page.lines().all(|line| line != "forged"), "{page}");
}

#[test]
fn a_code() {
    insta::assert_snapshot!(code(Code::QuotaExhausted).plain(), @"
    429 quota_exhausted: The quota of this period is used up.

    When
      The calls of this hour, day or month are used up. Periods are calendar periods in UTC.
      It arises in the phase `meter`: every limit and quota is tested, then all are charged.

    What a caller does
      Wait for the next period (Retry-After), or ask for a larger plan.

    What the operator does
      Raise the plan's `quota`, or put the consumer on another: `callgate consumers plan NAME PLAN`.

    For example
      The 1,001st call of the day where the plan says `quota: 1000/day`.

    How to recognise it
      status  429
      field   Callgate-Refused: quota_exhausted
      type    urn:callgate:refusal:quota_exhausted
    ");
}

#[test]
fn a_status_of_the_gate_one_of_upstreams_and_one_without_a_meaning() {
    insta::assert_snapshot!(status(429).unwrap().plain(), @"
    429 Too Many Requests

    Meaning
      Too many calls in a time; Retry-After says when to come back.
      4xx, client errors: the call came at the wrong time or too slowly; the same call passes later.

    At the gate
      When the gate itself says it, the answer has a `Callgate-Refused` field with one of these codes;
      without that field, it came from the upstream.

    Codes of the gate
      rate_limited      Too many calls in too short a time. (429, meter)
      locked_out        Too many wrong credentials came from this address. (429, identify)
      quota_exhausted   The quota of this period is used up. (429, meter)
      too_many_at_once  Too many calls at the same time. (429, meter)
    ");
    insta::assert_snapshot!(status(418).unwrap().plain(), @"
    418 I'm a Teapot

    Meaning
      A joke from 1998 that is kept so that nobody gives the number a meaning.
      4xx, client errors: the call itself is at fault; the same call gets the same answer (RFC 9110
      section 15.5).

    At the gate
      The gate never answers with it by itself: it came from the upstream (or from a `respond` of the
      configuration).
    ");
    insta::assert_snapshot!(status(499).unwrap().plain(), @"
    499, one of client errors

    Meaning
      HTTP gives 499 no meaning of its own; clients treat it like 400.
      4xx, client errors: the call itself is at fault; the same call gets the same answer (RFC 9110
      section 15.5).

    At the gate
      The gate never answers with it by itself: it came from the upstream (or from a `respond` of the
      configuration).
    ");
    assert!(status(600).is_none() && status(99).is_none());
}

#[test]
fn every_range_and_every_code_has_a_page_that_says_something() {
    for number in 1..=5 {
        assert!(class(number).unwrap().plain().lines().count() > 8, "{number}xx");
    }
    assert!(class(0).is_none() && class(6).is_none());
    for one in Code::ALL {
        let lesson = lesson(*one);
        for text in [lesson.when, lesson.caller, lesson.operator, lesson.example] {
            assert!(text.ends_with('.') && text.len() > 20, "{}: {text}", one.name());
        }
        assert!(status(one.status()).unwrap().plain().contains(one.name()));
    }
}

#[test]
fn a_narrow_terminal_gets_narrow_lines_and_colours_come_from_outside() {
    let page = code(Code::MalformedRequest);
    let narrow = page.render(60, |_, text| text.to_owned());
    let long: Vec<_> = narrow.lines().skip(1).filter(|line| line.chars().count() > 60).collect();
    assert!(long.is_empty(), "{long:?}");
    let painted =
        page.render(60, |tone, text| if tone == Tone::Heading { format!("<{text}>") } else { text.to_owned() });
    assert!(painted.contains("\n<When>\n"));
}
