//! `callgate serve --upgrade`: a new process takes the place of the one that serves, and nobody who calls notices.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Instant;

use callgate_testkit::{Call, Output, RawClient, ScriptedUpstream, TestGate, binary, wait_for};

use crate::callers::Callers;
use crate::setup::{api, check, gate_yaml, shop, shop_with, shop_yaml};

/// `serve --upgrade` that should not come up, behind a line of shell.
fn fails_to_upgrade(gate: &TestGate, wrapper: &str) -> Output {
    let line = format!("{wrapper}exec \"$0\" serve --upgrade -c callgate.yaml");
    Output::of(Command::new("bash").args(["-c", &line]).arg(binary()).current_dir(gate.folder()), b"")
}

#[test]
fn upgrades_under_load_lose_no_call_and_keep_every_count() {
    let upgrades: usize = std::env::var("CALLGATE_UPGRADES").map_or(8, |number| number.parse().unwrap());
    let upstream = ScriptedUpstream::answering("ok");
    let top = "health: 127.0.0.1:0\nplans:\n  counted: { quota: 300/day }\n  slow: { limits: [few: 20/h] }\n  free: {}";
    let mut gate = shop_with(&upstream, top, "access: key");
    for plan in ["counted", "slow", "free"] {
        gate.consumer_on(plan, plan);
    }
    let [counted, slow, free] = ["counted", "slow", "free"].map(|plan| gate.key(plan, &[]));
    let (address, health) = (gate.address(), gate.health());
    let callers = Callers::start(6, &gate.call("GET /shop/a").key(&free), address);
    let ready = Callers::start(1, &Call::new(health, "GET /readyz"), health);
    let (mut spent, mut let_through, mut old) = (0, 0, Vec::new());
    for number in 0..upgrades {
        callers.make(50);
        for _ in 0..20 {
            spent += usize::from(gate.call("GET /shop/a").key(&counted).send().status == 200);
        }
        for _ in 0..25 {
            let_through += usize::from(gate.call("GET /shop/a").key(&slow).send().status == 200);
        }
        old.push(gate.upgrade());
        assert_eq!((gate.address(), gate.health()), (address, health), "the ports that were free at first");
        gate.consumer(&format!("made-after-{number}"));
    }
    callers.make(50);
    let ready = ready.end();
    assert_eq!(ready.failed, Vec::<String>::new(), "a balancer never saw the gate as not ready");
    let told = callers.end();
    assert_eq!((told.failed, told.found_nobody, told.limited), (Vec::new(), 0, 0));
    for mut program in old {
        assert_eq!(program.wait().code(), Some(0), "{}", program.lines().join("\n"));
    }
    // A new process begins with full limits: one burst an upgrade, and not more.
    assert!(let_through <= 20 * upgrades, "{let_through} of a limit of 20 an hour came through {upgrades} upgrades");
    // A quota is on the disk: whatever the old ones did not spend they have given back, and nothing was given twice.
    for _ in 0..300 {
        spent += usize::from(gate.call("GET /shop/a").key(&counted).send().status == 200);
    }
    assert_eq!(spent, 300, "calls on a quota of 300");
    let verdict = gate.run(&["audit", "verify"]).expect_success();
    println!("{upgrades} upgrades, {} calls, {verdict}", told.answered);
    check(&gate.call("GET /shop/a").key(&free), "200");
}

#[test]
fn the_old_process_hears_of_what_the_new_one_does() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop(&upstream, "access: key");
    let (good, bad) = (gate.new_key("good"), gate.new_key("bad"));
    let mut kept = [&good, &bad, &bad].map(|key| {
        let mut client = gate.call("GET /shop/a").key(key).open();
        assert_eq!(client.answer().summary(), "200");
        client
    });
    // Two upgrades: the first process hears through the second.
    let mut first = gate.upgrade();
    let mut second = gate.upgrade();
    gate.revoke(&bad);
    let late = gate.new_key("late");
    for (client, key, expect) in [(0, &late, "200"), (1, &bad, "401 credential_revoked")] {
        kept[client].send(gate.call("GET /shop/a").key(key).bytes());
        let answer = kept[client].answer();
        assert_eq!((answer.summary().as_str(), answer.field("connection")), (expect, Some("close")));
    }
    assert!(first.is_running(), "it leaves a silent connection its time");
    let _ = gate.run(&["consumers", "remove", "bad"]).expect_success();
    kept[2].send(gate.call("GET /shop/a").key(&bad).bytes());
    assert_eq!(kept[2].answer().status, 401);
    assert_eq!(first.wait().code(), Some(0));
    assert_eq!(second.wait().code(), Some(0));
    check(&gate.call("GET /shop/a").key(&good), "200");
}

#[test]
fn a_prober_that_keeps_its_connection_is_led_to_the_new_process() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop_with(&upstream, "health: 127.0.0.1:0", "access: public");
    let ask = Call::new(gate.health(), "GET /readyz");
    let mut prober = ask.open();
    assert_eq!(prober.answer().status, 200);
    let mut old = gate.upgrade();
    // Nobody else holds the old process back.
    wait_for("word that connections end", || old.lines().iter().any(|line| line.contains("ends with its next answer")));
    assert!(old.is_running());
    let answer = prober.send(ask.bytes()).answer();
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert_eq!(old.wait().code(), Some(0));
}

#[test]
fn a_new_process_that_fails_leaves_the_old_one_as_it_was() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = shop_yaml(&upstream.url(), "access: key");
    let mut gate = TestGate::start(&yaml);
    let key = gate.new_key("ada");
    let mut kept = RawClient::connect(gate.address());
    gate.write(&shop_yaml(&upstream.url(), "acess: key"));
    let mistaken = fails_to_upgrade(&gate, "");
    assert!(mistaken.code == Some(1) && mistaken.stderr.contains("acess"), "{mistaken}");
    gate.write(&yaml);
    // It may write nothing at all: the system ends it when it first does, which is after the old one has paused its acts.
    let killed = fails_to_upgrade(&gate, "ulimit -f 0; ");
    assert_ne!(killed.code, Some(0), "{killed}");
    wait_for("word of it", || gate.said().contains("was not handed over, and goes on"));
    assert_eq!(kept.send(gate.call("GET /shop/a").key(&key).bytes()).answer().summary(), "200");
    let later = gate.new_key("made-later");
    check(&gate.call("GET /shop/a").key(&later), "200");
    let mut old = gate.upgrade();
    drop(kept);
    assert_eq!(old.wait().code(), Some(0));
    check(&gate.call("GET /shop/a").key(&later), "200");
}

#[test]
fn a_file_that_changes_while_the_new_process_starts_is_taken_over() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop(&upstream, "access: public");
    let socket = gate.folder().canonicalize().unwrap().join("callgate-data/admin/sock").display().to_string();
    let on_it =
        || std::fs::read_to_string("/proc/net/unix").unwrap().lines().filter(|line| line.ends_with(&socket)).count();
    assert_eq!(on_it(), 1, "the old process listens");
    let (running, gate_now) = (gate.id().to_string(), &gate);
    let signal = |name: &str| Output::of(Command::new("kill").args([name, &running]), b"").expect_success();
    let _stopped = signal("-STOP");
    let successor = std::thread::scope(|scope| {
        let successor = scope.spawn(|| gate_now.successor());
        // It asks when it has read its configuration, and has no answer yet.
        wait_for("the new process to ask", || on_it() == 2);
        gate_now.write(&gate_yaml("", &api("bank", &upstream.url(), "access: public")));
        let _goes_on = signal("-CONT");
        successor.join().unwrap().unwrap()
    });
    let mut old = gate.succeeded_by(successor);
    wait_for("the changed file", || gate.call("GET /bank/a").send().status == 200);
    assert_eq!(old.wait().code(), Some(0));
}

#[test]
fn one_upgrade_at_a_time() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop(&upstream, "access: public");
    let mut first = UnixStream::connect(gate.folder().join("callgate-data/admin/sock")).unwrap();
    let ask = |protocol: &str| {
        format!("POST /v1/upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n")
    };
    first.write_all(ask("callgate-upgrade-1").as_bytes()).unwrap();
    let mut status = [0; 12];
    first.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    let second = fails_to_upgrade(&gate, "");
    assert!(second.code == Some(1) && second.stderr.contains("being handed over already"), "{second}");
    drop(first);
    wait_for("word of the first one's end", || gate.said().contains("was not handed over"));
    let mut old = gate.upgrade();
    assert_eq!(old.wait().code(), Some(0));
    assert_eq!(gate.terminate(), Some(0));
    let third = fails_to_upgrade(&gate, "");
    assert!(third.code == Some(1) && third.stderr.contains("no gate is running"), "{third}");
}

#[test]
fn the_new_process_listens_where_its_configuration_says() {
    let upstream = ScriptedUpstream::answering("ok");
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let later = held.local_addr().unwrap();
    let yaml =
        |listen: &str| gate_yaml(&format!("listen: [{listen}]\n"), &api("shop", &upstream.url(), "access: public"));
    let mut gate = TestGate::start(&yaml("{ address: 127.0.0.1:0 }, { address: \"[::1]:0\" }"));
    let (stays, goes) = (gate.addresses()[0], gate.addresses()[1]);
    gate.write(&yaml(&format!("{{ address: 127.0.0.1:0 }}, {{ address: \"{later}\" }}")));
    let refused = fails_to_upgrade(&gate, "");
    assert!(
        refused.stderr.contains(&later.to_string()),
        "an address in use is said before anything changes: {refused}"
    );
    drop(held);
    let began = Instant::now();
    let mut old = gate.upgrade();
    assert_eq!(gate.addresses(), [stays, later]);
    assert_eq!(old.wait().code(), Some(0));
    println!("taken over and ended within {:?}", began.elapsed());
    for address in [stays, later] {
        check(&Call::new(address, "GET /shop/a"), "200");
    }
    assert!(RawClient::try_connect(goes).is_err(), "nobody listens there any more");
}
