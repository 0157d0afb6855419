//! Taking over another file while calls come.

use std::sync::Arc;

use callgate_testkit::{Authority, RawClient, ScriptedUpstream, Signal, WebsocketFrame, reply, wait_for};

use crate::house::{House, check, shop_yaml};

const LIMITED: &str = "429 rate_limited";

fn yaml(upstream: &ScriptedUpstream, lines: &str) -> String {
    shop_yaml("", lines).replace("UPSTREAM", &upstream.url())
}

#[test]
fn every_worker_sees_the_new_file_at_once() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = House::start(&yaml(&upstream, "access: public"));
    // Connections that stay, on every worker.
    let mut clients: Vec<_> = (0..8).map(|_| RawClient::connect(house.listeners[0])).collect();
    for (lines, expect) in
        [("access: public", "200"), ("access: key", "401 credential_missing"), ("access: public", "200")]
    {
        house.reload(&yaml(&upstream, lines));
        for client in &mut clients {
            client.send(house.call("GET /shop/a").bytes());
            assert_eq!(client.answer().summary(), expect);
        }
    }
}

/// A route that is written above another must not hand that one's limits to anybody, nor forget them.
#[test]
fn limits_stay_with_their_route_when_others_are_added() {
    let upstream = ScriptedUpstream::answering("ok");
    let routes = |first: &str| {
        yaml(
            &upstream,
            &format!("access: public\nroutes:\n{first}  - GET /b: {{ limits: [\"tight: 2/day\"] }}\n  - GET /c: {{}}"),
        )
    };
    let house = House::start(&routes(""));
    check(&house.call("GET /shop/b"), "200");
    check(&house.call("GET /shop/b"), "200");
    check(&house.call("GET /shop/b"), LIMITED);
    house.reload(&routes("  - GET /a: { limits: [\"tight: 2/day\"] }\n"));
    check(&house.call("GET /shop/b"), LIMITED);
    check(&house.call("GET /shop/a"), "200");
    check(&house.call("GET /shop/a"), "200");
    check(&house.call("GET /shop/a"), LIMITED);
    house.reload(&routes(""));
    check(&house.call("GET /shop/b"), LIMITED);
}

#[test]
fn running_calls_are_counted_for_their_route_when_others_are_added() {
    let go = Signal::new();
    let going = go.clone();
    let upstream = ScriptedUpstream::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/b" {
                going.wait();
            }
            connection.send(reply("200 OK", "ok"));
        }
    });
    let routes =
        |first: &str| yaml(&upstream, &format!("access: public\nroutes:\n{first}  - GET /b: {{ concurrent: 1 }}"));
    let house = House::start(&routes(""));
    let mut held = house.call("GET /shop/b").open();
    callgate_testkit::wait_for("the call", || upstream.count() == 1);
    house.reload(&routes("  - GET /a: { concurrent: 1 }\n"));
    check(&house.call("GET /shop/a"), "200");
    check(&house.call("GET /shop/b"), "429 too_many_at_once");
    go.raise();
    assert_eq!(held.answer().status, 200);
    callgate_testkit::wait_for("the place", || house.call("GET /shop/b").send().status == 200);
}

#[test]
fn a_changed_listener_waits_for_a_restart_and_is_named_until_then() {
    let upstream = ScriptedUpstream::answering("ok");
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.certificate(&["localhost"]).write(folder.path(), "cert");
    let file =
        |listen: &str| shop_yaml(&format!("listen: [{listen}]"), "access: public").replace("UPSTREAM", &upstream.url());
    const TLS: &str = "{ address: 127.0.0.1:0, tls: { certificate: cert.pem, key: cert.key } }";
    let clear = "{ address: 127.0.0.1:0 }";
    let house = House::start_in(folder, &file(TLS), callgate_model::Clock::manual(crate::house::NOON_MS));
    let call = || {
        let mut client = RawClient::connect_tls(house.listeners[0], "localhost", &authority);
        client.send("GET /shop/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.answer().summary()
    };
    assert_eq!(call(), "200");
    for _ in 0..2 {
        let report = house.reload(&file(clear));
        assert_eq!(report.needs_restart, ["listen"]);
        assert_eq!(call(), "200", "the listener serves as it was bound");
    }
    // Rules of a listener need none.
    let report = house.reload(&file(&TLS.replace(" }", ", ip: { deny: [127.0.0.1] } }").replacen(
        ", ip: { deny: [127.0.0.1] } }",
        " }",
        1,
    )));
    assert_eq!(report.needs_restart, Vec::<String>::new());
    assert_eq!(call(), "403 ip_denied");
}

/// A WebSocket may stay open for a day, and a configuration of many APIs is large.
#[test]
fn an_open_websocket_holds_no_old_snapshot() {
    let upstream = ScriptedUpstream::echoing_websockets();
    let lines =
        "access: public\nroutes:\n  - GET /live: { websocket: allow }\n  - GET /plain: { respond: { status: 204 } }";
    let house = House::start(&yaml(&upstream, lines));
    let mut open = house.call("GET /shop/live").open_websocket();
    let old = Arc::downgrade(&house.gate.snapshot());
    house.reload(&yaml(&upstream, lines));
    // A worker takes the new one with its next call.
    wait_for("the old snapshot to be freed", || {
        check(&house.call("GET /shop/plain"), "204");
        old.strong_count() == 0
    });
    assert_eq!(open.send_frame(WebsocketFrame::text("still here")).frame(), WebsocketFrame::text("still here"));
}
