//! `idempotency_key`: its words, and where it has no effect.

use super::read;

#[test]
fn one_of_two_words() {
    let repeats = |line: &str| read(&["upstream: http://127.0.0.1:9000", line]).unwrap().apis[0].guards.repeats_by_key;
    assert_eq!(repeats("access: key"), None);
    assert_eq!(repeats("idempotency_key: ignore"), Some(false));
    assert_eq!(repeats("idempotency_key: repeat"), Some(true));
}

#[test]
fn what_it_can_not_be() {
    let check = |lines: &[&str], expect: &str| {
        let lines = [&["upstream: http://127.0.0.1:9000"], lines].concat();
        assert_eq!(read(&lines).unwrap_err(), [expect], "{lines:?}");
    };
    check(&["idempotency_key: true"], "`idempotency_key` can't be `true`");
    check(
        &["routes: [POST /a: { respond: { status: 410 }, idempotency_key: repeat }]"],
        "`idempotency_key` has no effect beside `respond`: nothing is forwarded",
    );
}
