//! WebSockets on streams of HTTP/2 (RFC 8441): what holds over HTTP/1.1 holds here, and the connection's other calls go on.

use callgate_testkit::{RawClient, ScriptedUpstream, TestGate, WebsocketFrame, reply, wait_for};

use crate::h2_frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, fields, frame};
use crate::setup::{api, check, gate_yaml, shop, shop_with};
use crate::websocket::check_offer;

const OPEN: &str = "access: public\nwebsocket: allow";
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
/// `:status: 200` (RFC 7541 appendix A).
const STATUS_200: u8 = 0x88;

/// A connection by hand. Stream 1 is the WebSocket's.
struct Tunnel {
    client: RawClient,
    /// What came on stream 1.
    bytes: Vec<u8>,
    /// How stream 1 ended: `ended`, `reset CODE`.
    end: Option<String>,
    /// The gate takes no more streams.
    is_leaving: bool,
}

/// One frame of HTTP/2: kind, flags, stream, payload.
type H2Frame = (u8, u8, u32, Vec<u8>);

fn connect(protocol: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo =
        [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"), (":authority", "a"), (":path", path)];
    frame(HEADERS, END_HEADERS, 1, &fields(&[&pseudo[..], &[("sec-websocket-version", "13")], more].concat()))
}

// === impl Tunnel ===

impl Tunnel {
    fn start(gate: &TestGate, frames: &[u8]) -> Tunnel {
        let mut client = RawClient::connect(gate.address());
        client.send([PREFACE, frames].concat());
        Tunnel { client, bytes: Vec::new(), end: None, is_leaving: false }
    }

    /// Opens a WebSocket.
    #[track_caller]
    fn open(gate: &TestGate, path: &str, more: &[(&str, &str)]) -> Tunnel {
        let mut tunnel = Tunnel::start(gate, &connect("websocket", path, more));
        let (.., head) = tunnel.next_of(HEADERS);
        assert_eq!(head[0], STATUS_200, "{head:?}; {:?}", gate.records());
        tunnel
    }

    #[track_caller]
    fn next(&mut self) -> H2Frame {
        self.try_next().unwrap_or_else(|| panic!("the connection ended"))
    }

    /// The next frame; none at the end of the connection.
    fn try_next(&mut self) -> Option<H2Frame> {
        let head = self.client.try_read_exactly(9).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let (kind, flags, payload) = (head[3], head[4], self.client.try_read_exactly(length).ok()?);
        match kind {
            PING if flags & ACK == 0 => drop(self.client.send(frame(PING, ACK, 0, &payload))),
            GOAWAY => self.is_leaving = true,
            _ => {}
        }
        if stream == 1 {
            match kind {
                DATA => self.bytes.extend(&payload),
                RST_STREAM => drop(self.end.get_or_insert(format!("reset {}", payload[3]))),
                _ => {}
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                self.end = Some("ended".to_owned());
            }
        }
        Some((kind, flags, stream, payload))
    }

    /// The next frame of this kind.
    #[track_caller]
    fn next_of(&mut self, kind: u8) -> H2Frame {
        loop {
            let next = self.next();
            if next.0 == kind {
                return next;
            }
        }
    }

    /// Reads what comes on stream 1 until it ends, and how it did.
    #[track_caller]
    fn end(&mut self) -> String {
        while self.end.is_none() {
            self.next();
        }
        self.end.clone().unwrap()
    }

    /// The code of the refusal on stream 1.
    #[track_caller]
    fn refused(&mut self) -> String {
        assert_eq!(self.end(), "ended");
        let problem: serde_json::Value = serde_json::from_slice(&self.bytes).unwrap();
        format!("{} {}", problem["status"], problem["code"].as_str().unwrap())
    }

    fn send(&mut self, frame: WebsocketFrame) -> &mut Tunnel {
        self.send_raw(&frame.masked().bytes())
    }

    fn send_raw(&mut self, bytes: &[u8]) -> &mut Tunnel {
        for piece in bytes.chunks(16 * 1024) {
            self.client.send(frame(DATA, 0, 1, piece));
        }
        self
    }

    /// The next frame of the WebSocket; what comes is given room for again.
    #[track_caller]
    fn frame(&mut self) -> WebsocketFrame {
        WebsocketFrame::read(|length| {
            while self.bytes.len() < length {
                assert_eq!(self.end, None, "the stream ended before a frame");
                let (kind, _, _, payload) = self.next();
                if kind == DATA && !payload.is_empty() {
                    let room = u32::try_from(payload.len()).unwrap().to_be_bytes();
                    self.client.send([frame(WINDOW_UPDATE, 0, 0, &room), frame(WINDOW_UPDATE, 0, 1, &room)].concat());
                }
            }
            let rest = self.bytes.split_off(length);
            Some(std::mem::replace(&mut self.bytes, rest))
        })
        .unwrap()
    }

    /// Another call on the same connection; its body.
    #[track_caller]
    fn call(&mut self, stream: u32, path: &str) -> String {
        let head = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]);
        self.client.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head));
        let mut body = Vec::new();
        loop {
            let (kind, flags, of, payload) = self.next();
            if of == stream && kind == DATA {
                body.extend(payload);
            }
            if of == stream && flags & END_STREAM != 0 {
                return String::from_utf8(body).unwrap();
            }
        }
    }
}

/// Takes WebSockets and echoes them; answers other calls.
fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            if request.field("upgrade").is_some() {
                connection.accept_websocket(&request);
                return connection.echo_frames();
            }
            connection.send(reply("200 OK", "plain"));
        }
    })
}

/// The record of the one WebSocket so far, once it has ended.
#[track_caller]
fn record(gate: &TestGate) -> serde_json::Value {
    let ended = || gate.records().into_iter().find(|record| record.get("callgate.websocket.closed_by").is_some());
    wait_for("the record of the WebSocket", || ended().is_some());
    ended().unwrap()
}

#[test]
fn a_stream_becomes_a_websocket_and_its_record_counts_what_passed() {
    let upstream = upstream();
    let gate = shop(&upstream, "websocket: allow\nroutes:\n  - GET /live: {}\n  - GET /plain: { access: public }");
    let key = gate.new_key("ada");
    let head = [("x-api-key", &*key.text), ("sec-websocket-protocol", "chat"), ("sec-websocket-extensions", "x")];
    let mut tunnel = Tunnel::start(&gate, &connect("websocket", "/shop/live?room=7", &head));
    let (.., settings) = tunnel.next();
    assert!(settings.windows(6).any(|setting| setting == [0, 8, 0, 0, 0, 1]), "ENABLE_CONNECT_PROTOCOL: {settings:?}");
    assert_eq!(tunnel.next_of(HEADERS).3[0], STATUS_200);
    check_offer(&upstream);

    for text in ["hello", &"long ".repeat(10_000), ""] {
        assert_eq!(tunnel.send(WebsocketFrame::text(text)).frame(), WebsocketFrame::text(text));
    }
    assert_eq!(tunnel.call(3, "/shop/plain"), "plain", "a stream beside it");
    assert_eq!(tunnel.send(WebsocketFrame::close(4242)).frame(), WebsocketFrame::close(4242));
    assert_eq!(tunnel.end(), "ended");
    assert_eq!(tunnel.call(5, "/shop/plain"), "plain", "a stream after it");

    let record = record(&gate);
    assert_eq!((&record["callgate.end"], &record["callgate.consumer"]), (&"complete".into(), &"ada".into()));
    assert_eq!((&record["http.request.method"], &record["http.response.status_code"]), (&"GET".into(), &200.into()));
    assert_eq!(record["network.protocol.version"], "2");
    assert_eq!(
        (&record["http.request.body.size"], &record["http.response.body.size"]),
        (&50_005.into(), &50_005.into())
    );
    assert_eq!(record["callgate.websocket.messages_in"], 3);
    assert_eq!(record["callgate.websocket.close_code"], 4242);
}

#[test]
fn a_stream_that_is_not_opened_is_told_why() {
    let upstream = upstream();
    let gate = shop(
        &upstream,
        "routes:\n  - GET /live: { websocket: allow, scopes: [live] }\n  - GET /plain: { access: public }\n  \
         - GET /fixed: { websocket: allow, access: public, respond: { status: 200, body: fixed } }",
    );
    let key = gate.new_key("ada").text;
    let key = ("x-api-key", &*key);
    for (path, more, expect) in [
        ("/shop/live", &[][..], "401 credential_missing"),
        ("/shop/live", &[key], "403 scope_missing"),
        ("/shop/elsewhere", &[key], "404 no_such_route"),
        ("/shop/plain", &[], "403 upgrade_refused"),
        ("/shop/fixed", &[], "403 upgrade_refused"),
        ("/shop/../..", &[], "400 malformed_request"),
    ] {
        let mut tunnel = Tunnel::start(&gate, &connect("websocket", path, more));
        assert_eq!(tunnel.refused(), expect, "{path}");
        assert_eq!(tunnel.call(3, "/shop/plain"), "plain", "the connection goes on");
    }
    assert!(upstream.received().iter().all(|request| request.field("upgrade").is_none()), "none reached the upstream");
    // CONNECT for anything else is a tunnel that nobody asked the gate to dig.
    let mut other = Tunnel::start(&gate, &connect("connect-udp", "/shop/live", &[]));
    assert_eq!(other.refused(), "501 method_unsupported");
    let plain = frame(HEADERS, END_HEADERS, 1, &fields(&[(":method", "CONNECT"), (":authority", "a:443")]));
    assert_eq!(Tunnel::start(&gate, &plain).refused(), "501 method_unsupported");
}

#[test]
fn an_upstream_that_opens_nothing_opens_no_stream() {
    for (answer, expect) in [
        (reply("200 OK", "as if nothing was asked"), "502 upstream_invalid"),
        (reply("204 No Content", ""), "502 upstream_invalid"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(), "502 upstream_invalid"),
    ] {
        let upstream = ScriptedUpstream::replying(answer);
        let gate = shop(&upstream, OPEN);
        assert_eq!(Tunnel::start(&gate, &connect("websocket", "/shop/a", &[])).refused(), expect);
        wait_for("its one record", || gate.records().len() == 1);
    }
    let upstream = ScriptedUpstream::replying(reply("403 Forbidden", "not today"));
    let gate = shop(&upstream, OPEN);
    let mut declined = Tunnel::start(&gate, &connect("websocket", "/shop/a", &[]));
    assert_eq!((&*declined.end(), &*declined.bytes), ("ended", &b"not today"[..]));
}

#[test]
fn hostile_frames_end_the_websocket_and_no_other_call() {
    let upstream = upstream();
    let gate = shop(&upstream, "access: public\nwebsocket: { message_max: 1KiB }");
    for (bad, code) in [
        (&b"\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00mask"[..], 1009),
        (b"\x81\x08unmasked", 1002),
        (b"\xc1\x80mask", 1002),
    ] {
        let mut tunnel = Tunnel::open(&gate, "/shop/live", &[]);
        tunnel.send_raw(bad);
        assert_eq!(tunnel.frame().closing().0, code);
        assert_eq!(tunnel.end(), "ended");
        assert_eq!(tunnel.call(3, "/shop/plain"), "plain");
    }
    assert_eq!(record(&gate)["callgate.end"], "refused");
}

#[test]
fn who_reads_nothing_is_let_go_and_its_stream_reset() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        if request.field("upgrade").is_none() {
            connection.send(reply("200 OK", "plain"));
            return;
        }
        connection.accept_websocket(&request);
        let message = WebsocketFrame { first: 0x82, payload: vec![7; 60_000], masked: false }.bytes();
        while connection.send(&message) {}
    });
    let gate = shop(&upstream, "access: public\nwebsocket: { idle: 1s }");
    let mut deaf = Tunnel::open(&gate, "/shop/flood", &[]);
    // The window of the stream is full, and no room is given.
    assert_eq!(deaf.end(), "reset 8");
    assert!(deaf.bytes.len() <= 65_535, "{}", deaf.bytes.len());
    wait_for("the upstream to be let go", || upstream.closed() == 1);
    assert_eq!(record(&gate)["callgate.end"], "timed_out");
    let room = 1_000_000_u32.to_be_bytes();
    deaf.client.send(frame(WINDOW_UPDATE, 0, 0, &room));
    assert_eq!(deaf.call(3, "/shop/plain"), "plain", "the connection goes on");
}

#[test]
fn a_client_that_resets_its_stream_is_gone() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        connection.accept_websocket(&request);
        let mut first = connection.frame().unwrap();
        first.masked = false;
        connection.send(first.bytes());
        assert_eq!(connection.frame().expect("a Close").closing(), (1001, "the client is gone".to_owned()));
    });
    let gate = shop(&upstream, OPEN);
    let mut tunnel = Tunnel::open(&gate, "/shop/live", &[]);
    assert_eq!(tunnel.send(WebsocketFrame::text("last words")).frame(), WebsocketFrame::text("last words"));
    tunnel.client.send(frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    assert_eq!(record(&gate)["callgate.end"], "client_gone");
    wait_for("the upstream to be let go", || upstream.closed() == 1);
}

#[test]
fn a_drain_and_a_revocation_say_goodbye() {
    let upstream = upstream();
    let mut gate = TestGate::start(&gate_yaml("", &api("shop", &upstream.url(), "websocket: allow")));
    let (leaving, staying) = (gate.new_key("ada"), gate.new_key("bea"));
    let mut revoked = Tunnel::open(&gate, "/shop/live", &[("x-api-key", &leaving.text)]);
    let mut open = Tunnel::open(&gate, "/shop/live", &[("x-api-key", &staying.text)]);
    gate.revoke(&leaving);
    assert_eq!(revoked.frame().closing(), (1008, "the credential was revoked".to_owned()));
    assert_eq!(revoked.end(), "ended");
    assert_eq!(open.send(WebsocketFrame::text("still here")).frame(), WebsocketFrame::text("still here"));
    gate.program().signal("TERM");
    assert_eq!(open.frame().closing(), (1001, "the gate is shutting down".to_owned()));
    assert_eq!(open.end(), "ended");
    while !open.is_leaving {
        open.next();
    }
    drop((open, revoked));
    assert_eq!(gate.program().wait().code(), Some(0));
    let ends: Vec<_> = gate.records().iter().map(|record| record["callgate.end"].clone()).collect();
    assert_eq!(ends, ["revoked", "draining"]);
}

#[test]
fn a_websocket_that_is_open_counts_as_a_running_call() {
    let upstream = upstream();
    let gate = shop(&upstream, "access: public\nwebsocket: allow\nconcurrent: 1");
    let mut tunnel = Tunnel::open(&gate, "/shop/live", &[]);
    check(&gate.call("GET /shop/plain"), "429 too_many_at_once");
    tunnel.send(WebsocketFrame::close(1000)).frame();
    wait_for("its place to be free", || gate.call("GET /shop/plain").send().status == 200);
}

/// The gate ended its side of the stream. A client that never ends its own holds no stop up.
#[test]
fn a_drain_does_not_wait_for_a_stream_that_is_over() {
    let upstream = upstream();
    let mut gate = shop_with(&upstream, "drain: { timeout: 8s }", OPEN);
    let mut tunnel = Tunnel::open(&gate, "/shop/live", &[]);
    tunnel.send(WebsocketFrame::close(1000)).frame();
    assert_eq!(tunnel.end(), "ended");
    gate.program().signal("TERM");
    while tunnel.try_next().is_some() {}
    assert_eq!(gate.program().wait().code(), Some(0));
    assert!(!gate.said().contains("still open"), "it was waited for to the end: {}", gate.said());
}
