//! Servers that may have only so many connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callgate_testkit::{Nginx, ScriptedUpstream, TestGate, reply, tools, wait_for};

use crate::setup::{answering_when, api, check, check_problem, gate_yaml};

const BUSY: &str = "503 upstream_busy";

fn yaml(upstream: &str, lines: &str) -> String {
    gate_yaml("health: 127.0.0.1:0\n", &api("shop", upstream, &format!("access: public\n{lines}")))
}

/// A server with so many connections, kept for a minute.
fn bounded(upstream: &ScriptedUpstream, max: usize) -> String {
    format!("{{ server: \"{}\", idle: 60s, max_connections: {max} }}", upstream.url())
}

#[test]
fn a_burst_passes_in_turns() {
    let (active, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let upstream = ScriptedUpstream::start(move |connection| {
        while connection.request().is_some() {
            seen.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            active.fetch_sub(1, Ordering::SeqCst);
            connection.send(reply("200 OK", "ok"));
        }
    });
    let gate = TestGate::start(&yaml(&bounded(&upstream, 3), ""));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..10 {
                    check(&gate.call("GET /shop/a"), "200");
                }
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3, "as many as there may be, and no more");
    assert_eq!(upstream.count(), 120);
}

#[test]
fn a_call_without_room_is_refused_after_a_moment_and_the_next_one_passes() {
    let go = callgate_testkit::Signal::new();
    let upstream = answering_when(&go);
    let gate = TestGate::start(&yaml(&bounded(&upstream, 1), ""));
    let mut held = gate.call("GET /shop/a").open();
    wait_for("the call at the upstream", || upstream.count() == 1);
    let began = Instant::now();
    let refused = check(&gate.call("POST /shop/a").body("text/plain", "pay 10"), BUSY);
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    check_problem(&refused);
    assert_eq!(refused.field("retry-after"), Some("1"), "{refused}");
    let told = gate.run(&["explain", &refused.call_id()]).expect_success().stdout;
    assert!(told.contains("apis.shop.upstream.max_connections") && told.contains("all 1 are in use"), "{told}");

    // What is counted outlives a reload; a call that waits hears of what the server can take.
    gate.write(&yaml(&bounded(&upstream, 1), "timeout: 20s"));
    wait_for("the file", || gate.said().contains("taken over"));
    check(&gate.call("GET /shop/a"), BUSY);
    let metrics = || tools::curl(&[&format!("http://{}/metrics", gate.health())]).stdout;
    let label = format!("{{api=\"shop\",server=\"{}\"}}", upstream.address());
    let now = metrics();
    for line in [
        format!("callgate_upstream_connections{label} 1"),
        format!("callgate_upstream_connections_max{label} 1"),
        format!("callgate_upstream_calls_waiting{label} 0"),
    ] {
        assert!(now.contains(&line), "{line}: {now}");
    }
    let mut waits = gate.call("GET /shop/a").open();
    wait_for("a call that waits", || metrics().contains(&format!("callgate_upstream_calls_waiting{label} 1")));
    go.raise();
    assert_eq!(held.answer().summary(), "200");
    assert_eq!(waits.answer().summary(), "200");
    assert_eq!(upstream.count(), 2, "what was refused never left");
}

#[test]
fn a_connection_without_a_call_is_given_up_for_a_call_on_another_worker() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = TestGate::start(&yaml(&bounded(&upstream, 1), "").replace("workers: 2", "workers: 4"));
    let began = Instant::now();
    // Each over a connection of its own, so on whichever worker is free.
    let clients: Vec<_> = (0..8).map(|_| gate.call("GET /shop/a").open()).collect();
    for mut client in clients {
        assert_eq!(client.answer().summary(), "200");
    }
    for _ in 0..40 {
        check(&gate.call("GET /shop/a"), "200");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn calls_that_callers_give_up_leave_no_connection_behind() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/wait" {
                connection.hold();
            }
            connection.send(reply("200 OK", "ok"));
        }
    });
    let gate = TestGate::start(&yaml(&bounded(&upstream, 2), ""));
    for round in 1..=10 {
        let held: Vec<_> = (0..2).map(|_| gate.call("GET /shop/wait").open()).collect();
        wait_for("both at the upstream", || {
            upstream.received().iter().filter(|one| one.target() == "/wait").count() == 2 * round
        });
        // One that waits for them is given up too.
        let waits = gate.call("GET /shop/a").open();
        waits.reset();
        for client in held {
            client.reset();
        }
        check(&gate.call("GET /shop/a"), "200");
    }
}

#[test]
fn of_several_servers_another_one_is_asked() {
    let go = callgate_testkit::Signal::new();
    let (slow, fast) = (answering_when(&go), ScriptedUpstream::answering("ok"));
    let servers = format!("{{ servers: [\"{}\", \"{}\"], max_connections: 1 }}", slow.url(), fast.url());
    let gate = TestGate::start(&yaml(&servers, ""));
    let mut held = Vec::new();
    while slow.count() == 0 {
        let count = fast.count();
        held.push(gate.call("GET /shop/a").open());
        wait_for("the call at a server", || fast.count() > count || slow.count() > 0);
    }
    for _ in 0..5 {
        check(&gate.call("POST /shop/a"), "200");
    }
    go.raise();
    for mut client in held {
        assert_eq!(client.answer().summary(), "200");
    }
}

#[test]
fn calls_over_http_2_share_what_there_may_be() {
    let nginx = Nginx::start("listen 127.0.0.1:PORT http2; location / { return 200 $connection; }");
    let upstream = format!("{{ server: \"http://{}\", protocol: http2, max_connections: 2 }}", nginx.address());
    let gate = TestGate::start(&yaml(&upstream, ""));
    let said = tools::h2load(&["-n", "1000", "-c", "8", "-m", "20", &format!("{}/shop/a", gate.url())]);
    assert!(said.stdout.contains("1000 succeeded, 0 failed, 0 errored"), "{said:?}");
    assert!(said.stdout.contains("status codes: 1000 2xx"), "{said:?}");
    let mut seen: Vec<_> = (0..20).map(|_| check(&gate.call("GET /shop/a"), "200").text()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() <= 2, "{seen:?}");
}
