//! A changed file is taken over at once, wholly or not at all, without losing a call.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use callgate_testkit::{PATIENCE, ScriptedUpstream, Signal, TestGate, reply, wait_for};

use crate::setup::{api, check, gate_yaml, shop, shop_yaml};

#[test]
fn a_written_file_is_taken_over() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    check(&gate.call("GET /shop/a"), "200");
    check(&gate.call("GET /bank/a"), "404 no_such_route");
    gate.write(&gate_yaml("", &api("bank", &upstream.url(), "access: public")));
    wait_for("the new file", || gate.call("GET /bank/a").send().status == 200);
    check(&gate.call("GET /shop/a"), "404 no_such_route");
}

#[test]
fn a_broken_file_changes_nothing_and_says_where() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    gate.write(&shop_yaml(&upstream.url(), "acess: public\nlimits: [fast]"));
    wait_for("word of the mistakes", || gate.said().contains("acess") && gate.said().contains("fast"));
    check(&gate.call("GET /shop/a"), "200");
    gate.write(&shop_yaml(&upstream.url(), "access: key"));
    wait_for("the mended file", || gate.call("GET /shop/a").send().status == 401);
}

#[test]
fn sighup_reads_the_file_and_a_secret_behind_it_again() {
    let upstream = ScriptedUpstream::answering("ok");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "one").unwrap();
    let lines = "access: public\nheaders: { request: { set: { X-Token: \"file:token\" } } }";
    let mut gate = TestGate::start_in(folder, &shop_yaml(&upstream.url(), lines));
    check(&gate.call("GET /shop/a"), "200");
    assert_eq!(upstream.last().field("x-token"), Some("one"));
    std::fs::write(gate.folder().join("token"), "two").unwrap();
    gate.program().signal("HUP");
    wait_for("the new secret", || {
        gate.call("GET /shop/a").send();
        upstream.last().field("x-token") == Some("two")
    });
}

#[test]
fn calls_under_way_and_keys_outlive_a_reload() {
    let go = Signal::new();
    let told = go.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/wait" {
                told.wait();
            }
            connection.send(reply("200 OK", "ok"));
        }
    });
    let gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada");
    let mut waiting = gate.call("GET /shop/wait").key(&key).open();
    wait_for("the call at the upstream", || upstream.count() == 1);
    gate.write(&gate_yaml("", &api("bank", &upstream.url(), "access: key")));
    wait_for("the new file", || gate.call("GET /bank/a").key(&key).send().status == 200);
    go.raise();
    assert_eq!(waiting.answer().summary(), "200");
}

#[test]
fn no_call_is_lost_while_files_change() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = |number: usize| {
        let routes = "access: public\nroutes:\n  - \"* /**\": {}\n";
        let more: String = (0..number).map(|route| format!("  - GET /r{route}: {{}}\n")).collect();
        shop_yaml(&upstream.url(), &(routes.to_owned() + more.trim_end()))
    };
    let gate = TestGate::start(&yaml(0));
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // The bound lets a failure end the test instead of hanging it.
                while !over.load(Ordering::Relaxed) && started.elapsed() < 3 * PATIENCE {
                    assert_eq!(gate.call("GET /shop/a").send().summary(), "200");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 1..=5 {
            gate.write(&yaml(number));
            wait_for("the file", || gate.said().matches("taken over").count() >= number);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(calls.load(Ordering::Relaxed) > 10);
}

#[test]
fn what_needs_a_restart_is_said() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    gate.write(&shop_yaml(&upstream.url(), "access: public").replace("workers: 2", "workers: 1"));
    wait_for("word of the restart", || gate.said().contains("restart") && gate.said().contains("workers"));
    check(&gate.call("GET /shop/a"), "200");
}
