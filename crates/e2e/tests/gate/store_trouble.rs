//! A store that is locked, or a disk that is full: the gate stays up, answers clearly, and lets nobody in for it.

use std::process::Command;

use callgate_testkit::{Call, Program, ScriptedUpstream, TestGate, wait_for};

use crate::setup::{api, check, gate_yaml, shop_with};

/// Holds the write lock of a SQLite file until it is dropped.
fn lock(file: &std::path::Path) -> Program {
    let script = "import sqlite3, sys, time\n\
                  held = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)\n\
                  held.execute('BEGIN IMMEDIATE')\n\
                  print('locked', flush=True)\n\
                  time.sleep(120)\n";
    let mut program = Program::start(Command::new("python3").args(["-c", script]).arg(file));
    program.line("the lock", |line| line.contains("locked").then_some(()));
    program
}

#[test]
fn calls_pass_and_acts_wait_while_the_store_is_locked() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, "plans: { free: { quota: 1000/day, limits: [1000/s] } }", "access: key");
    gate.consumer_on("ada", "free");
    let key = gate.key("ada", &[]);
    check(&gate.call("GET /shop/a").key(&key), "200");
    let held = lock(&gate.folder().join("callgate-data/callgate.db"));
    for _ in 0..3 {
        check(&gate.call("GET /shop/a").key(&key), "200");
        check(&gate.call("GET /shop/a").key("wrong"), "401 credential_unknown");
    }
    std::thread::scope(|scope| {
        let act = scope.spawn(|| gate.run(&["keys", "create", "ada", "--json"]));
        let answer = check(&gate.call("GET /shop/a").key(&key), "200");
        let _ = gate.record(&answer.call_id());
        drop(held);
        // It was waiting for the lock, or had said that it could not be done.
        let act = act.join().unwrap();
        assert!(act.code == Some(0) || !act.stderr.is_empty(), "{act}");
    });
    let after = gate.key("ada", &[]);
    check(&gate.call("GET /shop/a").key(&after), "200");
}

#[test]
fn a_full_disk_stops_acts_and_logs_but_no_calls() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = gate_yaml("log: { access: access.log }", &api("shop", &upstream.url(), "access: key"));
    let gate = TestGate::start_on_a_full_disk(&yaml, 600);
    let key = gate.new_key("ada");
    let agent = "a".repeat(500);
    let log = gate.folder().join("access.log");
    wait_for("the log to reach the end of the disk", || {
        for _ in 0..50 {
            check(&gate.call("GET /shop/a").key(&key).field("User-Agent", &agent), "200");
        }
        std::fs::metadata(&log).is_ok_and(|file| file.len() >= 500 * 1024)
    });
    for _ in 0..20 {
        check(&gate.call("GET /shop/a").key(&key).field("User-Agent", &agent), "200");
        check(&gate.call("GET /shop/a"), "401 credential_missing");
    }
    // Acts until the store is full, too: the one that fails says why, and what was acknowledged holds.
    let mut last = key;
    for number in 0..2000 {
        let made = gate.run(&["keys", "create", "ada", "--json", "--label", &"n".repeat(200)]);
        if made.code != Some(0) {
            assert!(!made.stderr.is_empty() && !made.stderr.contains("panicked"), "{made}");
            break;
        }
        let made = made.json();
        last.text = made["key"].as_str().unwrap().to_owned();
        if number == 20 {
            break;
        }
    }
    check(&gate.call("GET /shop/a").key(&last), "200");
}

#[test]
fn usage_and_recent_calls_wait_for_a_database_that_is_locked() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = gate_yaml("health: 127.0.0.1:0", &api("shop", &upstream.url(), "access: key"));
    let mut gate = TestGate::start(&yaml);
    let key = gate.new_key("ada");
    let held = lock(&gate.folder().join("callgate-data/calls.db"));
    let failures = || {
        let page = Call::new(gate.health(), "GET /metrics").send().text();
        let line = page.lines().find_map(|line| line.strip_prefix("callgate_records_store_errors_total "));
        line.map(str::to_owned).unwrap()
    };
    let mut calls = 0;
    wait_for("a write that the database did not take", || {
        check(&gate.call("GET /shop/a").key(&key), "200");
        calls += 1;
        failures() != "0"
    });
    drop(held);
    let stats = gate.run_json(&["stats"]);
    assert_eq!(stats["lost"]["usage"], 0, "{stats}");
    let ended = gate.terminate();
    assert_eq!(ended, Some(0));
    gate.start_again();
    let stats = gate.run_json(&["stats", "--since", "2h"]);
    assert_eq!(stats["total"]["calls"], calls, "not a call is missing, though the database was locked: {stats}");
}
