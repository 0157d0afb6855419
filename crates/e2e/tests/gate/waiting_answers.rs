//! Answers that take their time: events, long polls, and clients that speak HTTP/1.0.

use std::process::Command;

use callgate_testkit::{Program, RawClient, ScriptedUpstream, Signal, reply, wait_for};

use crate::setup::{public_shop, two_events};

#[test]
fn over_http_2_too_an_event_is_handed_over_at_once() {
    let next = Signal::new();
    let upstream = two_events(&next);
    let gate = public_shop(&upstream);
    let mut command = Command::new("curl");
    command.args(["--silent", "--no-buffer", "--http2-prior-knowledge", &format!("{}/shop/events", gate.url())]);
    let mut curl = Program::start(&mut command);
    curl.line("the first event", |line| (line == "data: first").then_some(()));
    next.raise();
    curl.line("the second event", |line| (line == "data: second").then_some(()));
}

#[test]
fn a_long_poll_waits_for_its_answer_and_holds_nobody_up() {
    let news = Signal::new();
    let told = news.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/poll" {
                told.wait();
            }
            connection.send(reply("200 OK", request.target()));
        }
    });
    let gate = public_shop(&upstream);
    let mut polls: Vec<_> = (0..20).map(|_| gate.call("GET /shop/poll").open()).collect();
    wait_for("all polls at the upstream", || upstream.count() == 20);
    assert_eq!(gate.call("GET /shop/other").send().text(), "/other");
    news.raise();
    for poll in &mut polls {
        assert_eq!(poll.answer().text(), "/poll");
    }
}

#[test]
fn http_1_0_keeps_its_connection_if_it_asks_for_it() {
    let upstream = ScriptedUpstream::answering("hello");
    let gate = public_shop(&upstream);
    let mut client = RawClient::connect(gate.address());
    for _ in 0..3 {
        client.send("GET /shop/a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("hello", Some("keep-alive")), "{answer}");
    }
    client.send("POST /shop/a HTTP/1.0\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nbody");
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(rest.starts_with("HTTP/1.0 200 ") && rest.ends_with("hello"), "100 Continue is not for HTTP/1.0: {rest}");
    assert_eq!(upstream.last().body, b"body");
}
