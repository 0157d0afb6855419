//! Quotas: exact within a period, over its end, over a restart and over a changed file.

use callgate_testkit::ScriptedUpstream;

use crate::house::{House, NOON_MS, check, shop_with, shop_yaml};

const SPENT: &str = "429 quota_exhausted";

fn yaml(upstream: &ScriptedUpstream, quota: &str) -> String {
    shop_yaml(&format!("plans: {{ free: {{ quota: \"{quota}\" }} }}"), "access: key")
        .replace("UPSTREAM", &upstream.url())
}

/// How many of so many calls pass.
#[track_caller]
fn passed(house: &House, key: &str, calls: usize) -> usize {
    (0..calls)
        .filter(|_| {
            let answer = house.call("GET /shop/a").key(key).send();
            assert!(["200", SPENT].contains(&answer.summary().as_str()), "{answer}");
            answer.status == 200
        })
        .count()
}

#[test]
fn exactly_the_amount_passes_in_a_period_and_again_in_the_next() {
    let upstream = ScriptedUpstream::answering("ok");
    // Blocks of 1, and of 3.
    for amount in [7, 600] {
        let house = House::start(&yaml(&upstream, &format!("{amount}/day")));
        let key = house.key_on("ada", "free");
        assert_eq!(passed(&house, &key, amount + 5), amount);
        let refused = check(&house.call("GET /shop/a").key(&key), SPENT);
        assert_eq!(refused.field("retry-after"), Some("43200"), "midnight is 12 hours away: {refused}");
        assert!(refused.field("ratelimit").unwrap().contains("r=0;t=43200"), "{refused}");
        house.clock.advance_ms(12 * 3_600_000);
        assert_eq!(passed(&house, &key, amount + 5), amount, "the next day");
    }
}

#[test]
fn many_workers_spend_one_amount() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(&upstream, "workers: 3\nplans: { free: { quota: 1000/day } }", "access: key");
    let key = house.key_on("ada", "free");
    let total: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| passed(&house, &key, 260))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert_eq!(total, 1000);
}

#[test]
fn a_restart_gives_nothing_anew() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = yaml(&upstream, "600/day");
    let house = House::start(&yaml);
    let key = house.key_on("ada", "free");
    assert_eq!(passed(&house, &key, 200), 200);
    let clock = house.clock.clone();
    let house = House::start_in(house.stop(), &yaml, clock.clone());
    assert_eq!(passed(&house, &key, 450), 400, "a clean stop gives back what was leased and not spent");
    // However often it is started again, nothing is given twice.
    let mut folder = house.stop();
    for crash in [false, true, false] {
        let house = House::start_in(folder, &yaml, clock.clone());
        assert_eq!(passed(&house, &key, 5), 0, "after {}", if crash { "a crash" } else { "a stop" });
        folder = if crash { house.crash() } else { house.stop() };
    }
}

#[test]
fn a_crash_never_gives_twice() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = yaml(&upstream, "600/day");
    let clock = callgate_model::Clock::manual(NOON_MS);
    let mut house = House::start(&yaml);
    let key = house.key_on("ada", "free");
    let mut total = 0;
    for _ in 0..6 {
        total += passed(&house, &key, 110);
        house = House::start_in(house.crash(), &yaml, clock.clone());
    }
    total += passed(&house, &key, 700);
    assert!((560..=600).contains(&total), "{total} of 600: a crash may waste a block, and gives none twice");
}

#[test]
fn a_clock_that_jumps_back_reopens_nothing() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = House::start(&yaml(&upstream, "5/day"));
    let key = house.key_on("ada", "free");
    assert_eq!(passed(&house, &key, 7), 5);
    house.clock.set_unix_ms(NOON_MS - 86_400_000);
    assert_eq!(passed(&house, &key, 7), 0);
    house.clock.set_unix_ms(NOON_MS + 86_400_000);
    assert_eq!(passed(&house, &key, 7), 5);
}

#[test]
fn a_changed_amount_counts_what_was_spent() {
    let upstream = ScriptedUpstream::answering("ok");
    let named = |amount: usize| yaml(&upstream, &format!("daily: {amount}/day"));
    let house = House::start(&named(600));
    let key = house.key_on("ada", "free");
    assert_eq!(passed(&house, &key, 100), 100);
    house.reload(&named(400));
    assert_eq!(passed(&house, &key, 10), 10);
    // Back and forth: every change must not bring a block on credit.
    for _ in 0..20 {
        house.reload(&named(600));
        house.reload(&named(400));
        assert_eq!(passed(&house, &key, 1), 1);
    }
    assert_eq!(passed(&house, &key, 300), 270, "400 less 100, 10 and 20");
    house.reload(&named(50));
    assert_eq!(passed(&house, &key, 3), 0, "more was spent than there is now");
    house.reload(&named(403));
    assert_eq!(passed(&house, &key, 10), 3);
}

#[test]
fn a_plan_without_the_amount_refuses_at_once_after_many_consumers() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(&upstream, "plans: { free: { quota: [2/day, \"all: 3/month per key\"] } }", "access: key");
    let key = house.key_on("ada", "free");
    assert_eq!(passed(&house, &key, 4), 2);
    let other = house.key("ada");
    assert_eq!(passed(&house, &other, 2), 0, "the day's quota is the consumer's");
    house.clock.advance_ms(12 * 3_600_000);
    assert_eq!(passed(&house, &key, 4), 1, "two of three were spent in this month; refusals spent nothing");
    assert_eq!(passed(&house, &other, 4), 1, "one is left of the day, and this key's month was not touched");
}
