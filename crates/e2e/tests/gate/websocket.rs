//! Calls that become WebSockets: every rule first, then frames, counted and judged, to an end that the record tells.

use std::time::{Duration, Instant};

use callgate_testkit::{
    Authority, RawClient, ScriptedUpstream, TestGate, WEBSOCKET_ACCEPT, WebsocketFrame, reply, wait_for,
};

use crate::setup::{api, check, check_problem, gate_yaml, shop, shop_with};

const OPEN: &str = "access: public\nwebsocket: allow";

/// The record of the one WebSocket so far, once it has ended.
#[track_caller]
fn record(gate: &TestGate) -> serde_json::Value {
    let ended = || gate.records().into_iter().find(|record| record["http.response.status_code"] == 101);
    wait_for("the record of the WebSocket", || ended().is_some());
    ended().unwrap()
}

/// Opens a WebSocket, sends these bytes, and gives the code of the Close that the gate answers with.
#[track_caller]
fn closed_after(gate: &TestGate, bytes: &[u8]) -> u16 {
    let mut client = gate.call("GET /shop/live").open_websocket();
    client.send(bytes);
    let closing = client.frame().closing().0;
    assert_eq!(client.rest(), b"", "nothing follows a Close");
    closing
}

/// Ada's offer as the upstream sees it, whichever HTTP it came by.
#[track_caller]
pub(crate) fn check_offer(upstream: &ScriptedUpstream) {
    let offered = upstream.last();
    assert_eq!((offered.target(), offered.field("upgrade")), ("/live?room=7", Some("websocket")));
    assert_eq!((offered.field("connection"), offered.field("callgate-consumer")), (Some("Upgrade"), Some("ada")));
    assert_eq!(offered.field("sec-websocket-protocol"), Some("chat"));
    for gone in ["x-api-key", "sec-websocket-extensions"] {
        assert_eq!(offered.field(gone), None, "{offered}");
    }
}

#[test]
fn a_call_becomes_a_websocket_and_its_record_counts_what_passed() {
    let upstream = ScriptedUpstream::echoing_websockets();
    let gate = shop(&upstream, "websocket: allow");
    let key = gate.new_key("ada");
    let mut client =
        gate.call("GET /shop/live?room=7").key(&key).field("Sec-WebSocket-Protocol", "chat").websocket().open();
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.field("upgrade"), answer.field("connection")),
        (101, Some("websocket"), Some("upgrade"))
    );
    assert_eq!(answer.field("sec-websocket-accept"), Some(WEBSOCKET_ACCEPT));
    assert_eq!(answer.field("sec-websocket-extensions"), None);
    check_offer(&upstream);

    for text in ["hello", &"long ".repeat(10_000), ""] {
        assert_eq!(client.send_frame(WebsocketFrame::text(text)).frame(), WebsocketFrame::text(text));
    }
    let ping = WebsocketFrame { first: 0x89, payload: b"?".to_vec(), masked: false };
    assert_eq!(client.send_frame(ping).frame().first, 0x8a);
    assert_eq!(client.send_frame(WebsocketFrame::close(4242)).frame(), WebsocketFrame::close(4242));
    assert_eq!(client.rest(), b"");

    let record = record(&gate);
    assert_eq!((&record["callgate.end"], &record["callgate.consumer"]), (&"complete".into(), &"ada".into()));
    assert_eq!(
        (&record["http.request.body.size"], &record["http.response.body.size"]),
        (&50_005.into(), &50_005.into())
    );
    assert_eq!(record["callgate.websocket.messages_in"], 3);
    assert_eq!(record["callgate.websocket.messages_out"], 3);
    assert_eq!(record["callgate.websocket.close_code"], 4242);
    assert_eq!(record["callgate.websocket.closed_by"], "client");
    let told = gate.run(&["explain", &answer.call_id()]).expect_success();
    assert!(told.stdout.contains("3 in, 3 out") && told.stdout.contains("by the client, with 4242"), "{told}");
}

#[test]
fn every_phase_comes_before_the_first_frame() {
    let upstream = ScriptedUpstream::echoing_websockets();
    let gate = shop(
        &upstream,
        "routes:\n  - GET /live: { websocket: allow, scopes: [live], limits: [1/min], concurrent: 1 }\n  - GET /plain: {}",
    );
    let (key, live) = (gate.new_key("ada"), gate.key("ada", &["--scope", "live"]));
    let offer = |path: &str| gate.call(&format!("GET /shop/{path}")).websocket();
    check(&offer("live"), "401 credential_missing");
    check(&offer("plain"), "401 credential_missing");
    check(&offer("elsewhere").key(&key), "404 no_such_route");
    check(&offer("live").key(&key), "403 scope_missing");
    check_problem(&check(&offer("plain").key(&live), "403 upgrade_refused"));
    assert_eq!(upstream.count(), 0, "none of them reached the upstream");
    let mut client = offer("live").key(&live).open();
    assert_eq!(client.answer().status, 101);
    check(&offer("live").key(&live), "429 too_many_at_once");
    client.send_frame(WebsocketFrame::close(1000)).frame();
    wait_for("its place to be free", || offer("live").key(&live).send().summary() == "429 rate_limited");
}

#[test]
fn an_offer_that_is_none_is_told_why() {
    let upstream = ScriptedUpstream::echoing();
    let gate = shop(&upstream, OPEN);
    let offer = |what: &str| gate.call(what).field("Upgrade", "websocket").field("Connection", "upgrade");
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let old = check(
        &offer("GET /shop/a").field("Sec-WebSocket-Key", key).field("Sec-WebSocket-Version", "8"),
        "426 websocket_version",
    );
    assert_eq!((old.field("sec-websocket-version"), old.field("upgrade")), (Some("13"), Some("websocket")));
    assert_eq!(old.field("connection"), Some("upgrade"));
    for bad in [
        gate.call("GET /shop/a").websocket().untyped_body("frames?").field("Content-Length", "7"),
        gate.call("GET /shop/a").websocket().untyped_body("frames?").chunked(),
        gate.call("POST /shop/a").websocket(),
        offer("GET /shop/a").field("Sec-WebSocket-Version", "13"),
        offer("GET /shop/a").field("Sec-WebSocket-Version", "13").field("Sec-WebSocket-Key", "short"),
        gate.call("GET /shop/a").websocket().field("Sec-WebSocket-Key", key),
    ] {
        check(&bad, "400 malformed_request");
    }
    assert_eq!(upstream.count(), 0, "none of them reached the upstream");
    // What is no offer of a WebSocket is a plain call.
    for plain in [
        gate.call("GET /shop/a")
            .field("Upgrade", "h2c")
            .field("Connection", "Upgrade, HTTP2-Settings")
            .field("HTTP2-Settings", "AAA"),
        gate.call("POST /shop/a").field("Upgrade", "h2c").field("Connection", "Upgrade").untyped_body("a body"),
        gate.call("GET /shop/a").field("Upgrade", "websocket"),
    ] {
        check(&plain, "200");
        assert_eq!((upstream.last().field("upgrade"), upstream.last().field("connection")), (None, None));
    }
    // HTTP/1.0 knows no upgrade: the offer is ignored, and no half of it goes on.
    let by_1_0 = gate.call("GET /shop/a").websocket().field("Sec-WebSocket-Protocol", "chat").bytes();
    let by_1_0 = String::from_utf8(by_1_0).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    let mut client = RawClient::connect(gate.address());
    client.send(&by_1_0);
    assert_eq!(client.answer().status, 200);
    let fields = upstream.last().fields.into_iter().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>();
    assert!(!fields.iter().any(|name| name.starts_with("sec-websocket-") || name == "upgrade"), "{fields:?}");
}

#[test]
fn an_upstream_may_decline_and_the_connection_goes_on() {
    let upstream = ScriptedUpstream::replying(reply("403 Forbidden", "not today"));
    let gate = shop(&upstream, OPEN);
    let call = gate.call("GET /shop/a").websocket();
    let mut client = call.open();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (403, "not today"));
    assert_eq!(client.send(call.bytes()).answer().status, 403);
}

#[test]
fn an_upstream_that_agrees_to_something_else_is_not_believed() {
    let agree = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    for wrong in [
        format!("{agree}Sec-WebSocket-Accept: {WEBSOCKET_ACCEPT}\r\n\r\n"),
        format!("{agree}\r\n"),
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
    ] {
        let upstream = ScriptedUpstream::replying(wrong);
        check(&shop(&upstream, OPEN).call("GET /shop/a").websocket(), "502 upstream_invalid");
    }
    let upstream = ScriptedUpstream::replying(format!("{agree}\r\n"));
    check(&shop(&upstream, OPEN).call("GET /shop/a"), "502 upstream_invalid");
}

#[test]
fn hostile_frames_end_it_and_never_pass() {
    let upstream = ScriptedUpstream::echoing_websockets();
    let gate = shop(&upstream, "access: public\nwebsocket: { message_max: 1KiB }");
    // A frame of 1 GiB: told at its head, whatever comes behind it.
    let huge = [&b"\x82\xff\x00\x00\x00\x00\x40\x00\x00\x00mask"[..], &[7; 100_000]].concat();
    assert_eq!(closed_after(&gate, &huge), 1009);
    let piece = |first| WebsocketFrame { first, payload: vec![7; 600], masked: true }.bytes();
    let mut client = gate.call("GET /shop/live").open_websocket();
    client.send(piece(0x02));
    assert_eq!(client.frame().payload.len(), 600, "the first fragment was within its bounds");
    client.send(piece(0x00));
    assert_eq!(client.frame().closing().0, 1009);
    for (code, bad) in [
        (1002, WebsocketFrame::text("unmasked").bytes()),
        (1002, b"\xc1\x80mask".to_vec()),
        (1002, b"\x00\x80mask".to_vec()),
        (1002, WebsocketFrame::close(1005).masked().bytes()),
        (1007, WebsocketFrame { first: 0x81, payload: b"no \xff text".to_vec(), masked: true }.bytes()),
        (1008, [&b"\x01\x80mask"[..], &b"\x00\x80mask".repeat(100)].concat()),
    ] {
        assert_eq!(closed_after(&gate, &bad), code);
    }
    let record = record(&gate);
    assert_eq!(record["callgate.websocket.messages_in"], 0);
    assert_eq!((&record["callgate.end"], &record["callgate.websocket.closed_by"]), (&"refused".into(), &"gate".into()));
}

#[test]
fn who_reads_nothing_or_says_nothing_is_let_go() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        connection.accept_websocket(&request);
        let message = WebsocketFrame { first: 0x82, payload: vec![7; 60_000], masked: false }.bytes();
        // Until nobody takes any more.
        while request.target() == "/flood" && connection.send(&message) {}
        connection.until_closed();
    });
    let gate = shop(&upstream, "access: public\nwebsocket: { idle: 1s }");
    let mut silent = gate.call("GET /shop/silence").open_websocket();
    assert_eq!(silent.frame().closing(), (1001, "idle for too long".to_owned()));
    assert_eq!(record(&gate)["callgate.end"], "timed_out");
    let mut deaf = RawClient::connect_narrow(gate.address());
    deaf.send(gate.call("GET /shop/flood").websocket().bytes());
    wait_for("the upstream to be let go", || upstream.closed() == 2);
}

#[test]
fn a_drain_says_goodbye_to_both_sides() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        connection.accept_websocket(&request);
        let closing = connection.frame().expect("a Close").closing();
        assert_eq!(closing.0, 1001);
    });
    let mut gate = shop(&upstream, OPEN);
    let mut client = gate.call("GET /shop/live").open_websocket();
    gate.program().signal("TERM");
    assert_eq!(client.frame().closing(), (1001, "the gate is shutting down".to_owned()));
    assert_eq!(client.rest(), b"");
    drop(client);
    assert_eq!(gate.program().wait().code(), Some(0));
    assert_eq!(upstream.closed(), 1);
    assert_eq!(record(&gate)["callgate.end"], "draining");
}

/// The server closes first (RFC 6455 section 7.1.1). A client that never closes its own side holds nothing up.
#[test]
fn a_drain_does_not_wait_for_what_is_over() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        connection.accept_websocket(&request);
        if request.target() != "/gone" {
            connection.echo_frames();
        }
    });
    let mut gate = shop_with(&upstream, "drain: { timeout: 8s }", OPEN);
    let mut closed = gate.call("GET /shop/live").open_websocket();
    assert_eq!(closed.send_frame(WebsocketFrame::close(1000)).frame(), WebsocketFrame::close(1000));
    let mut left = gate.call("GET /shop/gone").open_websocket();
    assert_eq!(left.frame().closing().0, 1011);
    let mut open = gate.call("GET /shop/live").open_websocket();
    gate.program().signal("TERM");
    assert_eq!(open.frame().closing().0, 1001);
    assert_eq!([closed.rest(), left.rest(), open.rest()], [b"", b"", b""]);
    assert_eq!(gate.program().wait().code(), Some(0));
    assert!(!gate.said().contains("still open"), "it was waited for to the end: {}", gate.said());
}

#[test]
fn an_upgrade_of_the_gate_says_goodbye_and_the_new_process_takes_over() {
    let upstream = ScriptedUpstream::echoing_websockets();
    let mut gate = shop(&upstream, OPEN);
    let mut client = gate.call("GET /shop/live").open_websocket();
    assert_eq!(client.send_frame(WebsocketFrame::text("to the old")).frame(), WebsocketFrame::text("to the old"));
    let mut old = gate.upgrade();
    assert_eq!(client.frame().closing(), (1001, "the gate is shutting down".to_owned()));
    // Whoever hears it may come again at once, and is served by the new process, which stays.
    let mut again = gate.call("GET /shop/live").open_websocket();
    assert_eq!(client.rest(), b"");
    drop(client);
    assert_eq!(old.wait().code(), Some(0), "{}", old.lines().join("\n"));
    assert_eq!(again.send_frame(WebsocketFrame::text("to the new")).frame(), WebsocketFrame::text("to the new"));
    assert_eq!(again.send_frame(WebsocketFrame::close(1000)).frame(), WebsocketFrame::close(1000));
    let told = old.lines().iter().any(|line| line.contains("\"callgate.end\":\"draining\""));
    assert!(told, "the old process keeps the record: {}", old.lines().join("\n"));
    assert_eq!(record(&gate)["callgate.end"], "complete");
}

#[test]
fn an_upstream_that_vanishes_is_told_to_the_client() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        connection.accept_websocket(&request);
        connection.send(WebsocketFrame::text("last words").bytes());
    });
    let gate = shop(&upstream, OPEN);
    let mut client = gate.call("GET /shop/live").open_websocket();
    assert_eq!(client.frame(), WebsocketFrame::text("last words"));
    assert_eq!(client.frame().closing().0, 1011);
    let record = record(&gate);
    assert_eq!(
        (&record["callgate.end"], &record["callgate.websocket.closed_by"]),
        (&"upstream_broke".into(), &"upstream".into())
    );
}

#[test]
fn over_tls_and_in_observe_mode_too() {
    let upstream = ScriptedUpstream::echoing_websockets();
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    authority.certificate(&["one.example.com"]).write(folder.path(), "one");
    let top = "mode: observe\nlisten:\n  - { address: 127.0.0.1:0, tls: { certificate: one.pem, key: one.key } }\n";
    let gate = TestGate::start_in(folder, &gate_yaml(top, &api("shop", &upstream.url(), "access: public")));
    let mut client = RawClient::connect_tls(gate.address(), "one.example.com", &authority);
    client.send(gate.call("GET /shop/live").field("Host", "one.example.com").websocket().bytes());
    assert_eq!(client.answer().status, 101, "a rule that only watches refuses nothing");
    assert_eq!(client.send_frame(WebsocketFrame::text("hello")).frame(), WebsocketFrame::text("hello"));
    client.send_frame(WebsocketFrame::close(1000)).frame();
    assert_eq!(record(&gate)["callgate.would_refuse"][0], "upgrade_refused");
}

#[test]
fn a_revoked_key_ends_its_websockets_and_streams_within_a_second() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        if request.field("upgrade").is_some() {
            connection.accept_websocket(&request);
            return connection.echo_frames();
        }
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        connection.until_closed();
    });
    let gate = shop(&upstream, "websocket: allow");
    let (leaving, staying) = (gate.new_key("ada"), gate.new_key("bea"));
    let mut silent = gate.call("GET /shop/live").key(&leaving).open_websocket();
    let mut other = gate.call("GET /shop/live").key(&staying).open_websocket();
    let mut events = gate.call("GET /shop/events").key(&leaving).open();
    events.read_through(b"data: 1");
    gate.revoke(&leaving);
    let revoked = Instant::now();
    assert_eq!(silent.frame().closing(), (1008, "the credential was revoked".to_owned()));
    assert!(!events.rest().ends_with(b"0\r\n\r\n"), "an answer that breaks off does not look whole");
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    wait_for("both records", || {
        gate.records().iter().filter(|record| record["callgate.end"] == "revoked").count() == 2
    });
    assert_eq!(other.send_frame(WebsocketFrame::text("still here")).frame(), WebsocketFrame::text("still here"));
}
