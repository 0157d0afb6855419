//! Shares, failures and trials.

use std::collections::VecDeque;

use super::*;

/// Any moment will do.
const NOW_NS: u64 = 1 << 62;
const SECOND_NS: u64 = 1_000_000_000;

fn servers(weights: &[u32]) -> Servers {
    let member = |(at, weight): (usize, &u32)| Member {
        server: Server::new("127.0.0.1", 9000 + u16::try_from(at).unwrap(), None, Duration::from_secs(4)),
        name: format!("{at}").into(),
        host: HeaderValue::from_static("h"),
        weight: *weight,
        standing: Arc::default(),
    };
    Servers::new(weights.iter().enumerate().map(member).collect(), Arc::default())
}

/// The same draws in every run (SplitMix64).
fn draws() -> impl Iterator<Item = u64> {
    (1_u64..).map(|step| {
        let mut mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

/// How many of 20,000 calls each server gets, while this many are under way at a time and each takes as long.
fn shares(servers: &Servers, at_once: usize) -> Vec<usize> {
    let mut counts = vec![0; servers.iter().count()];
    let mut running = VecDeque::new();
    for random in draws().take(20_000) {
        let (member, place) = servers.choose(random, NOW_NS, Tried::default(), true).unwrap();
        counts[member.name.parse::<usize>().unwrap()] += 1;
        running.push_back(place);
        if running.len() >= at_once {
            running.pop_front();
        }
    }
    counts
}

#[test]
fn shares_follow_the_weights() {
    for at_once in [1, 4, 16, 256] {
        let counts = shares(&servers(&[1, 1, 1]), at_once);
        assert!(counts.iter().all(|count| (6_000..7_400).contains(count)), "{at_once}: {counts:?}");
        let counts = shares(&servers(&[95, 5]), at_once);
        assert!((700..1_300).contains(&counts[1]), "5 %, {at_once} at once: {counts:?}");
        let counts = shares(&servers(&[1, 2]), at_once);
        assert!((12_300..14_400).contains(&counts[1]), "two thirds, {at_once} at once: {counts:?}");
    }
}

#[test]
fn a_server_that_answers_nobody_is_left_alone() {
    let servers = servers(&[1, 1, 1]);
    let mut held = Vec::new();
    let mut counts = [0; 3];
    for random in draws().take(1_000) {
        let (member, place) = servers.choose(random, NOW_NS, Tried::default(), true).unwrap();
        let number = member.name.parse::<usize>().unwrap();
        counts[number] += 1;
        if number == 0 {
            held.push(place);
        }
    }
    assert!(counts[0] <= 3, "{counts:?}");
    assert!(counts[1] > 300 && counts[2] > 300, "{counts:?}");
}

#[test]
fn places_are_given_back() {
    let servers = servers(&[1]);
    let (member, place) = servers.choose(7, NOW_NS, Tried::default(), true).unwrap();
    assert_eq!(member.standing.in_flight(), 1);
    drop(place);
    assert_eq!(member.standing.in_flight(), 0);
    assert!(Servers::new(Vec::new(), Arc::default()).choose(7, NOW_NS, Tried::default(), true).is_none());
}

#[test]
fn a_call_goes_to_no_server_twice() {
    let servers = servers(&[1, 1, 1]);
    for random in draws().take(100) {
        let mut tried = Tried::default();
        let mut names = Vec::new();
        while let Some((member, _place)) = servers.choose(random, NOW_NS, tried, true) {
            tried = servers.with(tried, member);
            names.push(&member.name);
        }
        names.sort();
        assert_eq!(names.iter().map(|name| &***name).collect::<Vec<_>>(), ["0", "1", "2"]);
    }
}

#[test]
fn a_full_list_is_chosen_from() {
    let servers = servers(&[1_000; 64]);
    let counts = shares(&servers, 64);
    assert!(counts.iter().all(|count| (200..450).contains(count)), "{counts:?}");
}

/// Whichever server's turn it is next; fails it, and says for how long it is left out.
fn fail(servers: &Servers, number: usize, fault: Fault, now_ns: u64) -> Option<Duration> {
    let others = (0..servers.iter().count()).filter(|at| *at != number);
    let mut all_but_it = Tried::default();
    others.for_each(|at| all_but_it.add(at));
    let (_, mut place) = servers.choose(7, now_ns, all_but_it, true)?;
    servers.failed(&mut place, fault, now_ns)
}

#[test]
fn one_refused_connection_is_enough_where_another_server_answers() {
    let servers = servers(&[1, 1]);
    assert_eq!(fail(&servers, 0, Fault::Unreachable, NOW_NS), Some(Duration::from_secs(1)));
    for random in draws().take(50) {
        let (member, _place) = servers.choose(random, NOW_NS, Tried::default(), true).unwrap();
        assert_eq!(&*member.name, "1");
    }
    // The last one is given three.
    assert_eq!(fail(&servers, 1, Fault::Unreachable, NOW_NS), None);
    assert_eq!(fail(&servers, 1, Fault::Unreachable, NOW_NS), None);
    assert_eq!(fail(&servers, 1, Fault::Unreachable, NOW_NS), Some(Duration::from_secs(1)));
    assert!(servers.choose(7, NOW_NS, Tried::default(), true).is_none());
    let wait_ns = servers.out_for_ns(NOW_NS);
    assert!((SECOND_NS..SECOND_NS * 2).contains(&wait_ns), "{wait_ns}");
}

/// One caller's call may break the program of each server that it meets.
#[test]
fn calls_without_an_answer_never_cost_the_last_servers() {
    let servers = servers(&[1, 1, 1]);
    for _ in 0..4 {
        assert_eq!(fail(&servers, 0, Fault::NoAnswer, NOW_NS), None);
    }
    assert_eq!(fail(&servers, 0, Fault::NoAnswer, NOW_NS), Some(Duration::from_secs(1)));
    for _ in 0..100 {
        assert_eq!(fail(&servers, 1, Fault::NoAnswer, NOW_NS), None);
        assert_eq!(fail(&servers, 2, Fault::NoAnswer, NOW_NS), None);
    }
    let alone = self::servers(&[1]);
    for _ in 0..100 {
        assert_eq!(fail(&alone, 0, Fault::NoAnswer, NOW_NS), None);
    }
}

#[test]
fn one_call_tries_a_server_that_was_left_out() {
    let servers = servers(&[1, 1]);
    fail(&servers, 0, Fault::Unreachable, NOW_NS);
    let later = NOW_NS + 2 * SECOND_NS;
    let mut tries = Vec::new();
    for random in draws().take(50) {
        let (member, place) = servers.choose(random, later, Tried::default(), true).unwrap();
        if &*member.name == "0" {
            tries.push(place);
        }
    }
    assert_eq!(tries.len(), 1, "one at a time");
    // It fails: left out for twice as long. Then it is answered: back in.
    assert_eq!(servers.failed(&mut tries[0], Fault::Unreachable, later), Some(Duration::from_secs(2)));
    tries.clear();
    let much_later = later + 3 * SECOND_NS;
    let only_it = servers.with(Tried::default(), servers.iter().nth(1).unwrap());
    let (_, mut place) = servers.choose(7, much_later, only_it, true).unwrap();
    assert!(place.answered(much_later));
    drop(place);
    assert!(servers.choose(7, much_later, only_it, true).is_some());
}

/// The call that tries a server is rather one that another server can answer if that fails.
#[test]
fn what_could_not_be_repeated_leaves_trials_to_others() {
    let servers = servers(&[1, 1]);
    fail(&servers, 0, Fault::Unreachable, NOW_NS);
    let out_ns = servers.iter().next().unwrap().standing.out_for_ns(NOW_NS);
    let due = NOW_NS + out_ns;
    for random in draws().take(50) {
        let (member, _place) = servers.choose(random, due, Tried::default(), false).unwrap();
        assert_eq!(&*member.name, "1");
    }
    let only_it = servers.with(Tried::default(), servers.iter().nth(1).unwrap());
    assert!(servers.choose(7, due, only_it, false).is_some(), "there is no other");
}
