//! Limits: exact at a stopped clock, whoever charges them.

use callgate_testkit::ScriptedUpstream;

use crate::house::{NOON_MS, check, shop, shop_with};

const LIMITED: &str = "429 rate_limited";

#[test]
fn exactly_the_burst_is_admitted_however_many_workers_charge() {
    let upstream = ScriptedUpstream::answering("ok");
    for subject in ["ip", "api", "route", "key", "consumer", "header:X-Tenant"] {
        let second = if subject.starts_with("header") { ", \"wide: 1000/s per api\"" } else { "" };
        let house = shop_with(
            &upstream,
            "workers: 3",
            &if subject == "route" {
                "access: key\nroutes: [\"* /**\": { limits: [\"tight: 1/day burst 30 per route\"] }]".to_owned()
            } else {
                format!("access: key\nlimits: [\"tight: 1/day burst 30 per {subject}\"{second}]")
            },
        );
        let key = house.key("ada");
        let call = house.call("GET /shop/a").key(&key).field("X-Tenant", "a");
        let passed: usize = std::thread::scope(|scope| {
            let callers: Vec<_> =
                (0..6).map(|_| scope.spawn(|| (0..10).filter(|_| call.send().status == 200).count())).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum()
        });
        assert_eq!(passed, 30, "per {subject}");
        let refused = check(&call, LIMITED);
        assert_eq!(refused.field("retry-after"), Some("86400"), "{refused}");
        house.clock.advance_ms(86_400_000);
        check(&call, "200");
        check(&call, LIMITED);
    }
}

#[test]
fn the_fields_tell_what_is_left() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\nlimits: [\"a: 2/min per ip\", \"b: 3/h per api\"]");
    let answer = check(&house.call("GET /shop/a"), "200");
    assert_eq!(answer.field("ratelimit-policy"), Some("\"a\";q=2;w=60, \"b\";q=3;w=3600"));
    assert_eq!(answer.field("ratelimit"), Some("\"a\";r=1;t=30, \"b\";r=2;t=1200"));
    check(&house.call("GET /shop/a"), "200");
    let refused = check(&house.call("GET /shop/a"), LIMITED);
    assert_eq!(refused.field("ratelimit"), Some("\"a\";r=0;t=60"), "the limit per address comes first: {refused}");
    assert_eq!(refused.field("retry-after"), Some("30"));
    assert_eq!(refused.json()["retry_after"], 30);
    house.clock.advance_ms(29_999);
    check(&house.call("GET /shop/a"), LIMITED);
    house.clock.advance_ms(1);
    check(&house.call("GET /shop/a"), "200");
}

/// A wall clock that jumps, by an operator's hand or NTP's, opens no limit and closes none.
#[test]
fn a_wall_clock_that_jumps_moves_no_limit() {
    const YEAR_MS: i64 = 365 * 86_400_000;
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: key\nlimits: [\"tight: 2/h per key\"]");
    let (used, fresh) = (house.key("ada"), house.key("bob"));
    check(&house.call("GET /shop/a").key(&used), "200");
    check(&house.call("GET /shop/a").key(&used), "200");
    for wall_ms in [NOON_MS + YEAR_MS, NOON_MS - YEAR_MS, 0, NOON_MS] {
        house.clock.set_unix_ms(wall_ms);
        let refused = check(&house.call("GET /shop/a").key(&used), LIMITED);
        assert_eq!(refused.field("retry-after"), Some("1800"), "{refused}");
    }
    house.clock.set_unix_ms(NOON_MS - YEAR_MS);
    check(&house.call("GET /shop/a").key(&fresh), "200");
    house.clock.advance_ms(1_800_000);
    check(&house.call("GET /shop/a").key(&used), "200");
}

/// Waiting as long as Retry-After says must be enough for every limit.
#[test]
fn the_longest_wait_is_told() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\nlimits: [\"a: 1/min per api\", \"b: 1/h per api\"]");
    check(&house.call("GET /shop/a"), "200");
    assert_eq!(check(&house.call("GET /shop/a"), LIMITED).field("retry-after"), Some("3600"));
    house.clock.advance_ms(60_000);
    assert_eq!(check(&house.call("GET /shop/a"), LIMITED).field("retry-after"), Some("3540"));
    house.clock.advance_ms(3_540_000);
    check(&house.call("GET /shop/a"), "200");
}

#[test]
fn a_limit_that_only_watches_neither_saves_nor_frees_the_others() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(
        &upstream,
        "plans: { free: { limits: [\"watched: 1/day\"], mode: observe } }",
        "access: key\nlimits: [\"held: 3/h per api\"]",
    );
    let key = house.key_on("ada", "free");
    let call = house.call("GET /shop/a").key(&key);
    for watched in [&[][..], &["rate_limited"], &["rate_limited"]] {
        let answer = check(&call, "200");
        assert_eq!(house.would_refuse(&answer), watched);
    }
    let refused = check(&call, LIMITED);
    assert!(refused.json()["detail"].as_str().unwrap().contains("held"), "{refused}");
}

#[test]
fn a_refusal_by_one_limit_charges_no_other() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: public\nlimits: [\"wide: 4/day per api\"]\nroutes:\n  - \"* /**\": {}\n  - GET /tight: { limits: [\"tight: 1/day\"] }",
    );
    check(&house.call("GET /shop/tight"), "200");
    for _ in 0..5 {
        check(&house.call("GET /shop/tight"), LIMITED);
    }
    for _ in 0..3 {
        check(&house.call("GET /shop/a"), "200");
    }
    check(&house.call("GET /shop/a"), LIMITED);
}

/// What was not charged must not be given back: it would be a call for free.
#[test]
fn a_quota_that_refuses_gives_back_only_what_was_charged() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(
        &upstream,
        "plans: { free: { quota: 1/day } }",
        "access: key\nlimits: [\"held: 3/day per api\"]\nroutes:\n  - \"* /**\": {}\n  - GET /watched: { limits: [\"watched: 1/day\"], observe: [limits] }",
    );
    let (poor, rich) = (house.key_on("ada", "free"), house.key("bob"));
    check(&house.call("GET /shop/watched").key(&poor), "200");
    for _ in 0..5 {
        check(&house.call("GET /shop/watched").key(&poor), "429 quota_exhausted");
    }
    for _ in 0..2 {
        check(&house.call("GET /shop/a").key(&rich), "200");
    }
    check(&house.call("GET /shop/a").key(&rich), LIMITED);
}

#[test]
fn places_are_given_back_when_a_caller_leaves() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/hold" {
                connection.hold();
            } else {
                connection.send(callgate_testkit::reply("200 OK", "ok"));
            }
        }
    });
    let house = shop(&upstream, "access: public\nconcurrent: 1");
    let held = house.call("GET /shop/hold").open();
    callgate_testkit::wait_for("the call to arrive", || upstream.count() == 1);
    let refused = check(&house.call("GET /shop/a"), "429 too_many_at_once");
    assert_eq!(refused.field("retry-after"), Some("1"));
    held.reset();
    callgate_testkit::wait_for("the place", || house.call("GET /shop/a").send().status == 200);
    for _ in 0..3 {
        check(&house.call("GET /shop/a"), "200");
    }
}
