//! How a server that was left out comes back.

use super::*;

const NOW_NS: u64 = 1 << 62;
const SECOND_NS: u64 = 1_000_000_000;

fn left_out() -> Arc<Standing> {
    let standing = Arc::<Standing>::default();
    let mut places: Vec<Place> = (0..3).map(|_| standing.enter(NOW_NS).unwrap()).collect();
    let out: Vec<_> = places.iter_mut().map(|place| place.failed(Fault::Unreachable, NOW_NS, false, false)).collect();
    assert_eq!(out, [None, None, Some(Duration::from_secs(1))]);
    standing
}

#[test]
fn the_herd_is_let_in_by_and_by() {
    let standing = left_out();
    let later = NOW_NS + 2 * SECOND_NS;
    let mut trial = standing.try_out(later, false).unwrap();
    assert!(standing.try_out(later, false).is_none() && standing.fitness(later) == Fitness::Unfit);
    assert!(trial.answered(later));
    drop(trial);
    let mut answers = 1;
    let mut rounds = 0;
    while answers < WARM_AFTER {
        let mut herd: Vec<Place> = std::iter::from_fn(|| standing.enter(later)).take(10_000).collect();
        assert!(herd.len() <= answers as usize + 1, "{} calls after {answers} answers", herd.len());
        assert!(!herd.is_empty());
        herd.iter_mut().for_each(|place| assert!(!place.answered(later)));
        answers += u32::try_from(herd.len()).unwrap();
        rounds += 1;
    }
    assert!(rounds <= 8, "the room doubles: {rounds}");
    let herd: Vec<Place> = std::iter::from_fn(|| standing.enter(later)).take(10_000).collect();
    assert_eq!(herd.len(), 10_000, "warm again");
}

#[test]
fn a_slow_call_does_not_hold_the_others_off_for_ever() {
    let standing = left_out();
    let later = NOW_NS + 2 * SECOND_NS;
    let mut slow = standing.try_out(later, false).unwrap();
    slow.answered(later);
    let held: Vec<Place> = std::iter::from_fn(|| standing.enter(later)).collect();
    assert_eq!((held.len(), standing.fitness(later)), (1, Fitness::Unfit));
    assert!(standing.enter(later + 11 * SECOND_NS).is_some());
}

#[test]
fn a_trial_that_is_given_up_makes_room_for_the_next() {
    let standing = left_out();
    let later = NOW_NS + 2 * SECOND_NS;
    drop(standing.try_out(later, false));
    assert!(standing.try_out(later + SECOND_NS / 2, false).is_none());
    assert!(standing.try_out(later + SECOND_NS, false).is_some());
}

#[test]
fn it_is_left_out_for_longer_each_time_up_to_a_bound() {
    let standing = left_out();
    let mut now = NOW_NS;
    let mut seconds = Vec::new();
    for _ in 0..6 {
        now += 11 * SECOND_NS;
        let mut trial = standing.try_out(now, false).unwrap();
        seconds.push(trial.failed(Fault::Unreachable, now, false, false).unwrap().as_secs());
    }
    assert_eq!(seconds, [2, 4, 8, 10, 10, 10]);
}

#[test]
fn what_was_sent_before_says_nothing_new() {
    let standing = Arc::<Standing>::default();
    let mut places: Vec<Place> = (0..100).map(|_| standing.enter(NOW_NS).unwrap()).collect();
    let out = places.iter_mut().filter_map(|place| place.failed(Fault::Unreachable, NOW_NS, true, true)).count();
    assert_eq!(out, 1, "a hundred calls that broke at once are one event");
    assert!(!places[0].answered(NOW_NS), "an old answer does not bring it back");
    assert_eq!(standing.fitness(NOW_NS), Fitness::Unfit);
}

#[test]
fn answers_in_between_forgive() {
    let standing = Arc::<Standing>::default();
    for _ in 0..50 {
        for _ in 0..4 {
            let mut place = standing.enter(NOW_NS).unwrap();
            assert_eq!(place.failed(Fault::NoAnswer, NOW_NS, true, true), None);
        }
        standing.enter(NOW_NS).unwrap().answered(NOW_NS);
    }
}

#[test]
fn checks_have_the_last_word() {
    let standing = Arc::<Standing>::default();
    let mut before = standing.enter(NOW_NS).unwrap();
    assert!(standing.leave_out_by_checks(NOW_NS));
    assert!(!standing.leave_out_by_checks(NOW_NS), "told once");
    assert_eq!(standing.fitness(u64::MAX - 1), Fitness::Unfit, "no call may try it, however late");
    assert!(standing.try_out(u64::MAX - 1, false).is_none() && standing.enter_or_try_out(u64::MAX - 1).is_none());
    assert!(!before.answered(NOW_NS), "an answer to a call from before does not bring it back");
    assert_eq!(before.failed(Fault::Unreachable, NOW_NS, true, true), None);
    assert_eq!(standing.fitness(NOW_NS), Fitness::Unfit);
    assert_eq!(standing.out_for_ns(NOW_NS), 10 * SECOND_NS);
    drop(before);
    assert!(standing.let_in_by_checks(NOW_NS));
    let herd: Vec<Place> = std::iter::from_fn(|| standing.enter(NOW_NS)).take(100).collect();
    assert_eq!(herd.len(), 1, "few calls at first");
    assert!(!standing.let_in_by_checks(NOW_NS), "it is in");
}

#[test]
fn a_trial_does_not_undo_what_checks_said_meanwhile() {
    for says in [true, false] {
        let standing = left_out();
        let later = NOW_NS + 2 * SECOND_NS;
        let mut trial = standing.try_out(later, false).unwrap();
        standing.leave_out_by_checks(NOW_NS);
        match says {
            true => assert!(!trial.answered(later)),
            false => assert_eq!(trial.failed(Fault::NoAnswer, later, false, false), None),
        }
        assert_eq!(standing.fitness(later + 60 * SECOND_NS), Fitness::Unfit);
    }
}

#[test]
fn checks_spare_a_call_the_trial_of_what_calls_left_out() {
    let standing = left_out();
    assert!(!standing.let_in_by_checks(NOW_NS + SECOND_NS / 2), "its time is not over");
    assert!(standing.let_in_by_checks(NOW_NS + 2 * SECOND_NS));
    assert_eq!(standing.fitness(NOW_NS + 2 * SECOND_NS), Fitness::Fit);
}

#[test]
fn without_checks_calls_judge_alone() {
    let standing = left_out();
    standing.end_checks(NOW_NS);
    assert!(standing.is_left_out(), "what calls said holds");
    standing.leave_out_by_checks(NOW_NS);
    standing.end_checks(NOW_NS);
    assert!(!standing.is_left_out());
}

#[test]
fn whoever_asks_hears_how_it_stands_and_since_when() {
    let standing = Arc::<Standing>::default();
    assert_eq!((standing.stand(NOW_NS), standing.changed_ns()), (Stand::Fit, None));
    let standing = left_out();
    let Stand::LeftOut { until_ns } = standing.stand(NOW_NS) else { panic!("{standing:?}") };
    assert_eq!(((until_ns - NOW_NS) / SECOND_NS, standing.changed_ns()), (1, Some(NOW_NS)));
    let later = NOW_NS + 2 * SECOND_NS;
    standing.try_out(later, false).unwrap().failed(Fault::Unreachable, later, false, false);
    assert_eq!(standing.changed_ns(), Some(NOW_NS), "it was out all the time");
    let back = later + 3 * SECOND_NS;
    assert!(standing.try_out(back, false).unwrap().answered(back));
    assert_eq!((standing.stand(back), standing.changed_ns()), (Stand::ComesBack, Some(back)));
    assert_eq!(standing.stand(back + 11 * SECOND_NS), Stand::Fit);
    standing.leave_out_by_checks(back + SECOND_NS);
    assert_eq!((standing.stand(back), standing.changed_ns()), (Stand::FailsChecks, Some(back + SECOND_NS)));
}
