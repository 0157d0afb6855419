//! Health checks of upstream servers: who gets no calls by them, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callgate_testkit::{Answer, Authority, Call, Connection, Nginx, ScriptedUpstream, TestGate, reply, wait_for};

use crate::setup::{api, check, check_problem, gate_yaml};

/// Checks often enough for a test.
const OFTEN: &str = "{ path: /healthz, every: 200ms, timeout: 200ms, fall: 3, rise: 2 }";

/// A server whose calls always work, and whose health is another matter.
struct Patient {
    upstream: ScriptedUpstream,
    well: Arc<AtomicBool>,
}

impl Patient {
    /// Calls are answered with its name. Where it is not well, its health is asked of `ill`.
    fn start(name: &'static str, ill: impl Fn(&mut Connection) + Send + Sync + 'static) -> Patient {
        let well = Arc::new(AtomicBool::new(true));
        let told = Arc::clone(&well);
        let upstream = ScriptedUpstream::start(move |connection| {
            while let Some(request) = connection.request() {
                if request.target().starts_with("/healthz") && !told.load(Ordering::SeqCst) {
                    ill(connection);
                    return;
                }
                connection.send(reply("200 OK", name));
            }
        });
        Patient { upstream, well }
    }

    fn unavailable(name: &'static str) -> Patient {
        Patient::start(name, |connection| {
            connection.send(reply("503 Service Unavailable", "not ready"));
        })
    }

    fn is_well(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
    }

    fn checks(&self) -> usize {
        self.upstream.received().iter().filter(|request| request.target().starts_with("/healthz")).count()
    }

    /// Waits for this many checks more.
    #[track_caller]
    fn is_checked(&self, more: usize) {
        let so_far = self.checks();
        wait_for("checks", || self.checks() >= so_far + more);
    }
}

fn upstream_of(patients: &[&Patient], health: &str) -> String {
    let list: Vec<String> = patients.iter().map(|patient| format!("\"{}\"", patient.upstream.url())).collect();
    format!("{{ servers: [{}], health: {health} }}", list.join(", "))
}

fn yaml(patients: &[&Patient], health: &str) -> String {
    gate_yaml("health: 127.0.0.1:0\n", &api("shop", &upstream_of(patients, health), "access: public"))
}

/// Who answers twenty calls, each once.
fn answering(gate: &TestGate) -> Vec<String> {
    let mut names: Vec<String> = (0..20).map(|_| check(&gate.call("GET /shop/a"), "200").text()).collect();
    names.sort();
    names.dedup();
    names
}

fn healthy(gate: &TestGate, patient: &Patient) -> bool {
    let address = patient.upstream.address();
    let line = |value: u8| format!("callgate_upstream_healthy{{api=\"shop\",server=\"{address}\"}} {value}\n");
    let page = Call::new(gate.health(), "GET /metrics").send().text();
    assert!(page.contains(&line(0)) || page.contains(&line(1)), "{page}");
    page.contains(&line(1))
}

fn has_no_server(answer: &Answer) -> bool {
    answer.summary() == "503 no_healthy_upstream"
}

#[test]
fn a_server_that_fails_its_checks_gets_no_calls_until_it_passes_them() {
    let (one, two) = (Patient::unavailable("one"), Patient::unavailable("two"));
    let gate = TestGate::start(&yaml(&[&one, &two], OFTEN));
    one.is_checked(2);
    two.is_checked(2);
    assert_eq!(answering(&gate), ["one", "two"]);
    assert!(healthy(&gate, &one) && healthy(&gate, &two));
    let asked = one.upstream.received().into_iter().find(|request| request.target() == "/healthz").unwrap();
    assert_eq!(asked.field("host"), Some(&*one.upstream.address().to_string()));
    assert_eq!(asked.field("user-agent"), Some("callgate-health-check"));

    one.is_well(false);
    wait_for("one to be left out", || !healthy(&gate, &one));
    assert_eq!(answering(&gate), ["two"]);
    assert!(healthy(&gate, &two));
    let listed = gate.run(&["upstreams"]).expect_success().stdout;
    assert!(listed.contains("fails its health checks") && listed.contains("healthy"), "{listed}");
    wait_for("word of it", || {
        gate.said().contains("a server is left out: its health checks fail: the answer was 503 Service Unavailable")
    });

    one.is_well(true);
    wait_for("one to be let in", || healthy(&gate, &one));
    assert_eq!(answering(&gate), ["one", "two"]);
    assert!(gate.said().contains("a server that was left out passes its health checks"));
}

#[test]
fn with_all_servers_ill_callers_hear_so_at_once() {
    let one = Patient::unavailable("one");
    let gate = TestGate::start(&yaml(&[&one], OFTEN));
    one.is_checked(2);
    one.is_well(false);
    wait_for("it to be left out", || has_no_server(&gate.call("GET /shop/a").send()));
    let began = Instant::now();
    let answer = check(&gate.call("GET /shop/a"), "503 no_healthy_upstream");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    check_problem(&answer);
    let wait: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!((10..=11).contains(&wait), "{answer}");
    one.is_well(true);
    wait_for("it to be back", || gate.call("GET /shop/a").send().text() == "one");
}

/// A typing error in the path must not take an API down.
#[test]
fn a_check_that_nobody_ever_passed_is_not_heeded() {
    let (one, two) = (Patient::unavailable("one"), Patient::unavailable("two"));
    one.is_well(false);
    two.is_well(false);
    let gate = TestGate::start(&yaml(&[&one, &two], OFTEN));
    wait_for("word of it", || {
        let said = gate.said();
        said.contains("gets calls all the same: no server of this API has passed one yet")
    });
    one.is_checked(4);
    two.is_checked(4);
    assert_eq!(answering(&gate), ["one", "two"]);
    // One that passes shows that the other could.
    one.is_well(true);
    wait_for("two to be left out", || !healthy(&gate, &two));
    assert_eq!(answering(&gate), ["one"]);
}

#[test]
fn a_check_that_fails_now_and_then_changes_nothing() {
    let asked = AtomicUsize::new(0);
    let flapping = ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            let fails = request.target() == "/healthz" && !asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
            connection.send(if fails { reply("500 Internal Server Error", "") } else { reply("200 OK", "flapping") });
        }
    });
    let upstream = format!("{{ server: \"{}\", health: {OFTEN} }}", flapping.url());
    let gate = TestGate::start(&gate_yaml("", &api("shop", &upstream, "access: public")));
    let checks = || flapping.received().iter().filter(|request| request.target() == "/healthz").count();
    while checks() < 12 {
        check(&gate.call("GET /shop/a"), "200");
    }
    assert!(!gate.said().contains("left out"), "{}", gate.said());
}

/// Whatever a server does with its health, a check is over within its time, and the next one comes.
#[track_caller]
fn check_ill(ill: impl Fn(&mut Connection) + Send + Sync + 'static, why: &str) {
    let (one, two) = (Patient::start("one", ill), Patient::unavailable("two"));
    let gate = TestGate::start(&yaml(&[&one, &two], OFTEN));
    one.is_checked(2);
    one.is_well(false);
    wait_for("it to be left out", || !healthy(&gate, &one));
    wait_for(why, || gate.said().contains(why));
    assert_eq!(answering(&gate), ["two"]);
    one.is_checked(3);
    one.is_well(true);
    wait_for("it to be let in", || healthy(&gate, &one));
}

#[test]
fn an_answer_that_does_not_come_fails() {
    check_ill(Connection::hold, "no whole answer within 200ms");
}

#[test]
fn an_answer_that_does_not_end_fails() {
    let trickle = |connection: &mut Connection| {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nstill ");
        connection.hold();
    };
    check_ill(trickle, "no whole answer within 200ms");
}

#[test]
fn a_closed_connection_fails() {
    check_ill(|_| {}, "no answer: the upstream closed the connection without a whole answer");
}

#[test]
fn a_head_without_an_end_fails() {
    let endless = |connection: &mut Connection| {
        connection.send("HTTP/1.1 200 OK\r\n");
        while connection.send(format!("X: {}\r\n", "x".repeat(4000))) {}
    };
    check_ill(endless, "no answer: the head of the upstream's answer is too large");
}

/// A health page of a gibibyte is well; nobody waits for all of it.
#[test]
fn of_a_large_answer_only_the_beginning_is_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let large = ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.target() != "/healthz" {
                connection.send(reply("200 OK", "ok"));
                continue;
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
            let piece = vec![b'x'; 64 * 1024];
            let mut bytes = 0;
            while bytes < 1 << 30 && connection.send(&piece) {
                bytes += piece.len();
            }
            counted.fetch_max(bytes, Ordering::SeqCst);
        }
    });
    let upstream = format!("{{ server: \"{}\", health: {OFTEN} }}", large.url());
    let gate = TestGate::start(&gate_yaml("", &api("shop", &upstream, "access: public")));
    let checks = || large.received().iter().filter(|request| request.target() == "/healthz").count();
    wait_for("checks", || checks() >= 5);
    check(&gate.call("GET /shop/a"), "200");
    assert!(!gate.said().contains("health checks"), "{}", gate.said());
    // What was read, and what the kernel's buffers on both sides took.
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 64 << 20, "{} MiB were sent", sent >> 20);
}

#[test]
fn reloads_begin_and_end_checks_and_keep_what_they_found() {
    let (one, two) = (Patient::unavailable("one"), Patient::unavailable("two"));
    let gate = TestGate::start(&yaml(&[&one, &two], OFTEN));
    one.is_checked(2);
    one.is_well(false);
    wait_for("one to be left out", || !healthy(&gate, &one));

    // Something else changes: one is still out.
    let reloaded = |generation: u32| {
        let line = format!("configuration {generation} taken over");
        wait_for("the reload", || gate.said().contains(&line));
    };
    gate.write(&yaml(&[&one, &two], OFTEN).replace("access: public", "access: public\n    timeout: 9s"));
    reloaded(2);
    assert!(!healthy(&gate, &one));
    assert_eq!(answering(&gate), ["two"]);

    // Without checks, calls alone judge, and nobody asks any more.
    gate.write(&yaml(&[&one, &two], OFTEN).replace(&format!(", health: {OFTEN}"), ""));
    reloaded(3);
    wait_for("one to be let in", || healthy(&gate, &one));
    assert_eq!(answering(&gate), ["one", "two"]);

    // A server that goes takes its checks along.
    let third = Patient::unavailable("third");
    gate.write(&yaml(&[&two, &third], OFTEN));
    reloaded(4);
    // A check that was under way at the reload before has ended since.
    let before = one.checks();
    third.is_checked(5);
    two.is_checked(5);
    assert_eq!(one.checks(), before, "a server that left is not asked");
}

/// Two workers, one check at a time.
#[test]
fn the_process_checks_once_however_many_workers_there_are() {
    let one = Patient::unavailable("one");
    let gate = TestGate::start(&yaml(&[&one], "{ path: /healthz, every: 200ms }").replace("workers: 2", "workers: 4"));
    one.is_checked(1);
    let (began, before) = (Instant::now(), one.checks());
    one.is_checked(5);
    // 180 to 220 ms between two: four workers' would come four times as often.
    assert!(
        began.elapsed() > Duration::from_millis(4 * 180),
        "{:?} for {} checks",
        began.elapsed(),
        one.checks() - before
    );
    drop(gate);
}

/// Of 128 silent servers, 64 are asked at a time.
#[test]
fn many_silent_servers_do_not_use_up_the_descriptors() {
    let silent = ScriptedUpstream::start_at(([0, 0, 0, 0], 0).into(), |connection| {
        connection.until_closed();
    });
    let port = silent.address().port();
    let apis: Vec<String> = ["one", "two"]
        .iter()
        .zip([0, 64])
        .map(|(name, from)| {
            let servers: Vec<String> = (1..=64).map(|at| format!("\"http://127.0.0.{}:{port}\"", from + at)).collect();
            let health = "{ path: /healthz, every: 2s }";
            api(name, &format!("{{ servers: [{}], health: {health} }}", servers.join(", ")), "access: public")
        })
        .collect();
    let _gate = TestGate::start(&gate_yaml("", &apis.concat()));
    let mut worst = 0;
    wait_for("every server to be asked", || {
        let closed = silent.closed();
        worst = worst.max(silent.connections() - closed);
        silent.connections() > 160
    });
    // A few whose end the server has not heard of yet.
    assert!((40..=80).contains(&worst), "{worst} checks at one time");
}

/// Over TLS, by name, and in HTTP/2, where calls go that way.
#[test]
fn checks_go_the_way_of_calls() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    authority.certificate(&["localhost"]).write(folder.path(), "leaf");
    let nginx = Nginx::start_in(
        folder,
        "listen 127.0.0.1:PORT ssl http2; ssl_certificate FOLDER/leaf.pem; ssl_certificate_key FOLDER/leaf.key; \
         location / { return 200 ok; } location /healthz { if ($server_protocol = HTTP/2.0) { return 204; } return 500; }",
    );
    let folder = tempfile::tempdir().unwrap();
    let _ = authority.write(folder.path());
    // That it is heeded at all is seen by a second server that fails it.
    let two = format!("https://localhost:{}", nginx.address().port());
    let health = "{ path: \"/healthz?deep=1\", every: 500ms, status: [203, 204], fall: 1 }";
    let upstream = |protocol: &str| {
        let nobody = ScriptedUpstream::nobody();
        format!(
            "{{ servers: [\"{two}\", \"https://{nobody}\"], protocol: {protocol}, tls: {{ ca: ca.pem }}, health: {health} }}"
        )
    };
    let yaml = gate_yaml("health: 127.0.0.1:0\n", &api("shop", &upstream("http2"), "access: public"));
    let gate = TestGate::start_in(folder, &yaml);
    wait_for("the other one to be left out", || {
        gate.said().contains("a server is left out: its health checks fail: no answer")
    });
    for _ in 0..20 {
        check(&gate.call("GET /shop/a"), "200");
    }
    // In HTTP/1.1 the same server is ill.
    gate.write(&yaml.replace("protocol: http2", "protocol: http1"));
    wait_for("it to be left out too", || {
        gate.said().contains("a server is left out: its health checks fail: the answer was 500")
    });
}
