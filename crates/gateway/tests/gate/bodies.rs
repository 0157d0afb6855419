//! Bodies of requests: their size, their form, their pace, and that they arrive.

use std::time::Duration;

use callgate_testkit::{RawClient, ScriptedUpstream, reply, wait_for};

use crate::house::{check, shop};

#[test]
fn a_body_of_any_method_arrives_however_it_is_framed() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY", "OPTIONS"] {
        check(&house.call(&format!("{method} /shop/a")).body("text/plain", "hello").chunked(), "200");
        assert_eq!(upstream.last().body, b"hello", "{method} in chunks");
        check(&house.call(&format!("{method} /shop/a")).body("text/plain", "hello"), "200");
        assert_eq!(upstream.last().body, b"hello", "{method} with a length");
    }
    check(&house.call("POST /shop/a").untyped_body(""), "200");
    assert_eq!(upstream.last().field("content-length"), Some("0"));
    check(&house.call("GET /shop/a"), "200");
    assert_eq!((upstream.last().field("content-length"), upstream.last().field("transfer-encoding")), (None, None));
}

#[test]
fn the_cap_holds_for_declared_and_for_counted_bytes() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(head) = connection.head_only() {
            let length: usize = head.field("content-length").map_or(usize::MAX, |length| length.parse().unwrap());
            if connection.read(length).is_none() {
                return;
            }
            connection.send(reply("200 OK", "ok"));
        }
    });
    let house = shop(&upstream, "access: public\nbody_max: 1KiB");
    check(&house.call("POST /shop/a").body("text/plain", [b'x'; 1024]), "200");
    let refused = check(&house.call("POST /shop/declared").body("text/plain", [b'x'; 1025]), "413 body_too_large");
    assert!(refused.json()["detail"].as_str().unwrap().contains("1024"), "{refused}");
    assert_eq!(upstream.count(), 1, "a declared length is refused before anything is forwarded");
    check(&house.call("POST /shop/counted").body("text/plain", [b'x'; 100_000]).chunked(), "413 body_too_large");
    house.records_of("/shop/counted", 1);
}

#[test]
fn bodies_must_be_what_they_say_they_are() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\nwell_formed: true");
    let json = |body: &str| house.call("POST /shop/a").body("application/json", body);
    check(&json("{\"a\": 1}"), "200");
    let refused = check(&json("{\"a\": 1,}"), "400 body_malformed");
    assert!(refused.json()["detail"].as_str().unwrap().contains("byte"), "{refused}");
    check(&json("{\"a\": 1}").chunked(), "200");
    let received = upstream.last();
    assert_eq!((received.body.as_slice(), received.field("content-length")), (&b"{\"a\": 1}"[..], Some("8")));
    // Of two types the upstream may choose the other one.
    let two = house.call("POST /shop/a").field("Content-Type", "text/plain").body("application/json", "{]");
    check(&two, "400 body_malformed");
    check(&house.call("POST /shop/a").body("text/plain", "{]"), "200");
    // No body is no malformed body.
    check(&house.call("GET /shop/a").field("Content-Type", "application/json"), "200");
}

/// `timeout` bounds the server. A caller who pauses in the middle of its body is bounded by the pace of bodies.
#[test]
fn a_caller_that_pauses_is_not_the_servers_fault() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\ntimeout: 150ms");
    let mut client = house.call("GET /shop/a").open();
    let _ = client.answer();
    client.send("POST /shop/slow HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    wait_for("the head to arrive", || upstream.connections() >= 1);
    std::thread::sleep(Duration::from_millis(600));
    client.send("world");
    assert_eq!(client.answer().summary(), "200");
    assert_eq!(upstream.last().body, b"helloworld");
}

#[test]
fn an_upstream_that_takes_no_more_of_a_body_is_timed_out() {
    let upstream = ScriptedUpstream::start(|connection| {
        connection.head_only();
        connection.hold();
    });
    let house = shop(&upstream, "access: public\ntimeout: 200ms\nbody_max: 100MiB");
    let call = house.call("POST /shop/stuck").body("text/plain", vec![b'x'; 30_000_000]);
    check(&call, "504 upstream_timeout");
}

#[test]
fn expect_is_answered_only_when_every_phase_has_passed() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: key\naccepts: [application/json]");
    let key = house.key("ada");
    let head = |fields: &str| {
        format!("POST /shop/a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n{fields}\r\n")
    };
    let mut client = RawClient::connect(house.listeners[0]);
    client.send(head("Content-Type: application/json\r\n"));
    let answer = client.answer();
    assert_eq!((answer.summary().as_str(), answer.interim.len()), ("401 credential_missing", 0));
    let mut client = RawClient::connect(house.listeners[0]);
    client.send(head(&format!("X-API-Key: {key}\r\nContent-Type: text/plain\r\n")));
    let answer = client.answer();
    assert_eq!((answer.summary().as_str(), answer.interim.len()), ("415 unsupported_content_type", 0));
    let mut client = RawClient::connect(house.listeners[0]);
    client.send(head(&format!("X-API-Key: {key}\r\nContent-Type: application/json\r\n")));
    client.read_through(b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("{}");
    assert_eq!(client.answer().summary(), "200");
    assert_eq!(upstream.last().field("expect"), None);
}

#[test]
fn a_collected_body_is_bounded_in_time_by_total() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\nwell_formed: true\ntotal: 200ms");
    let mut client = RawClient::connect(house.listeners[0]);
    client.send("POST /shop/a HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n[1,");
    assert_eq!(client.answer().summary(), "408 request_timeout");
}

#[test]
fn a_body_that_is_cut_is_never_completed_upstream() {
    let (told, tells) = std::sync::mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let upstream = ScriptedUpstream::start(move |connection| {
        if connection.head_only().is_some() {
            let mut seen = Vec::new();
            while let Some(byte) = connection.read(1) {
                seen.extend(byte);
            }
            told.lock().unwrap().send(seen).unwrap();
        }
    });
    let house = shop(&upstream, "access: public\nbody_max: 10KiB");
    let cut = |body: &str, expect: &str| {
        let (before, mut client) = (upstream.count(), RawClient::connect(house.listeners[0]));
        client.send("POST /shop/cut HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        wait_for("the head", || upstream.count() > before);
        client.send(body);
        let answer = client.answer();
        assert_eq!(answer.summary(), expect);
        let seen = tells.recv_timeout(callgate_testkit::PATIENCE).unwrap();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(!seen.contains("0\r\n\r\n"), "the upstream would take it for whole: {seen}");
    };
    cut(&format!("4e20\r\n{}\r\n0\r\n\r\n", "x".repeat(20_000)), "413 body_too_large");
    cut("zz\r\n", "400 malformed_request");
    assert_eq!(house.records_of("/shop/cut", 2).len(), 2);
}

#[test]
fn a_refused_upload_is_answered_and_its_connection_closed() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: key");
    let answer = check(&house.call("POST /shop/a").body("text/plain", vec![b'x'; 5_000_000]), "401 credential_missing");
    assert_eq!(answer.field("connection"), Some("close"));
    let answer = check(&house.call("POST /shop/a").body("text/plain", "short"), "401 credential_missing");
    assert_eq!(answer.field("connection"), None, "a body that is here already costs no connection");
}
