//! An orderly end: calls under way and calls on their way finish, records are written, and a second gate takes over the
//! folder.

use std::time::{Duration, Instant};

use callgate_testkit::{Call, RawClient, ScriptedUpstream, Signal, TestGate, tools, wait_for};

use crate::callers::Callers;
use crate::setup::{answering_when, check, gate_yaml, public_shop, shop, shop_with};

/// Waits until every worker knows that its connections end: from then on each answer says so.
#[track_caller]
fn ending(gate: &mut TestGate) {
    gate.program().line("word that connections end", |line| line.contains("ends with its next answer").then_some(()));
}

fn health(gate: &TestGate, path: &str) -> u16 {
    Call::new(gate.health(), &format!("GET {path}")).send().status
}

#[test]
fn calls_are_taken_during_the_delay_and_each_connection_ends_with_its_next_answer() {
    let upstream = ScriptedUpstream::answering("ok");
    let top = "health: 127.0.0.1:0\ndrain: { delay: 2s, timeout: 20s }";
    let mut gate = shop_with(&upstream, top, "access: public");
    let mut silent = gate.call("GET /shop/a").open();
    assert_eq!(silent.answer().summary(), "200");
    let mut unused = RawClient::connect(gate.address());
    let told = Instant::now();
    gate.program().signal("TERM");
    wait_for("readiness to go", || health(&gate, "/readyz") == 503);
    let mut late = gate.call("GET /shop/a").open();
    let answer = late.answer();
    assert_eq!((answer.summary().as_str(), answer.field("connection")), ("200", None));
    assert!(told.elapsed() < Duration::from_secs(2), "the delay was too short for this machine");
    wait_for("the end of the delay", || RawClient::try_connect(gate.address()).is_err());
    assert!(told.elapsed() >= Duration::from_secs(2), "{:?}", told.elapsed());
    assert_eq!(health(&gate, "/livez"), 200);
    ending(&mut gate);
    for client in [&mut silent, &mut late, &mut unused] {
        client.send(gate.call("GET /shop/a").bytes());
        let answer = client.answer();
        assert_eq!((answer.summary().as_str(), answer.field("connection")), ("200", Some("close")));
        assert_eq!(client.rest(), b"");
    }
    assert_eq!(gate.program().wait().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(20), "nobody was left to be waited for");
}

#[test]
fn silent_connections_are_closed_when_the_time_is_over() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop_with(&upstream, "drain: { timeout: 1s }", "access: public");
    let mut silent = gate.call("GET /shop/a").open();
    assert_eq!(silent.answer().summary(), "200");
    let told = Instant::now();
    gate.program().signal("TERM");
    assert_eq!(silent.rest(), b"");
    assert!(told.elapsed() >= Duration::from_secs(1), "{:?}", told.elapsed());
    assert_eq!(gate.program().wait().code(), Some(0));
}

/// It has its answer, and another request behind it that nobody takes any more; and it never closes.
#[test]
fn a_client_that_stays_behind_its_last_answer_holds_nothing_up() {
    let go = Signal::new();
    let upstream = answering_when(&go);
    let mut gate = shop_with(&upstream, "drain: { timeout: 8s }", "access: public");
    let mut client = RawClient::connect(gate.address());
    client.send(gate.call("GET /shop/a").bytes().repeat(2));
    wait_for("the call at the upstream", || upstream.count() == 1);
    gate.program().signal("TERM");
    ending(&mut gate);
    go.raise();
    assert_eq!(client.answer().field("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
    assert_eq!(gate.program().wait().code(), Some(0));
    assert!(!gate.said().contains("still open"), "it was waited for to the end: {}", gate.said());
}

/// Twenty clients that send again the moment that an answer is there: some request is always on its way, whatever moment
/// the signal comes.
#[test]
fn no_call_of_a_kept_connection_is_lost_at_the_worst_moment() {
    let upstream = ScriptedUpstream::answering("ok");
    for (round, drain) in ["", "drain: { delay: 50ms }", "", "drain: { delay: 1ms }"].into_iter().enumerate() {
        let mut gate = shop_with(&upstream, drain, "access: public");
        let callers = Callers::start(20, &gate.call("GET /shop/a"), gate.address());
        callers.make(200 + 37 * round);
        gate.program().signal("TERM");
        let told = callers.until_gone();
        assert_eq!(told.failed, Vec::<String>::new(), "round {round}");
        assert_eq!((told.found_nobody, told.ends >= 20), (20, true), "{told:?}");
        assert_eq!(gate.program().wait().code(), Some(0));
    }
}

/// The same over HTTP/2, with node's client: it opens a stream whenever one has ended, until it hears GOAWAY.
#[test]
fn no_stream_is_lost_at_the_worst_moment() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop_with(&upstream, "", "access: public");
    let script = r#"
        import http2 from 'node:http2';
        const told = { ok: 0, failed: [], gone: 0, unsent: 0 };
        const open = () => {
            const session = http2.connect(process.argv[2]);
            let over = false, running = 0;
            session.on('error', error => { if (error.code !== 'ECONNREFUSED') told.failed.push(String(error)); });
            session.on('goaway', code => { if (!over) told.gone++; over = true; if (code) told.failed.push('GOAWAY ' + code); });
            session.on('close', () => { over = true; });
            const call = () => {
                if (over || session.closed || session.destroyed) return running || session.close();
                running++;
                const stream = session.request({ ':path': '/shop/a' });
                stream.on('response', head => { if (head[':status'] !== 200) told.failed.push(head[':status']); });
                // What was asked for in the same moment that GOAWAY came is not sent any more: node says so with this code.
                stream.on('error', error => {
                    if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) told.unsent++;
                    else told.failed.push(error.message);
                });
                stream.on('end', () => { if (!stream.rstCode) told.ok++; if (told.ok === 300) console.log('calling'); });
                stream.on('close', () => { running--; call(); });
                stream.resume();
            };
            session.on('connect', () => { for (let i = 0; i < 5; i++) call(); });
        };
        for (let i = 0; i < 4; i++) open();
        process.on('beforeExit', () => console.log(JSON.stringify(told)));
    "#;
    let mut node = tools::start_node(script, &[&gate.url()]);
    node.line("300 calls", |line| (line == "calling").then_some(()));
    gate.program().signal("TERM");
    let told = node.line("the count", |line| line.starts_with('{').then(|| line.to_owned()));
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["failed"], serde_json::json!([]), "{told}");
    assert_eq!(told["gone"], 4, "{told}");
    assert_eq!(told["ok"], upstream.count(), "an answer was lost on its way back: {told}");
    assert_eq!(gate.program().wait().code(), Some(0));
}

#[test]
fn calls_under_way_finish_and_are_recorded() {
    let go = Signal::new();
    let told = go.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            told.wait();
            connection.send("world");
        }
    });
    let mut gate = public_shop(&upstream);
    let mut waiting = gate.call("GET /shop/a").open();
    waiting.read_through(b"hello");
    let mut idle = gate.call("GET /nowhere").open();
    assert_eq!(idle.answer().status, 404);
    gate.program().signal("INT");
    assert_eq!(idle.rest(), b"", "Ctrl-C closes a connection without a call at once");
    assert!(gate.program().is_running(), "a call is still under way");
    go.raise();
    assert_eq!(waiting.read_exactly(5), b"world");
    assert_eq!(gate.program().wait().code(), Some(0));
    assert!(gate.records().iter().any(|record| record["callgate.end"] == "complete"), "{}", gate.said());
}

#[test]
fn what_the_gate_cuts_is_not_said_to_be_the_callers_doing() {
    let never = Signal::new();
    let waits = never.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
            waits.wait();
        }
    });
    let mut gate = shop_with(&upstream, "drain: { timeout: 1s }", "access: public");
    let mut waiting = gate.call("GET /shop/a").open();
    waiting.read_through(b"hello");
    assert_eq!(gate.terminate(), Some(0));
    assert!(gate.records().iter().any(|record| record["callgate.end"] == "draining"), "{}", gate.said());
    never.raise();
}

#[test]
fn readiness_goes_first_and_new_calls_are_told_to_go_elsewhere() {
    let go = Signal::new();
    let upstream = answering_when(&go);
    let yaml = gate_yaml("health: 127.0.0.1:0", &crate::setup::api("shop", &upstream.url(), "access: public"));
    let mut gate = TestGate::start(&yaml);
    assert_eq!((health(&gate, "/livez"), health(&gate, "/readyz"), health(&gate, "/other")), (200, 200, 404));
    let mut waiting = gate.call("GET /shop/a").open();
    wait_for("the call at the upstream", || upstream.count() == 1);
    gate.program().signal("TERM");
    wait_for("readiness to go", || health(&gate, "/readyz") == 503);
    assert_eq!(health(&gate, "/livez"), 200);
    ending(&mut gate);
    go.raise();
    assert_eq!(waiting.answer().status, 200);
    assert_eq!(waiting.rest(), b"", "the connection ends with its call");
    assert_eq!(gate.program().wait().code(), Some(0));
}

#[test]
fn every_record_is_written_before_the_end() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada");
    let mut ids = Vec::new();
    for number in 0..50 {
        let call = gate.call("GET /shop/a");
        ids.push(if number % 2 == 0 { call.key(&key).send() } else { call.send() }.call_id());
    }
    assert_eq!(gate.terminate(), Some(0));
    for id in &ids {
        assert!(gate.said().contains(id.as_str()), "call {id} left no record");
    }
    gate.start_again();
    check(&gate.call("GET /shop/a").key(&key), "200");
    for id in [&ids[0], &ids[49]] {
        let told = gate.run(&["explain", id]).expect_success();
        assert!(told.stdout.contains("/shop/a"), "{told}");
    }
}

#[test]
fn the_folder_belongs_to_one_gate_at_a_time() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = public_shop(&upstream);
    let yaml = std::fs::read_to_string(gate.file()).unwrap();
    let second = TestGate::refuses_to_start(gate.folder(), &yaml);
    assert_eq!(second.code, Some(1), "{second}");
    assert!(second.stderr.contains("callgate-data"), "it says which folder is held: {second}");
    check(&gate.call("GET /shop/a"), "200");
    assert_eq!(gate.terminate(), Some(0));
    gate.start_again();
    check(&gate.call("GET /shop/a"), "200");
}
