//! A changed file is taken over at once, wholly or not at all, without losing a call.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use callgate_testkit::{Call, PATIENCE, ScriptedUpstream, Signal, TestGate, reply, wait_for};

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

/// Opening a pipe waits for its other end: it must hold up neither the reload after it nor the end of the gate.
#[test]
fn a_pipe_in_the_place_of_the_file_is_refused_and_a_file_again_is_taken() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    let (file, kept) = (gate.folder().join("callgate.yaml"), gate.folder().join("kept.yaml"));
    std::fs::write(&kept, gate_yaml("", &api("bank", &upstream.url(), "access: public"))).unwrap();
    std::fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    wait_for("word of the pipe", || gate.said().contains("is not a regular file"));
    // Whoever asks for a reload is not kept waiting either.
    let asked = gate.run(&["reload"]);
    assert!(asked.code == Some(1) && asked.stderr.contains("it is a pipe that nobody writes to"), "{asked}");
    check(&gate.call("GET /shop/a"), "200");
    std::fs::rename(&kept, &file).unwrap();
    wait_for("the new file", || gate.call("GET /bank/a").send().status == 200);
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
fn a_change_is_one_reload_whatever_it_names_and_whoever_asks() {
    let upstream = ScriptedUpstream::answering("ok");
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two", "three"] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    let yaml = |token: &str| {
        let header = format!("access: public\nheaders: {{ request: {{ set: {{ X-Token: \"file:{token}\" }} }} }}");
        gate_yaml("health: 127.0.0.1:0", &api("shop", &upstream.url(), &header))
    };
    let gate = TestGate::start_in(folder, &yaml("one"));
    let generation = || {
        let page = Call::new(gate.health(), "GET /metrics").send().text();
        let line = page.lines().find_map(|line| line.strip_prefix("callgate_config_generation "));
        line.map(str::to_owned).unwrap()
    };
    let token_is = |token: &str| {
        gate.call("GET /shop/a").send();
        upstream.last().field("x-token") == Some(token)
    };
    gate.write(&yaml("two"));
    wait_for("the file behind the new name", || token_is("two"));
    gate.write(&yaml("three"));
    let _ = gate.run(&["reload"]).expect_success();
    assert!(token_is("three"));
    // That nothing more happens can only be waited for: twice as long as a change takes to be noticed.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(generation(), "3");
    std::fs::write(gate.folder().join("three"), "four").unwrap();
    wait_for("the changed file behind it", || token_is("four"));
    // Calls are judged by it a moment before it is counted.
    wait_for("its number", || generation() != "3");
    assert_eq!(generation(), "4");
}

#[test]
fn a_file_that_only_a_mistake_names_is_waited_for() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public");
    let lines = "access: public\nheaders: { request: { set: { X-Token: \"file:later\" } } }";
    gate.write(&shop_yaml(&upstream.url(), lines));
    wait_for("word of the mistake", || gate.said().contains("later") && gate.said().contains("not taken over"));
    std::fs::write(gate.folder().join("later"), "here").unwrap();
    wait_for("the file that was missing", || {
        gate.call("GET /shop/a").send();
        upstream.last().field("x-token") == Some("here")
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
