//! What is kept of calls: the log, metrics, usage, recent calls, and what `explain` makes of them.

use std::process::Command;

use callgate_testkit::{Call, Program, ScriptedUpstream, TestGate, binary, wait_for};

use crate::setup::{api, check, gate_yaml, shop, shop_with};

#[test]
fn the_access_log_says_who_what_and_why() {
    let upstream = ScriptedUpstream::answering("hello");
    let gate = shop(&upstream, "access: key\nroutes: [\"GET /books/{id}\": {}]");
    let key = gate.new_key("ada");
    let good = check(&gate.call("GET /shop/books/7?token=secret").key(&key).field("User-Agent", "test/1"), "200");
    let record = gate.record(&good.call_id());
    for (field, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/shop/books/7"),
        ("http.route", "/shop/books/{id}"),
        ("client.address", "127.0.0.1"),
        ("callgate.api", "shop"),
        ("callgate.consumer", "ada"),
        ("callgate.key_id", &key.id),
        ("user_agent.original", "test/1"),
        ("network.protocol.version", "1.1"),
        ("callgate.end", "complete"),
    ] {
        assert_eq!(record[field], value, "{field}: {record}");
    }
    assert_eq!((&record["http.response.status_code"], &record["http.response.body.size"]), (&200.into(), &5.into()));
    assert!(!record.to_string().contains("secret"), "no query values: {record}");
    let refused = check(&gate.call("GET /shop/books/7"), "401 credential_missing");
    let record = gate.record(&refused.call_id());
    assert_eq!(record["callgate.refusal"], "credential_missing", "{record}");
    assert_eq!(record["callgate.phase"], "identify", "{record}");
    // One record a call.
    let ids: Vec<_> = gate.records().iter().map(|record| record["callgate.call_id"].to_string()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
}

#[test]
fn what_callers_write_cannot_forge_a_line() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    let agent = "\",\"callgate.consumer\":\"admin\\u0000\\n";
    let answer = check(&gate.call("GET /shop/%22,%22a%22:%22").field("User-Agent", agent), "200");
    let record = gate.record(&answer.call_id());
    assert_eq!(record["callgate.consumer"], serde_json::Value::Null, "{record}");
    assert_eq!(record["user_agent.original"], agent, "{record}");
    assert_eq!(record["url.path"], "/shop/%22,%22a%22:%22", "{record}");
    for control in ["\u{1b}[31m", "a\u{7}b"] {
        let refused = check(&gate.call("GET /shop/a").field("User-Agent", control), "400 malformed_request");
        let _ = gate.record(&refused.call_id());
    }
    assert!(!gate.said().contains('\u{1b}'), "no escape reaches a terminal");
}

#[test]
fn explain_tells_what_refused_a_call_and_what_would_let_it_pass() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nlimits: [\"slow: 1/h per key\"]\nip: { deny: [127.0.0.13] }");
    let key = gate.new_key("ada");
    check(&gate.call("GET /shop/a").key(&key), "200");
    let refused = check(&gate.call("GET /shop/a").key(&key), "429 rate_limited");
    let told = gate.run(&["explain", &refused.call_id()]).expect_success().stdout;
    for word in ["rate_limited", "slow", "apis.shop.limits", "ada", &key.id, "meter"] {
        assert!(told.contains(word), "`{word}` is missing:\n{told}");
    }
    let denied = check(&gate.call("GET /shop/a").from("127.0.0.13"), "403 ip_denied");
    let told = gate.run(&["explain", &denied.call_id()]).expect_success().stdout;
    for word in ["ip_denied", "127.0.0.13", "apis.shop.ip.deny"] {
        assert!(told.contains(word), "the operator sees the gate's side, `{word}` too:\n{told}");
    }
    let unknown = gate.run(&["explain", "0192f5a0-0000-7000-8000-000000000000"]);
    assert_ne!(unknown.code, Some(0), "{unknown}");
}

#[test]
fn explain_teaches_codes_and_statuses_without_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let explain = |what: &str| {
        callgate_testkit::tools::shell(
            folder.path(),
            &format!("'{}' explain {what}", callgate_testkit::binary().display()),
        )
    };
    for (what, words) in [
        ("429", &["Too Many Requests", "rate_limited", "quota_exhausted"][..]),
        ("rate_limited", &["429", "Retry-After"]),
        ("ip_denied", &["403"]),
        ("404", &["Not Found"]),
        ("418", &["418"]),
        ("503", &["Service Unavailable"]),
        ("101", &["Switching Protocols"]),
        ("308", &["Permanent Redirect"]),
    ] {
        let told = explain(what).expect_success().stdout;
        for word in words {
            assert!(told.contains(word), "explain {what}: `{word}` is missing:\n{told}");
        }
    }
    assert_ne!(explain("no_such_code").code, Some(0));
}

#[test]
fn recent_calls_are_found_by_every_key() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let (ada, bob) = (gate.new_key("ada"), gate.new_key("bob"));
    let of_ada = check(&gate.call("GET /shop/books").key(&ada), "200").call_id();
    let of_bob = check(&gate.call("GET /shop/orders/7").key(&bob), "200").call_id();
    let of_nobody = check(&gate.call("GET /shop/books"), "401 credential_missing").call_id();
    let find = |options: &[&str]| gate.run(&[&["log", "find", "--json"], options].concat()).expect_success().stdout;
    wait_for("the calls to be kept", || find(&[]).contains(&of_nobody));
    for (options, found, others) in [
        (&["--consumer", "ada"][..], &of_ada, [&of_bob, &of_nobody]),
        (&["--key", &bob.id], &of_bob, [&of_ada, &of_nobody]),
        (&["--status", "401"], &of_nobody, [&of_ada, &of_bob]),
        (&["--code", "credential_missing"], &of_nobody, [&of_ada, &of_bob]),
        (&["--path", "/shop/orders"], &of_bob, [&of_ada, &of_nobody]),
        (&["--consumer", "ada", "--status", "200"], &of_ada, [&of_bob, &of_nobody]),
    ] {
        let listed = find(options);
        assert!(listed.contains(found.as_str()), "{options:?}: {listed}");
        for other in others {
            assert!(!listed.contains(other.as_str()), "{options:?} also gave {other}: {listed}");
        }
    }
    assert!(find(&["--since", "1h"]).contains(&of_ada));
}

#[test]
fn the_log_is_followed_live() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let mut log = Program::start(
        Command::new(binary()).args(["log", "--follow", "-c", "callgate.yaml"]).current_dir(gate.folder()),
    );
    // Calls until it has found its way to the gate: it shows what comes after that.
    wait_for("a call in the log", || {
        check(&gate.call("GET /shop/followed"), "401 credential_missing");
        log.lines().iter().any(|line| line.contains("/shop/followed") && line.contains("credential_missing"))
    });
    assert!(log.is_running(), "it goes on until it is ended");
}

#[test]
fn metrics_have_bounded_labels_and_count_everything() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = gate_yaml("health: 127.0.0.1:0", &api("shop", &upstream.url(), "access: key"));
    let gate = TestGate::start(&yaml);
    let key = gate.new_key("ada");
    for number in 0..20 {
        check(&gate.call(&format!("GET /shop/books/{number}")).key(&key), "200");
        check(&gate.call(&format!("GET /shop/books/{number}")), "401 credential_missing");
    }
    let scrape = || Call::new(gate.health(), "GET /metrics").send().text();
    wait_for("all calls to be counted", || scrape().contains("} 20"));
    let text = scrape();
    assert!(!text.contains("/shop/books/"), "a raw path is no label:\n{text}");
    assert!(!text.contains(&key.text), "{text}");
    assert!(text.contains("credential_missing"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "not a sample: {line}");
    }
}

#[test]
fn usage_is_exact_per_key_and_outlives_a_restart() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada");
    for _ in 0..30 {
        check(&gate.call("GET /shop/a").key(&key), "200");
    }
    assert_eq!(gate.terminate(), Some(0));
    gate.start_again();
    for _ in 0..12 {
        check(&gate.call("GET /shop/a").key(&key), "200");
    }
    let stats = || gate.run(&["stats", "--json"]).expect_success().stdout;
    wait_for("42 calls in the statistics", || stats().contains("42"));
    assert!(stats().contains("ada"), "{}", stats());
}

#[test]
fn the_log_can_be_a_file_or_off() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, "log: { access: access.log }", "access: public");
    let id = check(&gate.call("GET /shop/a"), "200").call_id();
    let file = gate.folder().join("access.log");
    wait_for("the line in the file", || std::fs::read_to_string(&file).is_ok_and(|text| text.contains(&id)));
    assert!(!gate.said().contains(&id));
    let gate = shop_with(&upstream, "log: { access: off }", "access: public");
    let id = check(&gate.call("GET /shop/a"), "200").call_id();
    wait_for("the record in recent calls", || gate.run(&["explain", &id]).code == Some(0));
    assert!(!gate.said().contains(&id));
}

#[test]
fn a_caller_that_left_and_an_upstream_that_broke_are_told_apart() {
    let upstream = ScriptedUpstream::start(|connection| {
        if let Some(request) = connection.request() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf");
            if request.target() == "/hold" {
                connection.hold();
            }
        }
    });
    let gate = shop(&upstream, "access: public");
    let mut left = gate.call("GET /shop/hold").open();
    left.read_through(b"half");
    left.reset();
    let mut broke = gate.call("GET /shop/break").open();
    assert!(broke.try_answer().is_err());
    let end = |path: &str| {
        gate.records().iter().find(|record| record["url.path"] == path).map(|record| record["callgate.end"].clone())
    };
    wait_for("both records", || end("/shop/hold").is_some() && end("/shop/break").is_some());
    assert_eq!(
        (end("/shop/hold").unwrap(), end("/shop/break").unwrap()),
        ("client_gone".into(), "upstream_broke".into())
    );
}
