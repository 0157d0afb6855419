//! Who calls, and what each call must hear. A call that hears anything else has failed.

use std::time::{Duration, Instant};

use callgate_testkit::{Answer, Fault, RawClient};

use crate::ground::Ground;
use crate::random::Random;
use crate::tally::Tally;
use crate::upstream;

/// Work that goes on until the soak is over.
pub(crate) type Work = Box<dyn FnOnce(&Ground, &Tally) + Send>;

/// Between two calls of one caller: as many as leave the machine some air, so that what is waited for is the gate.
const REST: Duration = Duration::from_millis(5);
/// Bytes of the largest body that is sent, a little over what fits into one write.
const BODY_MAX: u64 = 100_000;

/// Kinds of calls on the APIs `steady` and `books`; the gate's own count of them must come to the same.
pub(crate) const COUNTED: &[&str] = &["http/1.1", "http/1.1 over tls", "http/2 over tls", "stream", "no key", "grpc"];

/// Every caller.
pub(crate) fn all() -> Vec<Work> {
    let mut work: Vec<Work> = Vec::new();
    for number in 0..4 {
        work.push(Box::new(move |ground, tally| steady(ground, tally, number, false, "http/1.1")));
    }
    for number in 4..6 {
        work.push(Box::new(move |ground, tally| steady(ground, tally, number, true, "http/1.1 over tls")));
    }
    for number in 6..10 {
        work.push(Box::new(move |ground, tally| stream(ground, tally, number)));
    }
    work.push(Box::new(without_key));
    work.push(Box::new(limited));
    work.push(Box::new(chaos));
    work.push(Box::new(flaky));
    work
}

pub(crate) fn connect(ground: &Ground, tls: bool) -> Result<RawClient, String> {
    match tls {
        true => RawClient::try_connect_tls(ground.secure, "localhost", &ground.authority),
        false => RawClient::try_connect(ground.clear).map_err(|error| error.to_string()),
    }
}

/// The next connection for a caller that keeps one as long as the gate lets it.
fn kept(answer: &Result<Answer, Fault>, client: RawClient) -> Option<RawClient> {
    let closes = |answer: &Answer| answer.field("connection").is_some_and(|field| field.eq_ignore_ascii_case("close"));
    answer.as_ref().is_ok_and(|answer| !closes(answer)).then_some(client)
}

/// Calls with and without bodies, each with an id that must come back.
fn steady(ground: &Ground, tally: &Tally, number: u64, tls: bool, kind: &'static str) {
    let mut random = Random(number);
    let mut client = None;
    for turn in 0_u64.. {
        if ground.over.after(REST) {
            return;
        }
        let id = format!("{number}-{turn}");
        let size = if turn % 4 == 0 { random.below(BODY_MAX) } else { 0 };
        let method = if size > 0 { "POST" } else { "GET" };
        let body = vec![b'a' + u8::try_from(turn % 26).unwrap_or(0); usize::try_from(size).unwrap_or(0)];
        let framing = if size > 0 { format!("Content-Length: {size}\r\n") } else { String::new() };
        let head = format!(
            "{method} /steady/echo?{id} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\nX-Soak-Id: {id}\r\n{framing}\r\n",
            ground.key
        );
        let start = Instant::now();
        let mut open = match client.take().map_or_else(|| connect(ground, tls), Ok) {
            Ok(open) => open,
            Err(error) => {
                tally.failed(kind, format_args!("no connection: {error}"));
                continue;
            }
        };
        let answer = open.send([head.as_bytes(), &body].concat()).try_answer();
        let expect = upstream::told(&id, method, &format!("/echo?{id}"), &body);
        judge(tally, kind, &answer, start, |answer| answer.summary() == "200" && answer.text() == expect);
        client = kept(&answer, open);
    }
}

fn judge(
    tally: &Tally,
    kind: &'static str,
    answer: &Result<Answer, Fault>,
    start: Instant,
    fits: impl FnOnce(&Answer) -> bool,
) {
    match answer {
        Ok(answer) if fits(answer) => tally.passed(kind, Some(start.elapsed())),
        Ok(answer) => tally.failed(kind, answer),
        Err(fault) => tally.failed(kind, format_args!("no answer: {fault:?}")),
    }
}

/// Answers that last for several reloads must come to their end.
fn stream(ground: &Ground, tally: &Tally, number: u64) {
    for turn in 0_u64.. {
        if ground.over.after(REST) {
            return;
        }
        let id = format!("{number}-{turn}");
        let call = format!(
            "GET /steady/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {}\r\nX-Soak: stream\r\nX-Soak-Id: {id}\r\n\r\n",
            ground.key
        );
        let answer = match connect(ground, turn % 2 == 0) {
            Ok(mut client) => client.send(call).try_answer(),
            Err(error) => {
                tally.failed("stream", format_args!("no connection: {error}"));
                continue;
            }
        };
        let expect: String = (0..upstream::PIECES).map(|number| upstream::piece(&id, number)).collect();
        match answer {
            Ok(answer) if answer.summary() == "200" && answer.text() == expect => tally.passed("stream", None),
            Ok(answer) => tally.failed("stream", answer),
            Err(fault) => tally.failed("stream", format_args!("it broke off: {fault:?}")),
        }
    }
}

/// Refusals, a connection each.
fn without_key(ground: &Ground, tally: &Tally) {
    while !ground.over.after(Duration::from_millis(50)) {
        let start = Instant::now();
        let answer = connect(ground, false)
            .map_err(|_| Fault::Closed)
            .and_then(|mut client| client.send("GET /steady/echo HTTP/1.1\r\nHost: localhost\r\n\r\n").try_answer());
        judge(tally, "no key", &answer, start, |answer| answer.summary() == "401 credential_missing");
    }
}

/// As many as are let through; the verdict counts them against the limit.
fn limited(ground: &Ground, tally: &Tally) {
    let mut client = None;
    while !ground.over.after(Duration::from_millis(20)) {
        let answer = client.take().map_or_else(|| connect(ground, false), Ok).map(|mut open: RawClient| {
            let answer = open.send("GET /limited/echo HTTP/1.1\r\nHost: localhost\r\n\r\n").try_answer();
            client = kept(&answer, open);
            answer
        });
        match answer {
            Ok(Ok(answer)) if answer.summary() == "200" => tally.passed("let through", None),
            Ok(Ok(answer)) if answer.summary() == "429 rate_limited" => tally.passed("limited", None),
            other => tally.failed("limited", format_args!("{other:?}")),
        }
    }
}

/// An upstream that answers in every wrong way; the caller hears whose fault it is.
fn chaos(ground: &Ground, tally: &Tally) {
    let ways: [(&str, &[&str]); 5] = [
        ("close", &["502 upstream_unreachable", "503 no_healthy_upstream"]),
        ("garbage", &["502 upstream_invalid", "503 no_healthy_upstream"]),
        ("slow", &["200", "503 no_healthy_upstream"]),
        // Its head had passed before it broke: what the caller sees is a broken answer.
        ("cut", &["broken", "503 no_healthy_upstream"]),
        ("", &["200", "503 no_healthy_upstream"]),
    ];
    for (how, expect) in ways.iter().cycle() {
        if ground.over.after(Duration::from_millis(20)) {
            return;
        }
        let call = format!("GET /chaos/echo HTTP/1.1\r\nHost: localhost\r\nX-Soak: {how}\r\n\r\n");
        let heard = match connect(ground, false).map(|mut client| client.send(call).try_answer()) {
            Ok(Ok(answer)) => answer.summary(),
            Ok(Err(_)) => "broken".to_owned(),
            Err(error) => error,
        };
        match expect.contains(&heard.as_str()) {
            true => tally.passed("chaos", None),
            false => tally.failed("chaos", format_args!("`{how}` was heard as {heard}")),
        }
    }
}

/// An upstream that is gone for a while every few seconds. It is back for good before the end, which the verdict sees.
fn flaky(ground: &Ground, tally: &Tally) {
    let mut turn = 0_u32;
    loop {
        let over = ground.over.after(Duration::from_millis(50));
        ground.flaky().be_gone(turn % 100 < 20 && !over);
        if over {
            return;
        }
        turn += 1;
        let call = "GET /flaky/echo HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let heard = match connect(ground, false).map(|mut client| client.send(call).try_answer()) {
            Ok(Ok(answer)) => answer.summary(),
            other => format!("{other:?}"),
        };
        match heard.as_str() {
            "200" => tally.passed("flaky, answered", None),
            "502 upstream_unreachable" | "503 no_healthy_upstream" => tally.passed("flaky, told", None),
            _ => tally.failed("flaky", heard),
        }
    }
}
