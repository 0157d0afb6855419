//! Calls with an `Idempotency-Key`: sent again where the file says so, and only then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use callgate_testkit::{Answer, Call, Received, ScriptedUpstream, TestGate, reply};

use crate::setup::{check, shop_yaml};

const REPEAT: &str = "access: public\nidempotency_key: repeat";
const UNREACHABLE: &str = "502 upstream_unreachable";

/// Two servers that take payments, one of which goes away with the next one, and a gate before them.
struct Tills {
    servers: [ScriptedUpstream; 2],
    /// The next payment is read whole, and answered by closing.
    breaks: Arc<AtomicBool>,
    gate: TestGate,
}

// === impl Tills ===

impl Tills {
    fn start(lines: &str) -> Tills {
        let breaks = Arc::new(AtomicBool::new(false));
        let server = || {
            let breaks = Arc::clone(&breaks);
            ScriptedUpstream::start(move |connection| {
                while let Some(request) = connection.request() {
                    if request.target() == "/pay" && breaks.swap(false, Ordering::SeqCst) {
                        return;
                    }
                    connection.send(reply("200 OK", "paid"));
                }
            })
        };
        let servers = [server(), server()];
        let upstream = format!("{{ servers: [\"{}\", \"{}\"] }}", servers[0].url(), servers[1].url());
        let gate = TestGate::start(&shop_yaml(&upstream, lines));
        // What pays for repeats.
        for _ in 0..20 {
            check(&gate.call("GET /shop/a"), "200");
        }
        Tills { servers, breaks, gate }
    }

    fn payment(&self, keys: &[&str]) -> Call {
        let call = self.gate.call("POST /shop/pay").body("text/plain", "pay 10");
        keys.iter().fold(call, |call, key| call.field("Idempotency-Key", key))
    }

    /// Makes a call whose first server goes away; compares its answer, and how often it was sent.
    #[track_caller]
    fn check(&self, call: &Call, expect: &str, sent: usize) -> (Answer, Vec<Received>) {
        let before = self.servers.each_ref().map(ScriptedUpstream::count);
        self.breaks.store(true, Ordering::SeqCst);
        let answer = check(call, expect);
        assert!(!self.breaks.load(Ordering::SeqCst), "no server went away");
        let new = |(server, before): (&ScriptedUpstream, usize)| server.received().split_off(before);
        let received: Vec<Received> = self.servers.iter().zip(before).flat_map(new).collect();
        assert_eq!(received.len(), sent, "{received:#?}");
        (answer, received)
    }
}

#[test]
fn it_goes_to_another_server_with_the_same_key_and_body() {
    let tills = Tills::start(REPEAT);
    for key in ["\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e"] {
        let (answer, received) = tills.check(&tills.payment(&[key]), "200", 2);
        assert_eq!(answer.text(), "paid");
        for request in &received {
            assert_eq!((request.line.as_str(), request.body.as_slice()), ("POST /pay HTTP/1.1", &b"pay 10"[..]));
            assert_eq!(request.fields_named("idempotency-key"), [key], "{request}");
        }
        let call_ids: Vec<_> = received.iter().map(|request| request.field("callgate-call-id")).collect();
        assert_eq!(call_ids[0], call_ids[1], "it is one call");
        assert_eq!(tills.gate.record(&answer.call_id())["callgate.upstream.attempts"], 2);
    }
    // Other methods too, with a body and without.
    tills.check(&tills.gate.call("PUT /shop/pay").body("text/plain", "1").field("Idempotency-Key", "a"), "200", 2);
    tills.check(&tills.gate.call("POST /shop/pay").field("Idempotency-Key", "a"), "200", 2);
}

#[test]
fn without_the_setting_or_one_key_it_is_sent_once() {
    for lines in
        ["access: public", "access: public\nidempotency_key: repeat\nroutes: [\"* /**\": { idempotency_key: ignore }]"]
    {
        let tills = Tills::start(lines);
        tills.check(&tills.payment(&["a"]), UNREACHABLE, 1);
    }
    let tills = Tills::start(REPEAT);
    for keys in [&[][..], &[""], &["\"\""], &["a", "a"], &["", "a"]] {
        tills.check(&tills.payment(keys), UNREACHABLE, 1);
    }
    // A key that the server never sees.
    tills.check(&tills.payment(&["a"]).field("Connection", "Idempotency-Key"), UNREACHABLE, 1);
    let tills = Tills::start(&format!("{REPEAT}\nheaders: {{ request: {{ remove: Idempotency-Key }} }}"));
    tills.check(&tills.payment(&["a"]), UNREACHABLE, 1);
}

#[test]
fn a_body_is_held_for_it_only_when_it_is_known_to_be_small() {
    const HELD: usize = 64 * 1024;
    let tills = Tills::start(REPEAT);
    let pay = |bytes: usize| {
        tills.gate.call("POST /shop/pay").body("text/plain", vec![b'x'; bytes]).field("Idempotency-Key", "a")
    };
    let (_, received) = tills.check(&pay(HELD), "200", 2);
    assert!(received.iter().all(|request| request.body == vec![b'x'; HELD]), "bodies come whole");
    tills.check(&pay(HELD + 1), UNREACHABLE, 1);
    tills.check(&pay(3).chunked(), UNREACHABLE, 1);
}

#[test]
fn an_answer_is_an_answer() {
    let busy = || ScriptedUpstream::replying(reply("503 Service Unavailable", "later"));
    let (one, two) = (busy(), busy());
    let servers = format!("{{ servers: [\"{}\", \"{}\"] }}", one.url(), two.url());
    let gate = TestGate::start(&shop_yaml(&servers, REPEAT));
    for calls in 1..=10 {
        let call = gate.call("POST /shop/pay").body("text/plain", "pay 10").field("Idempotency-Key", "a");
        assert_eq!(check(&call, "503").text(), "later");
        assert_eq!(one.count() + two.count(), calls);
    }
}

#[test]
fn repeats_are_paid_for_as_all_are() {
    let closing = || {
        ScriptedUpstream::start(|connection| {
            connection.request();
        })
    };
    let servers: Vec<_> = (0..4).map(|_| closing()).collect();
    let urls: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    let gate = TestGate::start(&shop_yaml(&format!("{{ servers: [{}] }}", urls.join(", ")), REPEAT));
    let asked = || servers.iter().map(ScriptedUpstream::count).sum::<usize>();
    for calls in 1..=100 {
        let call = gate.call("POST /shop/pay").body("text/plain", "pay 10").field("Idempotency-Key", "a");
        check(&call, UNREACHABLE);
        assert!(asked() * 5 <= calls * 6, "{calls} calls, and the servers had {}", asked());
    }
    assert!(asked() > 110, "{} of 100 calls", asked());
}
