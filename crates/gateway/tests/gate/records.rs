//! One record a call, whatever happens to it, and that it tells how the call ended.

use callgate_model::Code;
use callgate_model::record::End;
use callgate_testkit::{RawClient, ScriptedUpstream, reply, wait_for};

use crate::house::{check, shop, shop_with};

/// Holds `/hold`, sends half of `/half`, and answers everything else.
fn upstream() -> ScriptedUpstream {
    ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.head_only() {
            match request.target() {
                "/hold" => return connection.hold(),
                "/half" => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
                    return connection.hold();
                }
                "/break" => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
                    return;
                }
                "/chunks" => {
                    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
                }
                "/empty" => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
                "/none" => {
                    connection.send("HTTP/1.1 204 No Content\r\n\r\n");
                }
                "/same" => {
                    connection.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
                }
                "/until-close" => {
                    connection.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
                    return;
                }
                _ if request.line.starts_with("HEAD") => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
                }
                _ => {
                    connection.send(reply("200 OK", "whole"));
                }
            }
        }
    })
}

#[test]
fn answers_that_are_handed_over_whole_are_complete() {
    let upstream = upstream();
    let house = shop(&upstream, "access: public");
    for (what, status, bytes) in [
        ("GET /shop/whole", 200, 5),
        ("HEAD /shop/whole", 200, 0),
        ("GET /shop/chunks", 200, 2),
        ("GET /shop/empty", 200, 0),
        ("GET /shop/none", 204, 0),
        ("GET /shop/same", 304, 0),
        ("GET /shop/until-close", 200, 13),
    ] {
        let answer = check(&house.call(what), &status.to_string());
        let record = house.record(&answer);
        assert_eq!((record.end, record.status, record.response_bytes), (End::Complete, status, bytes), "{what}");
        let part = record.upstream.clone().unwrap();
        assert_eq!((part.status, part.attempts), (Some(status), 1), "{what}");
    }
    check(&house.call("HEAD /nowhere"), "404 no_such_route");
    assert_eq!(house.records_of("/nowhere", 1)[0].end, End::Refused);
    check(&house.call("OPTIONS *"), "204");
    assert_eq!(house.records_of("*", 1)[0].end, End::Complete);
}

#[test]
fn a_caller_that_leaves_before_the_answer_is_recorded_once() {
    let upstream = upstream();
    let house = shop(&upstream, "access: key\nconcurrent: 5");
    let key = house.key("ada");
    let client = house.call("GET /shop/hold").key(&key).open();
    wait_for("the call to arrive", || upstream.count() == 1);
    client.reset();
    let record = &house.records_of("/shop/hold", 1)[0];
    assert_eq!((record.end, record.status), (End::ClientGone, 0));
    assert_eq!(record.consumer.as_deref(), Some("ada"));
    assert_eq!(record.upstream.as_ref().map(|part| part.status), Some(None), "it was under way at the upstream");
}

#[test]
fn a_caller_that_leaves_in_its_body_is_recorded_once() {
    let upstream = upstream();
    let house = shop(&upstream, "access: public\nwell_formed: true");
    for (path, content_type) in [("/shop/hold", "text/plain"), ("/shop/collected", "application/json")] {
        let mut client = RawClient::connect(house.listeners[0]);
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\nContent-Type: {content_type}\r\n\r\n[12"
        ));
        if path == "/shop/hold" {
            wait_for("the call to arrive", || upstream.count() == 1);
        }
        client.reset();
        let record = &house.records_of(path, 1)[0];
        assert_eq!((record.end, record.status), (End::ClientGone, 0), "{path}");
        assert!(record.refusal.is_none(), "{path}: nobody was refused");
    }
}

#[test]
fn a_caller_that_leaves_in_the_answer_and_an_upstream_that_breaks_are_told_apart() {
    let upstream = upstream();
    let house = shop(&upstream, "access: public\nidle: 300ms");
    let mut client = house.call("GET /shop/half").open();
    client.read_through(b"half");
    client.reset();
    assert_eq!(house.records_of("/shop/half", 1)[0].end, End::ClientGone);
    let mut client = house.call("GET /shop/break").open();
    assert!(client.try_answer().is_err());
    assert_eq!(house.records_of("/shop/break", 1)[0].end, End::UpstreamBroke);
    let mut client = house.call("GET /shop/half").open();
    assert!(client.try_answer().is_err());
    assert_eq!(house.records_of("/shop/half", 2)[1].end, End::TimedOut);
}

/// What the record tells is what the caller saw, however soon it broke.
#[test]
fn an_answer_that_breaks_at_once_is_seen_to_begin() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upstream = ScriptedUpstream::start(|connection| {
        if let Some(request) = connection.request() {
            let good = if request.target() == "/later" { "5\r\nhello\r\n" } else { "" };
            connection.send(format!("{HEAD}{good}no chunk\r\n"));
        }
    });
    let house = shop(&upstream, "access: public");
    for (path, body) in [("/shop/once", &b""[..]), ("/shop/later", b"5\r\nhello\r\n")] {
        let mut client = house.call(&format!("GET {path}")).open();
        let head = client.read_through(b"\r\n\r\n");
        assert!(head.starts_with(b"HTTP/1.1 200"), "{path}");
        assert_eq!(client.rest(), body, "{path}");
        let record = &house.records_of(path, 1)[0];
        let expect = (End::UpstreamBroke, 200, if body.is_empty() { 0 } else { 5 });
        assert_eq!((record.end, record.status, record.response_bytes), expect, "{path}");
    }
}

/// A server may answer before it has the whole request. That the rest does not come is none of its doing.
#[test]
fn a_request_that_breaks_behind_the_head_of_its_answer_is_not_the_servers_doing() {
    let upstream = ScriptedUpstream::start(|connection| {
        if connection.head_only().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            connection.until_closed();
        }
    });
    let house = shop(&upstream, "access: public\nbody_max: 1KiB");
    let begun = |path: &str| {
        let mut client = RawClient::connect(house.listeners[0]);
        client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
        client.read_through(b"\r\n\r\n");
        client
    };
    let large = format!("800\r\n{}\r\n", "x".repeat(0x800));
    for (path, rest, code) in
        [("/shop/broken", "no chunk\r\n", Code::MalformedRequest), ("/shop/large", &*large, Code::BodyTooLarge)]
    {
        begun(path).send(rest).rest();
        let record = &house.records_of(path, 1)[0];
        let refused = record.refusal.as_ref().map(|refusal| refusal.code);
        assert_eq!((record.end, record.status, refused), (End::Refused, 200, Some(code)), "{path}");
    }
    begun("/shop/gone").reset();
    let record = &house.records_of("/shop/gone", 1)[0];
    assert_eq!((record.end, record.status, record.refusal.is_none()), (End::ClientGone, 200, true));
}

#[test]
fn a_faulty_head_is_recorded_once() {
    let upstream = upstream();
    let house = shop(&upstream, "access: public");
    let mut client = RawClient::connect(house.listeners[0]);
    client.send("GET /shop/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.summary(), "400 malformed_request");
    let record = house.record(&answer);
    assert_eq!((record.end, record.status, &*record.path), (End::Refused, 400, ""));
    house.records_of("", 1);
}

#[test]
fn every_record_tells_the_phase_that_refused() {
    let upstream = upstream();
    let house = shop_with(&upstream, "plans: { free: { quota: 1/day } }", "access: key\nroutes: [GET /a: {}]");
    let key = house.key_on("ada", "free");
    let phase = |call: &callgate_testkit::Call, expect: &str| {
        let answer = check(call, expect);
        house.record(&answer).phase.name()
    };
    assert_eq!(phase(&house.call("GET /nowhere"), "404 no_such_route"), "route");
    assert_eq!(phase(&house.call("GET /shop/a"), "401 credential_missing"), "identify");
    assert_eq!(phase(&house.call("GET /shop/b").key(&key), "404 no_such_route"), "identify");
    assert_eq!(phase(&house.call("GET /shop/a").key(&key), "200"), "record");
    assert_eq!(phase(&house.call("GET /shop/a").key(&key), "429 quota_exhausted"), "meter");
}

/// A secret that a caller put where it does not belong is not kept either.
#[test]
fn no_record_holds_a_key_or_a_query() {
    let upstream = upstream();
    let house = shop(&upstream, "access: key\nkeys: { query: key }");
    let key = house.key("ada");
    let answer = check(&house.call(&format!("GET /shop/a?key={key}&token=hunter2")), "200");
    let record = serde_json::to_string(&*house.record(&answer)).unwrap();
    assert!(!record.contains(&key) && !record.contains("hunter2"), "{record}");
    assert_eq!(upstream.last().target(), "/a?token=hunter2");
}

#[test]
fn nothing_is_in_flight_when_everybody_has_gone() {
    let upstream = upstream();
    let house = shop(&upstream, "access: public");
    let clients: Vec<_> =
        ["/hold", "/half", "/hold"].iter().map(|path| house.call(&format!("GET /shop{path}")).open()).collect();
    wait_for("the calls to arrive", || upstream.count() == 3);
    assert_eq!(house.gate.in_flight(), 3);
    drop(clients);
    check(&house.call("GET /shop/a"), "200");
    wait_for("nothing in flight", || house.gate.in_flight() == 0);
    house.records_of("/shop/hold", 2);
    house.records_of("/shop/half", 1);
}
