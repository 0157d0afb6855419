//! An orderly end: calls under way finish, records are written, and a second gate takes over the folder.

use callgate_testkit::{ScriptedUpstream, Signal, TestGate, reply, wait_for};

use crate::setup::{check, gate_yaml, public_shop, shop};

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
    gate.program().signal("TERM");
    assert_eq!(idle.rest(), b"", "a connection without a call is closed at once");
    assert!(gate.program().is_running(), "a call is still under way");
    go.raise();
    assert_eq!(waiting.read_exactly(5), b"world");
    assert_eq!(gate.program().wait().code(), Some(0));
    assert!(gate.records().iter().any(|record| record["callgate.end"] == "complete"), "{}", gate.said());
}

#[test]
fn readiness_goes_first_and_new_calls_are_told_to_go_elsewhere() {
    let go = Signal::new();
    let told = go.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        if connection.request().is_some() {
            told.wait();
            connection.send(reply("200 OK", "ok"));
        }
    });
    let yaml = gate_yaml("health: 127.0.0.1:0", &crate::setup::api("shop", &upstream.url(), "access: public"));
    let mut gate = TestGate::start(&yaml);
    let health =
        |gate: &TestGate, path: &str| callgate_testkit::Call::new(gate.health(), &format!("GET {path}")).send().status;
    assert_eq!((health(&gate, "/livez"), health(&gate, "/readyz"), health(&gate, "/other")), (200, 200, 404));
    let mut waiting = gate.call("GET /shop/a").open();
    wait_for("the call at the upstream", || upstream.count() == 1);
    gate.program().signal("TERM");
    wait_for("readiness to go", || health(&gate, "/readyz") == 503);
    assert_eq!(health(&gate, "/livez"), 200);
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
