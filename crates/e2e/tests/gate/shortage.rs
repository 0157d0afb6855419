//! What the gate needs from its machine runs out: memory, file descriptors. New work hears 503, what is under way goes on,
//! and whoever looks for the reason is answered.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use callgate_testkit::{Call, RawClient, ScriptedUpstream, Signal, TestGate, wait_for};

use crate::setup::{answering_when, api, check, check_problem, gate_yaml};

const MIB: usize = 1 << 20;

#[track_caller]
fn metric(health: SocketAddr, name: &str) -> f64 {
    let page = Call::new(health, "GET /metrics").send().text();
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{page}"))
}

/// A call whose body the gate holds whole, but for its last byte.
fn held(gate: &TestGate, bytes: usize) -> RawClient {
    let mut client = RawClient::connect(gate.address());
    let head = format!(
        "POST /shop/a HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n\"",
        bytes + 2
    );
    client.send(head).send("a".repeat(bytes));
    client
}

#[test]
fn past_its_memory_bound_new_calls_are_refused_and_the_rest_goes_on() {
    let upstream = ScriptedUpstream::answering("ok");
    let lines = "access: public\nbody_max: 16MiB\nroutes: [POST /a: { well_formed: true }, GET /b: {}]";
    let top = "memory: 128MiB\nhealth: 127.0.0.1:0\n";
    let gate = TestGate::start(&gate_yaml(top, &api("shop", &upstream.url(), lines)));
    check(&gate.call("GET /shop/b"), "200");
    let mut uploads = Vec::new();
    wait_for("the bound to be reached", || {
        uploads.push(held(&gate, 4 * MIB));
        metric(gate.health(), "callgate_memory_bytes") > metric(gate.health(), "callgate_memory_max_bytes")
    });
    wait_for("a call to be refused", || gate.call("GET /shop/b").send().status == 503);
    let refused = check(&gate.call("GET /shop/b"), "503 overloaded");
    assert_eq!(check_problem(&refused)["retry_after"], 1);
    assert_eq!(refused.field("retry-after"), Some("1"));
    assert_eq!(gate.record(&refused.call_id())["url.path"], "/shop/b", "its record says what was shed");
    let told = gate.run(&["explain", &refused.call_id()]).expect_success().stdout;
    assert!(told.contains("128 MiB may be"), "{told}");
    // Health and administration answer meanwhile.
    assert_eq!(Call::new(gate.health(), "GET /readyz").send().status, 200);
    gate.consumer("ada");
    // What was under way ends well, and makes room.
    let ends: Vec<String> = uploads.iter_mut().map(|upload| upload.send("\"").answer().summary()).collect();
    let passed = ends.iter().take_while(|end| *end == "200").count();
    assert!(passed > 8 && ends[passed..].iter().all(|end| end == "503 overloaded"), "{ends:?}");
    drop(uploads);
    wait_for("calls to be taken again", || gate.call("GET /shop/b").send().status == 200);
    assert!(gate.said().contains("new calls hear 503"), "{}", gate.said());
    wait_for("word of the room", || gate.said().contains("room in memory again"));
}

/// What the allocator keeps of freed memory is counted, and it lets go of it at work alone: a gate that took no call until then
/// would never take one again.
#[test]
fn a_gate_at_rest_takes_calls_whatever_is_counted() {
    let upstream = ScriptedUpstream::answering("ok");
    let lines = "access: public\nbody_max: 16MiB\nroutes: [POST /a: { well_formed: true }, GET /b: {}]";
    let top = "memory: 64MiB\nhealth: 127.0.0.1:0\n";
    let gate = TestGate::start(&gate_yaml(top, &api("shop", &upstream.url(), lines)));
    let uploads: Vec<RawClient> = (0..12).map(|_| held(&gate, 11 * MIB)).collect();
    wait_for("a call to be refused", || gate.call("GET /shop/b").send().status == 503);
    drop(uploads);
    wait_for("calls to be taken again", || gate.call("GET /shop/b").send().status == 200);
}

#[test]
fn a_bound_that_a_reload_takes_away_is_gone() {
    let upstream = ScriptedUpstream::answering("ok");
    let lines = "access: public\nbody_max: 16MiB\nroutes: [POST /a: { well_formed: true }, GET /b: {}]";
    let yaml = |memory: &str| gate_yaml(&format!("memory: {memory}"), &api("shop", &upstream.url(), lines));
    let gate = TestGate::start(&yaml("64MiB"));
    let _uploads: Vec<RawClient> = (0..8).map(|_| held(&gate, 12 * MIB)).collect();
    wait_for("a call to be refused", || gate.call("GET /shop/b").send().status == 503);
    gate.write(&yaml("off"));
    wait_for("calls to be taken again", || gate.call("GET /shop/b").send().status == 200);
}

#[test]
fn connections_are_bounded_by_the_limit_of_open_files() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = gate_yaml("health: 127.0.0.1:0", &api("shop", &upstream.url(), "access: public"));
    // 192 for the gate, 2 for each of 20.
    let gate = TestGate::start_after("ulimit -n 232", &yaml);
    assert_eq!(metric(gate.health(), "callgate_connections_max"), 20.0);
    let mut open: Vec<RawClient> = (0..20).map(|_| gate.call("GET /shop/a").open()).collect();
    for client in &mut open {
        assert_eq!(client.answer().status, 200);
    }
    check(&gate.call("GET /shop/a"), "503 overloaded");
    // Those that are open go on, and so do health and administration.
    let first = open.first_mut().unwrap();
    assert_eq!(first.send(gate.call("GET /shop/a").bytes()).answer().status, 200);
    assert!(metric(gate.health(), "callgate_connections_refused_total{bound=\"all\"}") >= 1.0);
    gate.consumer("ada");
    drop(open);
    wait_for("a new connection", || gate.call("GET /shop/a").send().status == 200);
}

#[test]
fn without_a_descriptor_for_its_upstream_a_call_hears_503_and_the_others_end_well() {
    let go = Signal::new();
    let upstream = answering_when(&go);
    let yaml = gate_yaml("health: 127.0.0.1:0", &api("shop", &upstream.url(), "access: public"));
    let mut gate = TestGate::start(&yaml);
    let id = gate.program().id();
    // The fewest that it has in a while: just after its start, files are open that it soon closes.
    let looks = (0..50).map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
    });
    let own = looks.min().unwrap();
    drop(gate);
    // Room for 12 connections and 6 more, beside what a gate needs for itself.
    let mut gate = TestGate::start_after(&format!("ulimit -n {}", own + 18), &yaml);
    let (heard, hears) = mpsc::channel();
    let mut answers: Vec<String> = std::thread::scope(|scope| {
        for _ in 0..12 {
            let (call, heard) = (gate.call("GET /shop/a"), heard.clone());
            scope.spawn(move || heard.send(call.send().summary()).unwrap());
        }
        // The upstream answers nobody yet.
        let first = hears.recv().unwrap();
        assert_eq!(first, "503 overloaded");
        go.raise();
        std::iter::once(first).chain(hears.iter().take(11)).collect()
    });
    answers.sort();
    assert_eq!((answers[0].as_str(), answers[11].as_str()), ("200", "503 overloaded"), "{answers:?}");
    assert!(answers.iter().all(|answer| ["200", "503 overloaded"].contains(&answer.as_str())), "{answers:?}");
    wait_for("calls to pass again", || gate.call("GET /shop/a").send().status == 200);
    assert!(gate.program().is_running());
}
