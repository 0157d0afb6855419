//! Credentials that end while a call goes on: WebSockets and long answers end with them.

use std::fs;
use std::time::{Duration, Instant};

use callgate_testkit::{
    Authority, Certificate, IssuedKey, RawClient, ScriptedUpstream, TestGate, WebsocketFrame, wait_for,
};

use crate::setup::{api, gate_yaml, shop};

const NAME: &str = "billing.example.com";

/// Echoes WebSockets; other calls get events that never end, `/flood` as fast as they are taken.
fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        if request.field("upgrade").is_some() {
            connection.accept_websocket(&request);
            return connection.echo_frames();
        }
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        let piece = [b'x'; 16 * 1024];
        while request.target() == "/flood" && connection.send(piece) {}
        connection.until_closed();
    })
}

/// How the calls that were let in have ended, sorted, when there are so many records.
#[track_caller]
fn ends(gate: &TestGate, count: usize) -> Vec<String> {
    wait_for("the records", || gate.records().len() == count);
    let mut ends: Vec<String> =
        gate.records().iter().map(|record| record["callgate.end"].as_str().unwrap().to_owned()).collect();
    ends.sort();
    ends
}

#[test]
fn an_expired_key_ends_what_runs_with_it() {
    let upstream = upstream();
    let gate = shop(&upstream, "websocket: allow");
    let staying = gate.new_key("ada");
    let short = gate.key("ada", &["--expires", "3s"]);
    let expires = Instant::now() + Duration::from_secs(3);
    let mut other = gate.call("GET /shop/live").key(&staying).open_websocket();
    let mut session = gate.call("GET /shop/live").key(&short).open_websocket();
    let mut events = gate.call("GET /shop/events").key(&short).open();
    events.read_through(b"data: 1");
    assert_eq!(session.send_frame(WebsocketFrame::text("in time")).frame(), WebsocketFrame::text("in time"));
    assert_eq!(session.frame().closing(), (1008, "the credential has expired".to_owned()));
    events.rest();
    assert!(expires.elapsed() < Duration::from_secs(1), "{:?} late", expires.elapsed());
    assert_eq!(ends(&gate, 2), ["expired", "expired"]);
    assert_eq!(other.send_frame(WebsocketFrame::text("still here")).frame(), WebsocketFrame::text("still here"));
}

#[test]
fn an_answer_that_never_pauses_ends_with_its_key_too() {
    let upstream = upstream();
    let gate = shop(&upstream, "");
    let key = gate.new_key("ada");
    let mut flood = gate.call("GET /shop/flood").key(&key).open();
    flood.read_exactly(2_000_000);
    gate.revoke(&key);
    let revoked = Instant::now();
    while flood.try_read_exactly(100_000).is_ok() {
        assert!(revoked.elapsed() < Duration::from_secs(5), "it goes on");
    }
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    assert_eq!(ends(&gate, 1), ["revoked"]);
}

/// A gate whose API `shop` is for certificates, and `both` for keys beside one.
struct House {
    gate: TestGate,
    own: Authority,
    billing: Certificate,
    key: IssuedKey,
    _upstream: ScriptedUpstream,
}

// === impl House ===

impl House {
    fn start() -> House {
        let (own, partners, upstream) = (Authority::new(), Authority::new(), upstream());
        let folder = tempfile::tempdir().unwrap();
        own.certificate(&["localhost"]).write(folder.path(), "own");
        fs::write(folder.path().join("partners.pem"), partners.pem()).unwrap();
        let top = format!(
            "listen: {{ address: 127.0.0.1:0, tls: {{ certificate: own.pem, key: own.key }}, client_certificates: partners }}\n\
             authorities: {{ partners: {{ ca: partners.pem, callers: [{{ name: {NAME}, consumer: ada }}] }} }}\n"
        );
        let apis = api("shop", &upstream.url(), "access: certificate\nwebsocket: allow")
            + &api("both", &upstream.url(), "access: { all: [key, certificate] }\nwebsocket: allow");
        let gate = TestGate::start_in(folder, &gate_yaml(&top, &apis));
        let key = gate.new_key("ada");
        let billing = partners.client_certificate(&[NAME]);
        House { gate, own, billing, key, _upstream: upstream }
    }

    /// A WebSocket by certificate, and one by key and certificate.
    #[track_caller]
    fn sessions(&self) -> [RawClient; 2] {
        ["shop", "both"].map(|name| {
            let call = self.gate.call(&format!("GET /{name}/live")).field("Host", "localhost").websocket();
            let call = if name == "both" { call.key(&self.key) } else { call };
            let mut client =
                RawClient::connect_as(self.gate.address(), "localhost", &self.own.client(Some(&self.billing)));
            let answer = client.send(call.bytes()).answer();
            assert_eq!(answer.status, 101, "{answer}");
            client
        })
    }
}

#[track_caller]
fn end_within_a_second(sessions: &mut [RawClient]) {
    let ended = Instant::now();
    for session in sessions {
        assert_eq!(session.frame().closing(), (1008, "the credential was revoked".to_owned()));
    }
    assert!(ended.elapsed() < Duration::from_secs(1), "{:?}", ended.elapsed());
}

#[test]
fn a_certificate_ends_what_runs_with_it_when_the_file_drops_it() {
    let house = House::start();
    let mut sessions = house.sessions();
    let yaml = fs::read_to_string(house.gate.file()).unwrap();
    // A reload of something else ends nothing.
    house.gate.write(&yaml.replace("workers: 2", "workers: 2\nlockout: { failures: 30, within: 1m, for: 5m }"));
    wait_for("the reload", || house.gate.said().matches("taken over").count() == 1);
    for session in &mut sessions {
        assert_eq!(session.send_frame(WebsocketFrame::text("still here")).frame(), WebsocketFrame::text("still here"));
    }
    house.gate.write(&yaml.replace(NAME, "other.example.com"));
    wait_for("the reload", || house.gate.said().matches("taken over").count() == 2);
    end_within_a_second(&mut sessions);
    assert_eq!(ends(&house.gate, 2), ["revoked", "revoked"]);
}

#[test]
fn a_certificate_ends_what_runs_with_it_when_its_consumer_goes() {
    let house = House::start();
    let mut sessions = house.sessions();
    let _ = house.gate.run(&["consumers", "remove", "ada"]).expect_success();
    end_within_a_second(&mut sessions);
    assert_eq!(ends(&house.gate, 2), ["revoked", "revoked"]);
}
