use callgate_model::{Clock, Code, Refusal};

use super::*;
use crate::sample;

const ORIGIN_MS: i64 = sample::STARTED_MS;

struct Table {
    clock: Clock,
    names: Names,
    tallies: StatTallies,
}

impl Table {
    fn new() -> Table {
        let clock = Clock::manual(ORIGIN_MS);
        let tallies = StatTallies::new(clock.mono_ns());
        Table { clock, names: Names::default(), tallies }
    }

    fn add(&mut self, record: &CallRecord) {
        let named = self.names.of(record);
        self.tallies.add(record, named, self.clock.mono_ns());
    }

    fn stats(&self) -> Stats {
        self.tallies.snapshot(&self.names, self.clock.unix_ms(), self.clock.mono_ns())
    }
}

#[test]
fn rates_count_the_time_that_they_cover() {
    let mut table = Table::new();
    for _ in 0..20 * MINUTE_SECONDS {
        for _ in 0..5 {
            table.add(&sample::good());
        }
        table.clock.advance_ms(100);
    }
    let stats = table.stats();
    for rate in [stats.ten_seconds.calls_per_s, stats.minute.calls_per_s, stats.apis[0].calls_per_s] {
        assert!((rate - 50.0).abs() < 1.0, "{rate}");
    }
    table.clock.advance_ms(30_000);
    let quiet = table.stats();
    assert_eq!((quiet.ten_seconds.calls, quiet.ten_seconds.calls_per_s), (0, 0.0));
    assert!(quiet.minute.calls.abs_diff(30 * 50) <= 50, "{}", quiet.minute.calls);
    table.clock.advance_ms(3_600_000);
    assert_eq!(table.stats().minute.calls, 0);
}

#[test]
fn a_gate_that_has_just_started_is_not_said_to_be_slow() {
    let mut table = Table::new();
    for _ in 0..4 {
        table.clock.advance_ms(500);
        for _ in 0..10 {
            table.add(&sample::good());
        }
    }
    assert_eq!(table.stats().minute.calls_per_s, 20.0);
}

#[test]
fn a_whole_table() {
    let mut table = Table::new();
    table.clock.advance_ms(2_000);
    for call in 0..10 {
        let mut record = sample::good();
        record.duration_us = 1_000 * (call + 1);
        table.add(&record);
    }
    for consumer in ["bob", "bob", "carol"] {
        let mut record = sample::refused(Refusal::new(Code::RateLimited, "10/s"));
        record.consumer = Some(consumer.into());
        table.add(&record);
    }
    let mut observed = sample::good();
    observed.would_refuse = vec![*Refusal::new(Code::IpDenied, "ip")];
    (observed.api, observed.route, observed.consumer) = (None, None, None);
    table.add(&observed);
    insta::assert_json_snapshot!(table.stats(), @r#"
    {
      "at_ms": 1772366402250,
      "ten_seconds": {
        "calls": 14,
        "calls_per_s": 7.0,
        "refused": 3,
        "classes": {
          "2xx": 11,
          "4xx": 3
        },
        "latency": {
          "p50_ms": 3.968,
          "p95_ms": 9.728,
          "p99_ms": 9.728
        }
      },
      "minute": {
        "calls": 14,
        "calls_per_s": 7.0,
        "refused": 3,
        "classes": {
          "2xx": 11,
          "4xx": 3
        },
        "latency": {
          "p50_ms": 3.968,
          "p95_ms": 9.728,
          "p99_ms": 9.728
        }
      },
      "apis": [
        {
          "api": "bookshop",
          "calls_per_s": 6.5,
          "calls": 13,
          "refused": 3,
          "classes": {
            "2xx": 10,
            "4xx": 3
          },
          "latency": {
            "p50_ms": 3.968,
            "p95_ms": 9.728,
            "p99_ms": 9.728
          }
        },
        {
          "api": "-",
          "calls_per_s": 0.5,
          "calls": 1,
          "refused": 0,
          "classes": {
            "2xx": 1
          },
          "latency": {
            "p50_ms": 4.352,
            "p95_ms": 4.352,
            "p99_ms": 4.352
          }
        }
      ],
      "routes": [
        {
          "api": "bookshop",
          "route": "GET /books/{id}",
          "calls_per_s": 6.5,
          "calls": 13,
          "classes": {
            "2xx": 10,
            "4xx": 3
          }
        },
        {
          "api": "-",
          "route": "-",
          "calls_per_s": 0.5,
          "calls": 1,
          "classes": {
            "2xx": 1
          }
        }
      ],
      "refusals": [
        {
          "code": "rate_limited",
          "count": 3
        }
      ],
      "would_refuse": [
        {
          "code": "ip_denied",
          "count": 1
        }
      ],
      "consumers": [
        {
          "consumer": "alice",
          "calls": 10,
          "refused": 0
        },
        {
          "consumer": "bob",
          "calls": 2,
          "refused": 2
        },
        {
          "consumer": "carol",
          "calls": 1,
          "refused": 1
        }
      ],
      "dropped": 0
    }
    "#);
}

#[test]
fn names_without_end_are_counted_together() {
    let mut table = Table::new();
    for name in 0..NAMES_PER_SECOND_MAX + 100 {
        let mut record = sample::good();
        record.consumer = Some(format!("consumer-{name}").into());
        table.add(&record);
    }
    let stats = table.stats();
    assert_eq!((stats.consumers[0].consumer.as_str(), stats.consumers[0].calls), ("other", 100));
    assert_eq!(stats.consumers.len(), CONSUMERS_SHOWN);
}
