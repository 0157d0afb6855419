use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const ORIGIN_NS: u64 = 1 << 62;

fn rule() -> LockoutRule {
    LockoutRule { failures: 3, within: Duration::from_secs(60), lasts: Duration::from_secs(300) }
}

fn at(second: u64) -> u64 {
    ORIGIN_NS + second * 1_000_000_000
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_third_failure_locks_and_time_unlocks() {
    let lockout = Lockout::new(Some(rule()));
    let guesser = ip("198.51.100.7");
    for second in [0, 1, 2] {
        assert_eq!(lockout.locked(guesser, at(second)), None);
        assert_eq!(lockout.failed(guesser, at(second)), None);
    }
    let left_s = |second| lockout.locked(guesser, at(second)).map(|ns| ns.div_ceil(1_000_000_000));
    assert_eq!(left_s(2), Some(300));
    assert!(lockout.failed(guesser, at(301)).is_some(), "still locked, and not for longer");
    assert_eq!((left_s(301), left_s(302)), (Some(1), None));
    assert_eq!(lockout.failed(guesser, at(302)), None, "counting begins anew");
    assert_eq!(lockout.locked(ip("198.51.100.8"), at(2)), None, "a neighbour is not locked");
}

#[test]
fn failures_far_apart_never_lock() {
    let lockout = Lockout::new(Some(rule()));
    for turn in 0..50 {
        assert_eq!(lockout.failed(ip("::1"), at(turn * 30)), None, "{turn}");
        // Two within each minute that begins with the first of them.
    }
    assert_eq!(lockout.locked(ip("::1"), at(50 * 30)), None);
}

#[test]
fn a_v6_network_of_64_bits_is_one_address_and_a_mapped_v4_is_itself() {
    let lockout = Lockout::new(Some(rule()));
    for last in 1..=3 {
        lockout.failed(ip(&format!("2001:db8:1:2::{last}")), at(0));
        lockout.failed(ip("::ffff:192.0.2.1"), at(0));
    }
    assert!(lockout.locked(ip("2001:db8:1:2:ffff::9"), at(0)).is_some());
    assert!(lockout.locked(ip("2001:db8:1:3::1"), at(0)).is_none());
    assert!(lockout.locked(ip("192.0.2.1"), at(0)).is_some());
}

#[test]
fn without_a_rule_nobody_is_locked_and_a_new_rule_holds_at_once() {
    let lockout = Lockout::new(None);
    let guesser = ip("192.0.2.1");
    for _ in 0..100 {
        assert_eq!(lockout.failed(guesser, at(0)), None);
    }
    lockout.set_rule(Some(LockoutRule { failures: 1, ..rule() }));
    assert_eq!(lockout.failed(guesser, at(1)), None);
    assert!(lockout.locked(guesser, at(1)).is_some());
}

/// A flood of addresses takes free and finished cells before it pushes out one that is locked.
#[test]
fn a_flood_of_addresses_does_not_free_a_locked_one() {
    let lockout = Lockout::new(Some(rule()));
    let guesser = ip("203.0.113.9");
    for _ in 0..3 {
        lockout.failed(guesser, at(0));
    }
    for number in 0..2 * bounds::LOCKOUT_CELLS_MAX as u32 {
        lockout.failed(std::net::Ipv4Addr::from(number + (10 << 24)).into(), at(1));
    }
    assert!(lockout.locked(guesser, at(2)).is_some());
}

/// Threads that fail together from one address: exactly one failure of the window is the one that locks.
#[test]
fn no_failure_is_lost_between_threads() {
    for _ in 0..100 {
        let lockout = Lockout::new(Some(LockoutRule { failures: 400, ..rule() }));
        let guesser = ip("203.0.113.9");
        lockout.failed(guesser, at(0));
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let lockout = &lockout;
                    scope.spawn(move || (0..200).filter(|_| lockout.failed(guesser, at(0)).is_none()).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 399);
    }
}

// === the twin: a map of what is known about every address ===

#[derive(Default)]
struct Twin {
    since: HashMap<IpAddr, Vec<u64>>,
    locked_until: HashMap<IpAddr, u64>,
}

impl Twin {
    fn locked(&self, ip: IpAddr, now: u64) -> Option<u64> {
        self.locked_until.get(&ip).filter(|until| **until > now).map(|until| until - now)
    }

    fn failed(&mut self, ip: IpAddr, now: u64) -> Option<u64> {
        if let Some(wait) = self.locked(ip, now) {
            return Some(wait);
        }
        let failures = self.since.entry(ip).or_default();
        if failures.first().is_some_and(|first| now >= first + 60) {
            failures.clear();
        }
        failures.push(now);
        if failures.len() == 3 {
            failures.clear();
            self.locked_until.insert(ip, now + 300);
        }
        None
    }
}

proptest! {
    #[test]
    fn the_table_says_what_a_map_would(acts in proptest::collection::vec((0_u8..5, 0_u64..45, any::<bool>()), 1..200)) {
        let (lockout, mut twin) = (Lockout::new(Some(rule())), Twin::default());
        let mut now = 0;
        for (last, step, failure) in acts {
            now += step;
            let address = ip(&format!("192.0.2.{last}"));
            let (got, expect) = if failure {
                (lockout.failed(address, at(now)), twin.failed(address, now))
            } else {
                (lockout.locked(address, at(now)), twin.locked(address, now))
            };
            prop_assert_eq!(got.map(|ns| ns.div_ceil(1_000_000_000)), expect);
        }
    }
}
