//! What goes upstream: what the gate says, and nothing that a caller pretends.

use callgate_testkit::ScriptedUpstream;

use crate::house::{check, shop, shop_with};

#[test]
fn forged_fields_are_dropped_and_the_gates_own_are_true() {
    let upstream = ScriptedUpstream::echoing();
    let house = shop(&upstream, "access: key\nscopes: [read]");
    let (id, key) = house.key_with("ada", |request| request.scopes = vec!["read".into(), "more".into()]);
    let mut call = house.call("GET /shop/a").key(&key).field("Host", "api.example.com:8080");
    for (name, value) in [
        ("Callgate-Consumer", "root"),
        ("Callgate-Key-Id", "x"),
        ("Callgate-Anything", "x"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Host", "evil"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/x"),
        ("X-Real-IP", "10.0.0.1"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X-Hop", "1"),
        ("Connection", "X-Hop, X-API-Key, Callgate-Consumer, X-Forwarded-For, close"),
        ("Proxy-Authorization", "Basic x"),
        ("Upgrade", "websocket"),
    ] {
        call = call.field(name, value);
    }
    check(&call, "200");
    let received = upstream.last();
    for gone in [
        "callgate-anything",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
        "x-http-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-hop",
        "proxy-authorization",
        "upgrade",
        "x-api-key",
        "connection",
    ] {
        assert_eq!(received.field(gone), None, "{gone}: {received}");
    }
    for (name, value) in [
        ("callgate-consumer", "ada"),
        ("callgate-key-id", id.as_str()),
        ("callgate-scopes", "read more"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "api.example.com:8080"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "for=127.0.0.1;host=\"api.example.com:8080\";proto=http"),
        ("via", "1.1 callgate"),
        ("host", &upstream.address().to_string()),
    ] {
        assert_eq!(received.fields_named(name), [value], "{name}: {received}");
    }
    check(&house.call("GET /shop/a").key(&key).field("X_Forwarded_For", "10.0.0.1"), "400 malformed_request");
}

#[test]
fn an_upstreams_own_authorization_passes_where_the_gate_takes_none() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: key\nroutes:\n  - \"* /**\": {}\n  - GET /open: { access: public }");
    let key = house.key("ada");
    let bearer = |token: &str| house.call("GET /shop/open").field("Authorization", format!("Bearer {token}"));
    check(&bearer("the-upstreams-own"), "200");
    assert_eq!(upstream.last().field("authorization"), Some("Bearer the-upstreams-own"));
    check(&bearer(&key), "200");
    assert_eq!(upstream.last().field("authorization"), None, "a key of ours goes nowhere");
    check(&house.call("GET /shop/a").field("Authorization", format!("bearer {key}")), "200");
    assert_eq!(upstream.last().field("authorization"), None);
    check(&house.call("GET /shop/a").key(&key).field("Authorization", "Basic eDp5"), "200");
    assert_eq!(upstream.last().field("authorization"), Some("Basic eDp5"));
    for call in [
        house.call("GET /shop/a").key(&key).key(&key),
        house.call("GET /shop/a").key(&key).field("Authorization", format!("Bearer {key}")),
    ] {
        check(&call, "400 credential_ambiguous");
    }
    for wrong in ["", "x", key.get(..20).unwrap()] {
        let answer = check(&house.call("GET /shop/a").key(wrong), "401 credential_unknown");
        assert!(answer.field("www-authenticate").unwrap().starts_with("Bearer realm=\"shop\""), "{answer}");
    }
}

#[test]
fn a_trace_goes_on_or_begins_anew_whole() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let answer = check(&house.call("GET /shop/a").field("traceparent", parent).field("tracestate", "a=b"), "200");
    assert_eq!(upstream.last().field("traceparent"), Some(parent));
    assert_eq!(upstream.last().field("tracestate"), Some("a=b"));
    assert_eq!(house.record(&answer).trace_id.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    for call in [
        house.call("GET /shop/a").field("traceparent", "00-broken").field("tracestate", "a=b"),
        house.call("GET /shop/a").field("traceparent", parent).field("traceparent", parent).field("tracestate", "a=b"),
    ] {
        let answer = check(&call, "200");
        let received = upstream.last();
        let sent = received.fields_named("traceparent");
        assert_eq!(sent.len(), 1);
        assert!(sent[0].contains(house.record(&answer).trace_id.as_deref().unwrap()) && sent[0] != parent);
        assert_eq!(received.field("tracestate"), None, "the state belongs to the trace that was not taken on");
    }
}

#[test]
fn only_a_trusted_proxy_is_believed() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(
        &upstream,
        "trusted_proxies: { ips: [127.0.0.9], header: x-forwarded-for }",
        "access: public\nip: { deny: [203.0.113.7, 127.0.0.9] }",
    );
    let call = |from: &str, field: &str| house.call("GET /shop/a").from(from).field("X-Forwarded-For", field);
    check(&call("127.0.0.1", "203.0.113.7"), "200");
    check(&call("127.0.0.9", "198.51.100.4, 203.0.113.7"), "403 ip_denied");
    check(&call("127.0.0.9", "203.0.113.7, 198.51.100.4"), "200");
    assert_eq!(upstream.last().field("x-forwarded-for"), Some("198.51.100.4, 127.0.0.9"));
    check(&call("127.0.0.9", "127.0.0.1"), "403 ip_denied");
    check(&call("127.0.0.9", "::ffff:203.0.113.7"), "403 ip_denied");
}

#[test]
fn trailers_pass_both_ways_without_what_belongs_into_a_head() {
    let upstream = ScriptedUpstream::start(|connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Callgate-Refused\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nCallgate-Refused: rate_limited\r\n\r\n");
        }
    });
    let house = shop(&upstream, "access: public");
    let mut client = callgate_testkit::RawClient::connect(house.listeners[0]);
    client.send("POST /shop/a HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-In, Callgate-Consumer\r\n\r\n2\r\nhi\r\n0\r\nX-In: 1\r\nCallgate-Consumer: root\r\n\r\n");
    let answer = client.answer();
    let named = |list: &[(String, String)]| list.iter().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>();
    assert_eq!(named(&answer.trailers), ["x-sum"], "{answer}");
    assert_eq!(named(&upstream.last().trailers), ["x-in"]);
}

#[test]
fn events_are_handed_over_one_by_one() {
    let (heard, hears) = std::sync::mpsc::channel();
    let hears = std::sync::Mutex::new(hears);
    let upstream = ScriptedUpstream::start(move |connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..3 {
            connection.send("a\r\ndata: ev\n\n\r\n");
            // The next one is sent only when this one was heard.
            hears.lock().unwrap().recv().unwrap();
        }
    });
    let house = shop(&upstream, "access: public");
    let mut client = house.call("GET /shop/events").open();
    for _ in 0..3 {
        client.read_through(b"data: ev\n\n");
        heard.send(()).unwrap();
    }
}
