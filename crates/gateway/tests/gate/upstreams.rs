//! Upstreams that fail in every way, and what the caller hears.

use std::time::Duration;

use callgate_model::record::End;
use callgate_testkit::{RawClient, ScriptedUpstream, reply};

use crate::house::{House, check, shop, shop_with, shop_yaml};

#[test]
fn what_is_no_answer_is_no_answer() {
    for (bytes, expect) in [
        (&b"SSH-2.0-OpenSSH_9.6\r\n\r\n"[..], "502 upstream_invalid"),
        (b"HTTP/1.1 999999 Huge\r\n\r\n", "502 upstream_invalid"),
        (b"HTTP/1.1 099 Small\r\nContent-Length: 0\r\n\r\n", "502 upstream_invalid"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "502 upstream_invalid",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "502 upstream_invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab", "502 upstream_invalid"),
        (b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n", "502 upstream_invalid"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "502 upstream_invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "502 upstream_unreachable"),
        (b"", "502 upstream_unreachable"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "502 upstream_unreachable"),
    ] {
        let upstream = ScriptedUpstream::start(move |connection| {
            if connection.request().is_some() {
                connection.send(bytes);
            }
        });
        let house = shop(&upstream, "access: public");
        let answer = check(&house.call("POST /shop/a").body("text/plain", "x"), expect);
        assert_eq!(upstream.count(), 1, "a POST is never sent twice");
        assert_eq!(house.record(&answer).end, End::Refused);
        let text = answer.text();
        assert!(!text.contains(&upstream.address().to_string()), "where the server is belongs to the operator: {text}");
    }
    let house = House::start(
        &shop_yaml("", "access: public").replace("UPSTREAM", &format!("http://{}", ScriptedUpstream::nobody())),
    );
    check(&house.call("GET /shop/a"), "502 upstream_unreachable");
}

#[test]
fn a_huge_head_is_refused() {
    let head = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(10 * 1024 * 1024));
    let upstream = ScriptedUpstream::replying(head);
    let house = shop(&upstream, "access: public");
    check(&house.call("GET /shop/a"), "502 upstream_invalid");
    let fields = (0..400).map(|number| format!("X-{number}: a\r\n")).collect::<String>();
    let upstream = ScriptedUpstream::replying(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"));
    let house = shop(&upstream, "access: public");
    check(&house.call("GET /shop/a"), "502 upstream_invalid");
}

#[test]
fn silence_ends_in_504() {
    let upstream = ScriptedUpstream::start(|connection| {
        connection.request();
        connection.hold();
    });
    let house = shop(&upstream, "access: public\nroutes: [GET /a: { timeout: 200ms }, GET /total: { total: 200ms }]");
    let answer = check(&house.call("GET /shop/a"), "504 upstream_timeout");
    assert!(answer.json()["detail"].as_str().unwrap().contains("`timeout`"), "{answer}");
    let answer = check(&house.call("GET /shop/total"), "504 upstream_timeout");
    assert!(answer.json()["detail"].as_str().unwrap().contains("`total`"), "{answer}");
}

#[test]
fn more_than_was_declared_reaches_nobody() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            if request.target() == "/more" {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfourHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nleaked");
            } else {
                connection.send(reply("200 OK", request.target()));
            }
        }
    });
    let house = shop(&upstream, "access: public");
    for round in 0..20 {
        assert_eq!(check(&house.call("GET /shop/more"), "200").text(), "four");
        let path = format!("/{round}");
        assert_eq!(check(&house.call(&format!("GET /shop{path}")), "200").text(), path);
    }
}

/// RFC 9112 section 6.3: Transfer-Encoding overrides Content-Length, and a forwarded message has only one of them.
#[test]
fn an_answer_with_two_framings_is_forwarded_with_one() {
    let upstream = ScriptedUpstream::replying(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    let house = shop(&upstream, "access: public");
    let mut client = house.call("GET /shop/a").open();
    let answer = client.answer();
    if answer.status == 200 {
        assert_eq!((answer.field("content-length"), answer.text().as_str()), (None, "hello"), "{answer}");
    } else {
        assert_eq!(answer.summary(), "502 upstream_invalid");
    }
}

#[test]
fn a_body_that_stands_still_is_cut_and_one_that_trickles_is_not() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
            // Eight pauses are longer than `idle` together, and each of them so much shorter that a busy machine keeps to it.
            for _ in 0..8 {
                std::thread::sleep(Duration::from_millis(300));
                connection.send("x");
                if request.target() == "/stand" {
                    return connection.hold();
                }
            }
        }
    });
    let house = shop(&upstream, "access: public\nidle: 2s");
    assert_eq!(check(&house.call("GET /shop/trickle"), "200").text(), "xxxxxxxx");
    assert!(house.call("GET /shop/stand").open().try_answer().is_err());
    assert_eq!(house.records_of("/shop/stand", 1)[0].end, End::TimedOut);
    let house = shop(&upstream, "access: public\ntotal: 1s");
    assert!(house.call("GET /shop/trickle").open().try_answer().is_err());
    assert_eq!(house.records_of("/shop/trickle", 1)[0].end, End::TimedOut);
}

/// `idle` is about the upstream. A caller that reads slowly has a bound of its own.
#[test]
fn a_caller_that_reads_slowly_does_not_time_the_upstream_out() {
    const BYTES: usize = 24 * 1024 * 1024;
    let upstream = ScriptedUpstream::start(|connection| {
        while connection.request().is_some() {
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {BYTES}\r\n\r\n"));
            std::thread::sleep(Duration::from_millis(50));
            connection.send(vec![b'x'; BYTES / 2]);
            connection.send(vec![b'x'; BYTES / 2]);
        }
    });
    let house = shop(&upstream, "access: public\nidle: 300ms");
    let mut client = RawClient::connect_narrow(house.listeners[0]);
    client.send(house.call("GET /shop/a").bytes());
    for _ in 0..3 {
        client.read_exactly(BYTES / 8);
        std::thread::sleep(Duration::from_millis(700));
    }
    client.read_exactly(BYTES / 8 * 5);
    assert_eq!(house.records_of("/shop/a", 1)[0].end, End::Complete);
}

#[test]
fn total_ends_an_answer_that_never_pauses() {
    let upstream = ScriptedUpstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\n\r\n");
        while connection.send([b'x'; 64 * 1024]) {}
    });
    let house = shop(&upstream, "access: public\ntotal: 300ms");
    let mut client = house.call("GET /shop/a").open();
    client.rest();
    assert_eq!(house.records_of("/shop/a", 1)[0].end, End::TimedOut);
}

#[test]
fn an_answer_of_another_type_is_refused_and_said_to_have_taken_effect() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\nproduces: [application/json]");
    let answer = check(&house.call("GET /shop/a"), "502 response_violated");
    assert_eq!(answer.field("callgate-upstream-status"), Some("200"));
    assert!(answer.json()["hint"].as_str().unwrap().contains("took effect"));
    check(&house.call("GET /shop/a").field("Accept", "text/html"), "406 not_acceptable");
}

#[test]
fn a_cacheable_answer_to_a_key_in_the_query_is_private_and_a_secret_one_stays_secret() {
    let upstream = ScriptedUpstream::responding(|request| {
        let control = request.field("x-control").unwrap_or("").to_owned();
        let field = if control.is_empty() { String::new() } else { format!("Cache-Control: {control}\r\n") };
        format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 0\r\n\r\n").into_bytes()
    });
    let house = shop(&upstream, "access: key\nkeys: { query: key }");
    let key = house.key("ada");
    for (control, expect) in [
        ("", "private"),
        ("public, max-age=60", "private"),
        ("no-store", "no-store"),
        ("private, max-age=5", "private, max-age=5"),
    ] {
        let answer = check(&house.call(&format!("GET /shop/a?key={key}")).field("X-Control", control), "200");
        assert_eq!(answer.fields_named("cache-control"), [expect], "{control}");
        assert_eq!(answer.field("referrer-policy"), Some("no-referrer"));
    }
}

/// Many servers close a kept connection at the very moment it is used again. That is no failure of a call that may be
/// repeated, and none that the gate may repeat of one that may not.
#[test]
fn a_kept_connection_that_closes_on_its_next_call_fails_only_what_is_unsafe_to_repeat() {
    let upstream = ScriptedUpstream::start(|connection| {
        match connection.request() {
            Some(request) if request.target() == "/once" => {
                connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nonce");
                return;
            }
            Some(_) => drop(connection.send(reply("200 OK", "first"))),
            None => return,
        }
        // The next request is read and answered by closing.
        connection.request();
    });
    // Connections are kept per worker, so there must be one for the next call to meet them.
    let house = shop_with(&upstream, "workers: 1", "access: public");
    // What pays for a repeat: calls that each have a connection of their own.
    for _ in 0..5 {
        check(&house.call("GET /shop/once"), "200");
    }
    check(&house.call("GET /shop/a"), "200");
    let answer = check(&house.call("GET /shop/b"), "200");
    assert_eq!(house.record(&answer).upstream.as_ref().unwrap().attempts, 2);
    check(&house.call("POST /shop/c").body("text/plain", "x"), "502 upstream_unreachable");
}

/// Bodies where there can be none: whoever calls next must not read them.
#[test]
fn a_body_behind_a_bodiless_answer_reaches_nobody() {
    const SMUGGLED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nleaked";
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            let head = match request.target() {
                _ if request.line.starts_with("HEAD") => {
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", SMUGGLED.len())
                }
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                "/304" => "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
                "/205" => format!("HTTP/1.1 205 Reset Content\r\nContent-Length: {}\r\n\r\n", SMUGGLED.len()),
                "/205/chunks" => {
                    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
                    connection.send(format!("HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"));
                    continue;
                }
                target => {
                    connection.send(reply("200 OK", target));
                    continue;
                }
            };
            connection.send(head + SMUGGLED);
        }
    });
    let house = shop(&upstream, "access: public");
    let calls = ["HEAD /shop/a", "GET /shop/204", "GET /shop/304", "GET /shop/205", "GET /shop/205/chunks"];
    for (number, what) in calls.iter().cycle().take(20).enumerate() {
        let answer = house.call(what).send();
        assert!(answer.body.is_empty(), "{what}");
        let path = format!("/next/{number}");
        assert_eq!(check(&house.call(&format!("GET /shop{path}")), "200").text(), path);
    }
}

#[test]
fn interim_answers_are_not_the_answer_and_nobody_speaks_as_the_gate() {
    let upstream = ScriptedUpstream::replying(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 429 Too Many\r\nCallgate-Refused: rate_limited\r\nCallgate-Call-Id: x\r\nRateLimit: \"their\";r=0;t=1\r\nRetry-After: 7\r\nConnection: X-Hop, Retry-After\r\nX-Hop: 1\r\nContent-Length: 4\r\n\r\nbusy",
    );
    let house = shop(&upstream, "access: public\nlimits: [\"ours: 5/s per ip\"]");
    let answer = check(&house.call("GET /shop/a"), "429");
    assert_eq!((answer.text().as_str(), answer.field("retry-after")), ("busy", Some("7")), "{answer}");
    assert_eq!((answer.field("callgate-refused"), answer.field("x-hop")), (None, None), "{answer}");
    assert_eq!(answer.fields_named("callgate-call-id").len(), 1);
    assert!(
        answer.fields_named("ratelimit").concat().contains("ours") && !answer.to_string().contains("their"),
        "{answer}"
    );
    assert_eq!(house.record(&answer).end, End::Complete);
}
