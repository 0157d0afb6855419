//! One reload after the other, each of everything at once, under load: no call is lost, and nothing of an old
//! configuration stays.
//!
//! 250 reloads, or as many as `CALLGATE_RELOADS` says: the thousand of the promise take some ten seconds.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use callgate_testkit::{Authority, Call, RawClient, ScriptedUpstream, Signal, TestGate, reply, wait_for};

use crate::setup::{api, check, gate_yaml};

/// What changes with each reload: which upstream answers, how many routes there are, a plan, a limit, a certificate.
fn yaml(number: usize, upstreams: &[String; 2]) -> String {
    let mut top = "health: 127.0.0.1:0\nlisten:\n  - { address: 127.0.0.1:0 }\n".to_owned();
    let certificate = number % 2;
    writeln!(
        top,
        "  - {{ address: 127.0.0.1:0, tls: {{ certificate: c{certificate}.pem, key: c{certificate}.key }} }}"
    )
    .unwrap();
    writeln!(
        top,
        "plans: {{ free: {{ limits: [{}/s burst 100000] }}, slow: {{ limits: [few: 3/h] }} }}",
        50_000 + number
    )
    .unwrap();
    let routes: String = (0..number % 40).map(|route| format!("\n  - GET /r{route}: {{}}")).collect();
    let lines = format!("limits: [{}/s per ip]\nroutes:\n  - \"* /**\": {{}}{routes}", 100_000 + number);
    gate_yaml(&top, &api("shop", &upstreams[number / 2 % 2], &lines))
}

/// `POST /v1/reload` on the admin socket, which answers when the file was taken over.
fn reload(gate: &TestGate) {
    let mut socket = UnixStream::connect(gate.folder().join("callgate-data/admin/sock")).unwrap();
    socket.write_all(b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn gauge(gate: &TestGate, name: &str) -> usize {
    let metrics = Call::new(gate.health(), "GET /metrics").send().text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

fn resident_kib(gate: &mut TestGate) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.program().id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().to_owned();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn everything_changes_again_and_again_and_no_call_is_lost() {
    let reloads = std::env::var("CALLGATE_RELOADS").map_or(250, |number| number.parse().unwrap());
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    for name in ["c0", "c1"] {
        authority.certificate(&[&format!("{name}.example.com"), "any.example.com"]).write(folder.path(), name);
    }
    let go = Signal::new();
    let told = go.clone();
    let script = move |connection: &mut callgate_testkit::Connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/slow" {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nslow");
                told.wait();
                connection.send("slow");
            } else {
                connection.send(reply("200 OK", "ok"));
            }
        }
    };
    let upstreams = [ScriptedUpstream::start(script.clone()), ScriptedUpstream::start(script)];
    let urls = [upstreams[0].url(), upstreams[1].url()];
    let mut gate = TestGate::start_in(folder, &yaml(0, &urls));
    gate.consumer_on("ada", "free");
    gate.consumer_on("bob", "slow");
    let (key, slow) = (gate.key("ada", &[]), gate.key("bob", &[]));
    for _ in 0..3 {
        check(&gate.call("GET /shop/a").key(&slow), "200");
    }
    check(&gate.call("GET /shop/a").key(&slow), "429 rate_limited");

    // A call that began before all of this, and holds its configuration.
    let mut held = gate.call("GET /shop/slow").key(&key).open();
    held.read_through(b"slow");
    let (over, plain, secure) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let call = gate.call("GET /shop/a").key(&key).bytes();
    let (address, tls) = (gate.addresses()[0], gate.addresses()[1]);
    let mut settled_kib = 0;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = RawClient::connect(address);
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(client.send(&call).answer().summary(), "200");
                    plain.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut client = RawClient::connect_tls(tls, "any.example.com", &authority);
                assert_eq!(client.send(&call).answer().summary(), "200");
                secure.fetch_add(1, Ordering::Relaxed);
            }
        });
        for number in 1..=reloads {
            gate.write(&yaml(number, &urls));
            reload(&gate);
            if number == reloads / 2 {
                settled_kib = resident_kib(&mut gate);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let grown_kib = resident_kib(&mut gate).saturating_sub(settled_kib);
    println!(
        "{reloads} reloads, {plain:?} calls and {secure:?} over TLS; {settled_kib} KiB, then {grown_kib} KiB more"
    );
    assert!(grown_kib < 6 * 1024, "{grown_kib} KiB more after {} reloads, of {settled_kib} KiB", reloads / 2);
    assert!(plain.into_inner() > reloads && secure.into_inner() > 10);
    assert!(upstreams.iter().all(|upstream| upstream.count() > reloads / 4), "both upstreams were called");

    // The limit that no reload changed is as it was, and its plan is not the one that changed.
    check(&gate.call("GET /shop/a").key(&slow), "429 rate_limited");
    // One configuration for new calls, one that each of two workers saw last, and none or one of the held call.
    let snapshots = gauge(&gate, "callgate_configurations");
    assert!((1..=4).contains(&snapshots), "{snapshots} configurations are in memory");
    go.raise();
    assert_eq!(held.read_exactly(4), b"slow");
    for name in [format!("c{}.example.com", reloads % 2), "any.example.com".to_owned()] {
        assert!(RawClient::try_connect_tls(tls, &name, &authority).is_ok(), "{name}");
    }
    // Each worker lets go of what it saw last with its next call.
    wait_for("old configurations to go", || {
        for _ in 0..8 {
            check(&gate.call("GET /shop/a").key(&key), "200");
        }
        gauge(&gate, "callgate_configurations") == 1
    });
}
