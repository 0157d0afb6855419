//! Limits, quotas and concurrency: exact, across workers, and told to the caller.

use std::time::Duration;

use callgate_testkit::{ScriptedUpstream, Signal, TestGate, reply, wait_for};

use crate::setup::{api, check, check_problem, gate_yaml, shop, shop_with};

const LIMITED: &str = "429 rate_limited";

#[test]
fn a_burst_passes_and_the_next_call_hears_when_to_come_back() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nlimits: [\"slow: 1/h burst 3 per key\"]");
    let key = gate.new_key("ada");
    for left in [2, 1, 0] {
        let answer = check(&gate.call("GET /shop/a").key(&key), "200");
        let policy = answer.field("ratelimit-policy").unwrap_or_else(|| panic!("{answer}"));
        assert!(policy.contains("\"slow\";q=3;w=10800"), "{policy}");
        let fields = answer.field("ratelimit").unwrap();
        assert!(fields.contains(&format!("\"slow\";r={left};t=")), "{fields}");
    }
    let refused = check(&gate.call("GET /shop/a").key(&key), LIMITED);
    let retry: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&retry), "one call an hour: {refused}");
    let problem = check_problem(&refused);
    assert!(problem["detail"].as_str().unwrap().contains("slow"), "{refused}");
    assert!(refused.field("ratelimit").unwrap().contains("r=0"), "{refused}");
    assert_eq!(upstream.count(), 3);
    // Another key has a count of its own.
    check(&gate.call("GET /shop/a").key(gate.key("ada", &[])), "200");
}

#[test]
fn a_limit_is_exact_across_workers_and_connections() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\nlimits: [1/h burst 100 per api]");
    let passed: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..25).filter(|_| gate.call("GET /shop/a").send().status == 200).count()))
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert_eq!((passed, upstream.count()), (100, 100), "200 calls, 100 of them within the limit");
}

#[test]
fn a_limit_refills() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\nlimits: [2/s per ip]");
    check(&gate.call("GET /shop/a"), "200");
    check(&gate.call("GET /shop/a"), "200");
    let refused = check(&gate.call("GET /shop/a"), LIMITED);
    assert_eq!(refused.field("retry-after"), Some("1"), "{refused}");
    wait_for("the limit to refill", || gate.call("GET /shop/a").send().status == 200);
}

#[test]
fn each_subject_is_counted_apart() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\nlimits: [1/h per ip]");
    check(&gate.call("GET /shop/a").from("127.0.0.2"), "200");
    check(&gate.call("GET /shop/a").from("127.0.0.2"), LIMITED);
    check(&gate.call("GET /shop/a").from("127.0.0.3"), "200");

    let gate = shop(&upstream, "access: public\nlimits: [100/h per ip, \"1/h per header:X-Tenant\"]");
    check(&gate.call("GET /shop/a").field("X-Tenant", "a"), "200");
    check(&gate.call("GET /shop/a").field("X-Tenant", "a"), LIMITED);
    check(&gate.call("GET /shop/a").field("X-Tenant", "b"), "200");

    let gate = shop(&upstream, "access: key\nlimits: [2/h per consumer]");
    let keys = [gate.new_key("ada"), gate.key("ada", &[])];
    check(&gate.call("GET /shop/a").key(&keys[0]), "200");
    check(&gate.call("GET /shop/a").key(&keys[1]), "200");
    check(&gate.call("GET /shop/a").key(&keys[0]), LIMITED);
    check(&gate.call("GET /shop/a").key(gate.new_key("bob")), "200");

    let gate = shop(&upstream, "access: public\nroutes:\n  - \"* /**\": {}\n  - GET /slow: { limits: [1/h] }");
    check(&gate.call("GET /shop/slow"), "200");
    check(&gate.call("GET /shop/slow"), LIMITED);
    check(&gate.call("GET /shop/other"), "200");
}

#[test]
fn a_refused_call_charges_nothing() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(
        &upstream,
        "access: key\nlimits: [\"wide: 1/h burst 2 per api\"]\nroutes:\n  - \"* /**\": {}\n  - GET /narrow: { limits: [\"narrow: 1/h per key\"] }",
    );
    let key = gate.new_key("ada");
    check(&gate.call("GET /shop/narrow").key(&key), "200");
    for _ in 0..5 {
        let refused = check(&gate.call("GET /shop/narrow").key(&key), LIMITED);
        assert!(check_problem(&refused)["detail"].as_str().unwrap().contains("narrow"), "{refused}");
    }
    for _ in 0..5 {
        check(&gate.call("GET /shop/other"), "401 credential_missing");
    }
    check(&gate.call("GET /shop/other").key(&key), "200");
    check(&gate.call("GET /shop/other").key(&key), LIMITED);
}

#[test]
fn limits_per_ip_come_before_the_credential() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nlimits: [1/h burst 2 per ip]");
    check(&gate.call("GET /shop/a").key("wrong"), "401 credential_unknown");
    check(&gate.call("GET /shop/a").key("wrong"), "401 credential_unknown");
    check(&gate.call("GET /shop/a").key("wrong"), LIMITED);
}

#[test]
fn a_plan_limits_its_consumers() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(
        &upstream,
        "plans:\n  free: { limits: [1/h burst 2] }\n  gold: { limits: [1/h burst 5] }",
        "access: key",
    );
    gate.consumer_on("ada", "free");
    gate.consumer_on("bob", "gold");
    let (ada, bob) = (gate.key("ada", &[]), gate.key("bob", &[]));
    let passed = |key: &callgate_testkit::IssuedKey| {
        (0..8).filter(|_| gate.call("GET /shop/a").key(key).send().status == 200).count()
    };
    assert_eq!((passed(&ada), passed(&bob)), (2, 5));
}

#[test]
fn a_quota_is_spent_once_across_restarts() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop_with(&upstream, "plans: { free: { quota: 10/month } }", "access: key");
    gate.consumer_on("ada", "free");
    let key = gate.key("ada", &[]);
    for _ in 0..4 {
        check(&gate.call("GET /shop/a").key(&key), "200");
    }
    assert_eq!(gate.terminate(), Some(0));
    gate.start_again();
    let mut passed = 0;
    for _ in 0..12 {
        let answer = gate.call("GET /shop/a").key(&key).send();
        match answer.summary().as_str() {
            "200" => passed += 1,
            "429 quota_exhausted" => assert!(answer.field("retry-after").is_some(), "{answer}"),
            other => panic!("{other}: {answer}"),
        }
    }
    // One lease may have been under way when the gate stopped: it is lost, never given twice.
    assert!(
        (5..=6).contains(&passed),
        "{passed} of the 6 that were left passed: a clean stop gives back what it leased"
    );
}

#[test]
fn concurrency_is_held_until_the_answer_ends() {
    let go = Signal::new();
    let told = go.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
            told.wait();
            connection.send("k");
        }
    });
    let gate = shop(&upstream, "access: public\nconcurrent: 2");
    let mut first = gate.call("GET /shop/a").open();
    let mut second = gate.call("GET /shop/a").open();
    wait_for("both at the upstream", || upstream.count() == 2);
    check(&gate.call("GET /shop/a"), "429 too_many_at_once");
    // One leaves without waiting: its place is free again.
    let third = gate.call("GET /shop/a").open();
    drop(third);
    go.raise();
    assert_eq!((first.answer().text(), second.answer().text()), ("ok".to_owned(), "ok".to_owned()));
    wait_for("a free place", || gate.call("GET /shop/a").send().status == 200);
}

#[test]
fn a_caller_that_leaves_gives_its_place_back() {
    let upstream = ScriptedUpstream::start(|connection| {
        if let Some(request) = connection.request() {
            if request.target() == "/hold" {
                connection.hold();
            } else {
                connection.send(reply("200 OK", "ok"));
            }
        }
    });
    let gate = shop(&upstream, "access: public\nconcurrent: 1");
    let holding = gate.call("GET /shop/hold").open();
    wait_for("the call at the upstream", || upstream.count() == 1);
    check(&gate.call("GET /shop/a"), "429 too_many_at_once");
    holding.reset();
    wait_for("a free place", || gate.call("GET /shop/a").send().status == 200);
}

#[test]
fn limits_survive_a_reload() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = |more: &str| {
        gate_yaml("", &api("shop", &upstream.url(), &format!("access: public\nlimits: [1/h burst 2 per api]{more}")))
    };
    let gate = TestGate::start(&yaml(""));
    check(&gate.call("GET /shop/a"), "200");
    check(&gate.call("GET /shop/a"), "200");
    gate.write(&yaml("\nheaders: { response: { set: { X-New: \"1\" } } }"));
    wait_for("the new file", || gate.said().contains("taken over"));
    check(&gate.call("GET /shop/a"), LIMITED);
}

#[test]
fn refusals_are_fast_while_the_upstream_is_slow() {
    let upstream = ScriptedUpstream::start(|connection| {
        if connection.request().is_some() {
            connection.hold();
        }
    });
    let gate = shop(&upstream, "access: public\nlimits: [1/h per api]");
    let mut first = gate.call("GET /shop/a").open();
    wait_for("the call at the upstream", || upstream.count() == 1);
    check(&gate.call("GET /shop/a"), LIMITED);
    first.patience(Duration::from_millis(20));
    assert!(first.try_answer().is_err());
}
