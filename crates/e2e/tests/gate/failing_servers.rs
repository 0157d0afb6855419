//! Servers that fail, one of several or all of them: what is repeated, who is left out, and how they come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callgate_testkit::{Answer, ScriptedUpstream, Signal, TestGate, reply, wait_for};
use serde_json::Value;

use crate::setup::{check, check_problem, shop_yaml};

/// A gate before these.
#[track_caller]
fn gate_before(urls: &[String]) -> TestGate {
    let list: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    TestGate::start(&shop_yaml(&format!("{{ servers: [{}] }}", list.join(", ")), "access: public"))
}

/// A server that reads each request and closes instead of answering.
fn closing() -> ScriptedUpstream {
    ScriptedUpstream::start(|connection| {
        connection.request();
    })
}

/// A server that answers each connection once: nothing of it is left when it is gone.
fn answering_once() -> ScriptedUpstream {
    ScriptedUpstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    })
}

/// A server that closes instead of answering `/break`, and answers everything else.
fn breakable() -> ScriptedUpstream {
    ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/break" {
                return;
            }
            connection.send(reply("200 OK", "ok"));
        }
    })
}

fn nobody() -> String {
    format!("http://{}", ScriptedUpstream::nobody())
}

#[test]
fn a_server_that_refuses_connections_is_noticed_by_no_caller() {
    let (one, two) = (ScriptedUpstream::answering("ok"), ScriptedUpstream::answering("ok"));
    let gate = gate_before(&[one.url(), nobody(), two.url()]);
    let mut client = gate.call("GET /shop/a").open();
    let _ = client.answer();
    for number in 0..200 {
        // Of a call whose server took no connection, nothing has left: it may be repeated whatever it asks for.
        let call = match number % 2 {
            0 => gate.call("GET /shop/a"),
            _ => gate.call("POST /shop/a").body("text/plain", "pay 10"),
        };
        client.send(call.bytes());
        let answer = client.answer();
        assert_eq!(answer.summary(), "200", "call {number}: {answer}");
    }
    assert_eq!(one.count() + two.count(), 201);
    assert!(two.received().iter().any(|request| request.body == b"pay 10"), "bodies come whole");
    wait_for("word of it", || gate.said().contains("a server is left out: no connection to it came about"));
}

#[test]
fn what_a_server_may_have_done_is_repeated_only_where_that_is_safe() {
    let servers = [breakable(), breakable(), breakable()];
    let asked = || servers.iter().map(ScriptedUpstream::count).sum::<usize>();
    let gate = gate_before(&[servers[0].url(), servers[1].url(), servers[2].url()]);
    // What pays for repeats.
    for _ in 0..10 {
        check(&gate.call("GET /shop/a"), "200");
    }
    check(&gate.call("POST /shop/break").body("text/plain", "pay 10"), "502 upstream_unreachable");
    check(&gate.call("POST /shop/break"), "502 upstream_unreachable");
    check(&gate.call("PUT /shop/break").body("text/plain", "1"), "502 upstream_unreachable");
    assert_eq!(asked(), 13, "each was sent once");
    let refused = check(&gate.call("GET /shop/break"), "502 upstream_unreachable");
    assert_eq!(asked(), 16, "a GET was sent to every server");
    assert_eq!(gate.record(&refused.call_id())["callgate.upstream.attempts"], 3);
}

#[test]
fn load_never_grows_by_more_than_a_fifth() {
    let servers: Vec<_> = (0..4).map(|_| closing()).collect();
    let gate = gate_before(&servers.iter().map(ScriptedUpstream::url).collect::<Vec<_>>());
    let asked = || servers.iter().map(ScriptedUpstream::count).sum::<usize>();
    const CALLS: usize = 200;
    for calls in 1..=CALLS {
        check(&gate.call("GET /shop/a"), "502 upstream_unreachable");
        assert!(asked() * 5 <= calls * 6, "{calls} calls, and the servers had {}", asked());
    }
    let repeats = asked() - CALLS;
    assert!(repeats >= CALLS / 10, "{repeats} repeats of {CALLS} calls");
}

/// One of five is out altogether: it reads what it gets and closes. Whatever that costs, it is no fifth more.
#[test]
fn an_outage_of_one_server_is_no_load_for_the_others() {
    let out = closing();
    let others: Vec<_> = (0..4).map(|_| ScriptedUpstream::answering("ok")).collect();
    let urls = others.iter().chain([&out]).map(ScriptedUpstream::url).collect::<Vec<_>>();
    let gate = gate_before(&urls);
    let asked = || others.iter().chain([&out]).map(ScriptedUpstream::count).sum::<usize>();
    let mut failed = 0;
    for calls in 1..=300 {
        failed += usize::from(gate.call("GET /shop/a").send().status != 200);
        assert!(asked() * 5 <= calls * 6, "{calls} calls, and the servers had {}", asked());
    }
    // At the very beginning nothing is saved up.
    assert!(failed <= 5, "{failed} failed");
    assert!(out.count() > 0);
}

/// One caller's call breaks whichever server it meets. The others' calls go on.
#[test]
fn a_call_that_breaks_servers_does_not_take_the_api_down() {
    let servers = [breakable(), breakable()];
    let gate = gate_before(&[servers[0].url(), servers[1].url()]);
    for _ in 0..40 {
        check(&gate.call("POST /shop/break"), "502 upstream_unreachable");
    }
    for _ in 0..20 {
        check(&gate.call("GET /shop/a"), "200");
    }
}

/// One of three closes half of the time, in the middle of calls. Only what must not be repeated may fail.
#[test]
fn one_of_three_flaps_under_load() {
    let broken = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&broken);
    let flapping = ScriptedUpstream::start(move |connection| {
        while connection.request().is_some() {
            if told.load(Ordering::Relaxed) {
                return;
            }
            connection.send(reply("200 OK", "ok"));
        }
    });
    let (one, two) = (ScriptedUpstream::answering("ok"), ScriptedUpstream::answering("ok"));
    let gate = gate_before(&[flapping.url(), one.url(), two.url()]);
    let over = AtomicBool::new(false);
    let (safe, unsafe_failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (gate, over, safe, unsafe_failed) = (&gate, &over, &safe, &unsafe_failed);
            scope.spawn(move || {
                let mut client = gate.call("GET /shop/a").open();
                let _ = client.answer();
                while !over.load(Ordering::Relaxed) {
                    let call = if number < 4 { gate.call("GET /shop/a") } else { gate.call("POST /shop/a") };
                    client.send(call.bytes());
                    let answer = client.answer();
                    if number < 4 {
                        assert_eq!(answer.summary(), "200", "a GET can be repeated: {answer}");
                        safe.fetch_add(1, Ordering::Relaxed);
                    } else if answer.status != 200 {
                        assert_eq!(answer.summary(), "502 upstream_unreachable", "{answer}");
                        unsafe_failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for _ in 0..3 {
            let (calls, asked) = (safe.load(Ordering::Relaxed), flapping.count());
            wait_for("calls while it answers", || {
                safe.load(Ordering::Relaxed) > calls + 300 && flapping.count() > asked + 20
            });
            broken.store(true, Ordering::Relaxed);
            let calls = safe.load(Ordering::Relaxed);
            wait_for("calls while it breaks", || safe.load(Ordering::Relaxed) > calls + 300);
            broken.store(false, Ordering::Relaxed);
        }
        over.store(true, Ordering::Relaxed);
    });
    // It was left out each time after a handful.
    let failed = unsafe_failed.load(Ordering::Relaxed);
    assert!(failed < 40, "{failed} unsafe calls failed");
}

#[test]
fn with_no_server_left_the_gate_says_so_at_once_and_asks_again_by_itself() {
    let server = answering_once();
    let address = server.address();
    let gate = gate_before(&[server.url(), nobody()]);
    check(&gate.call("GET /shop/a"), "200");
    drop(server);
    let refused = |answer: &Answer| answer.summary() == "503 no_healthy_upstream";
    wait_for("word that no server is left", || refused(&gate.call("GET /shop/a").send()));
    let began = Instant::now();
    let answer = check(&gate.call("POST /shop/a").body("text/plain", "x"), "503 no_healthy_upstream");
    assert!(began.elapsed() < Duration::from_secs(1), "it waited {:?}", began.elapsed());
    check_problem(&answer);
    let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=11).contains(&wait), "{answer}");
    let record = gate.record(&answer.call_id());
    assert!(record.get("callgate.upstream.address").is_none(), "no server was asked: {record}");

    let _back = ScriptedUpstream::start_at(address, |connection| {
        while connection.request().is_some() {
            connection.send(reply("200 OK", "back"));
        }
    });
    wait_for("the server to be used again", || gate.call("GET /shop/a").send().text() == "back");
    wait_for("word of it", || gate.said().contains("a server that was left out answers again"));
}

/// What an operator sees of it, and that it is the truth.
#[test]
fn upstreams_shows_who_is_left_out_and_who_has_calls() {
    let go = Signal::new();
    let told = go.clone();
    let held = ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/held" {
                told.wait();
            }
            connection.send(reply("200 OK", "ok"));
        }
    });
    let nobody = nobody();
    let gate = gate_before(&[held.url(), nobody.clone()]);
    let of = |url: &str| {
        let listed = gate.run_json(&["upstreams"]);
        let servers = listed["servers"].as_array().unwrap().clone();
        assert_eq!(servers.len(), 2, "{listed}");
        servers.into_iter().find(|server| url.ends_with(server["server"].as_str().unwrap())).unwrap()
    };
    let fresh = of(&nobody);
    assert_eq!((&fresh["api"], &fresh["state"], &fresh["since_ms"]), (&"shop".into(), &"healthy".into(), &Value::Null));
    wait_for("a server to be left out", || {
        check(&gate.call("GET /shop/a"), "200");
        of(&nobody)["state"] == "left_out"
    });
    let out = of(&nobody);
    assert!(out["until_ms"].as_i64() > out["since_ms"].as_i64() && out["since_ms"].is_i64(), "{out}");
    let mut waiting = gate.call("GET /shop/held").open();
    wait_for("the call that is held", || of(&held.url())["in_flight"] == 1);
    let listed = gate.run(&["upstreams"]).expect_success().stdout;
    assert!(listed.contains("healthy") && listed.contains("left out, tried"), "{listed}");
    go.raise();
    assert_eq!(waiting.answer().status, 200);
    wait_for("the call to be over", || of(&held.url())["in_flight"] == 0);
}

/// While a server is away, callers pile up. When it is back, it must not get all of them at once.
#[test]
fn a_server_that_comes_back_meets_no_herd() {
    let server = answering_once();
    let address = server.address();
    let gate = gate_before(&[server.url()]);
    check(&gate.call("GET /shop/a"), "200");
    drop(server);
    wait_for("the outage", || gate.call("GET /shop/a").send().summary() == "503 no_healthy_upstream");

    let (active, answered, worst) = (AtomicUsize::new(0), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&worst);
    let enough = Signal::new();
    let told = enough.clone();
    let _back = ScriptedUpstream::start_at(address, move |connection| {
        while connection.request().is_some() {
            let at_once = active.fetch_add(1, Ordering::SeqCst) + 1;
            let before = answered.load(Ordering::SeqCst);
            // As many as it has answered, and one. The gate learns of an answer a moment after it was counted here.
            if before < 60 {
                seen.fetch_max(at_once.saturating_sub(before), Ordering::SeqCst);
            }
            std::thread::sleep(Duration::from_millis(20));
            active.fetch_sub(1, Ordering::SeqCst);
            if answered.fetch_add(1, Ordering::SeqCst) > 100 {
                told.raise();
            }
            connection.send(reply("200 OK", "back"));
        }
    });
    std::thread::scope(|scope| {
        for _ in 0..32 {
            let (gate, enough) = (&gate, &enough);
            scope.spawn(move || {
                let mut client = gate.call("GET /shop/a").open();
                let _ = client.answer();
                while !enough.is_raised() {
                    client.send(gate.call("GET /shop/a").bytes());
                    let _ = client.answer();
                }
            });
        }
        enough.wait();
    });
    let worst = worst.load(Ordering::SeqCst);
    assert!((1..=2).contains(&worst), "{worst} calls more than it had answered");
}
