//! What reaches the upstream, and what comes back: bodies, fields, timing.

use std::time::Duration;

use callgate_testkit::{Call, Fault, RawClient, ScriptedUpstream, Signal, reply, wait_for};

use crate::setup::{check, memory_kib, public_shop, shop, shop_with, two_events};

#[test]
fn fields_between_two_hops_stay_there() {
    let upstream = ScriptedUpstream::replying(
        "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nX-End: 1\r\nContent-Length: 0\r\n\r\n",
    );
    let gate = public_shop(&upstream);
    let answer = check(
        &gate
            .call("GET /shop/a")
            .field("Connection", "keep-alive, X-Private")
            .field("X-Private", "1")
            .field("Keep-Alive", "timeout=5")
            .field("TE", "trailers, gzip")
            .field("Proxy-Authorization", "Basic eDp5")
            .field("Proxy-Connection", "keep-alive")
            .field("Upgrade", "h2c")
            .field("X-Public", "1"),
        "200",
    );
    let received = upstream.last();
    for name in ["x-private", "keep-alive", "proxy-authorization", "proxy-connection", "upgrade"] {
        assert_eq!(received.field(name), None, "{name}: {received}");
    }
    assert_eq!(received.field("x-public"), Some("1"));
    for name in ["x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.field(name), None, "{name}: {answer}");
    }
    assert_eq!(answer.field("x-end"), Some("1"));
}

#[test]
fn a_caller_cannot_take_the_gates_own_fields_off_by_connection() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let call = gate.call("GET /shop/a").field("Connection", "X-Forwarded-For, X-Forwarded-Proto, Host, Forwarded, Via");
    check(&call, "200");
    let received = upstream.last();
    assert_eq!(received.fields_named("x-forwarded-for"), ["127.0.0.1"], "{received}");
    assert_eq!(received.fields_named("host").len(), 1, "{received}");
    assert_eq!(received.field("x-forwarded-proto"), Some("http"), "{received}");
}

#[test]
fn the_upstream_hears_who_calls_and_through_whom() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    gate.consumer("ada");
    let key = gate.key("ada", &["--scope", "orders:read", "--scope", "orders:write"]);
    let answer = check(&gate.call("GET /shop/a").key(&key).field("Host", "shop.example.com"), "200");
    let received = upstream.last();
    assert_eq!(received.field("callgate-consumer"), Some("ada"), "{received}");
    assert_eq!(received.field("callgate-key-id"), Some(key.id.as_str()), "{received}");
    assert_eq!(received.field("callgate-scopes"), Some("orders:read orders:write"), "{received}");
    assert_eq!(received.field("host"), Some(upstream.address().to_string().as_str()), "{received}");
    assert_eq!(received.field("x-forwarded-host"), Some("shop.example.com"), "{received}");
    assert_eq!(received.field("x-forwarded-for"), Some("127.0.0.1"), "{received}");
    assert!(received.field("via").is_some_and(|via| via.starts_with("1.1 ")), "{received}");
    assert!(received.field("forwarded").is_some_and(|value| value.contains("for=127.0.0.1")), "{received}");
    let trace = received.field("traceparent").unwrap();
    assert_eq!((trace.len(), &trace[..3]), (55, "00-"), "{received}");
    assert_eq!(received.field("callgate-call-id"), Some(answer.call_id().as_str()), "{received}");
}

#[test]
fn a_trace_goes_on_and_a_broken_one_begins_anew() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    check(&gate.call("GET /shop/a").field("traceparent", format!("00-{trace}-00f067aa0ba902b7-01")), "200");
    let sent = upstream.last().field("traceparent").unwrap().to_owned();
    assert!(sent.starts_with(&format!("00-{trace}-")), "{sent}");
    check(&gate.call("GET /shop/a").field("traceparent", "00-0000"), "200");
    assert_eq!(upstream.last().field("traceparent").unwrap().len(), 55);
}

#[test]
fn forged_fields_never_reach_the_upstream() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let call = gate
        .call("GET /shop/a")
        .field("Callgate-Consumer", "admin")
        .field("callgate-key-id", "AAAAAAAA")
        .field("Callgate-Scopes", "*")
        .field("Callgate-Call-Id", "forged")
        .field("X-Forwarded-For", "1.2.3.4")
        .field("X-Forwarded-Proto", "https")
        .field("X-Forwarded-Host", "evil.example.com")
        .field("Forwarded", "for=1.2.3.4;proto=https")
        .field("X-Real-IP", "1.2.3.4")
        .field("X-HTTP-Method-Override", "DELETE")
        .field("X-Original-URL", "/admin")
        .field("X-Rewrite-URL", "/admin");
    check(&call, "200");
    let received = upstream.last();
    let text = received.to_string();
    for forged in ["admin", "AAAAAAAA", "forged", "1.2.3.4", "evil.example.com", "DELETE"] {
        assert!(!text.contains(forged), "`{forged}` came through:\n{text}");
    }
    assert_eq!(received.field("callgate-consumer"), None, "{text}");
    assert_eq!(received.field("x-forwarded-proto"), Some("http"), "{text}");
}

#[test]
fn an_upstreams_callgate_fields_are_not_believed_either() {
    let upstream = ScriptedUpstream::replying(
        "HTTP/1.1 404 Not Found\r\nCallgate-Refused: no_such_route\r\nCallgate-Call-Id: forged\r\nContent-Length: 4\r\n\r\nmine",
    );
    let answer = check(&public_shop(&upstream).call("GET /shop/a"), "404");
    assert_eq!(answer.text(), "mine", "an upstream's own error passes untouched");
    assert_eq!(answer.fields_named("callgate-call-id").len(), 1, "{answer}");
    assert_ne!(answer.call_id(), "forged");
}

#[test]
fn host_caller_sends_the_callers_host() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = crate::setup::shop_yaml("{ server: UPSTREAM, host: caller }", "access: public");
    let gate = callgate_testkit::TestGate::before(&upstream, &yaml);
    check(&gate.call("GET /shop/a").field("Host", "shop.example.com:8080"), "200");
    assert_eq!(upstream.last().field("host"), Some("shop.example.com:8080"));
}

#[test]
fn bodies_trailers_and_methods_arrive_as_they_were_sent() {
    let upstream = ScriptedUpstream::echoing();
    let gate = public_shop(&upstream);
    for method in ["POST", "PUT", "PATCH", "DELETE", "QUERY", "PROPFIND"] {
        let body = "é\0\r\n\r\n".repeat(1000);
        check(&gate.call(&format!("{method} /shop/a")).body("text/plain", &body), "200");
        let received = upstream.last();
        assert!(received.line.starts_with(&format!("{method} /a HTTP/1.1")), "{}", received.line);
        assert_eq!(received.body, body.as_bytes());
    }
    check(&gate.call("POST /shop/a").body("text/plain", "x".repeat(100_000)).chunked(), "200");
    assert_eq!(upstream.last().body.len(), 100_000);
    let mut client = RawClient::connect(gate.address());
    client.send("POST /shop/a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n");
    assert_eq!(client.answer().summary(), "200");
    assert_eq!(upstream.last().trailers, [("X-Sum".to_owned(), "7".to_owned())].map(lower));
}

fn lower((name, value): (String, String)) -> (String, String) {
    (name.to_ascii_lowercase(), value)
}

#[test]
fn an_answers_trailers_and_chunks_come_back() {
    let upstream = ScriptedUpstream::replying(
        "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let answer = check(&public_shop(&upstream).call("GET /shop/a").field("TE", "trailers"), "200");
    assert_eq!(answer.text(), "hello world");
    assert_eq!(answer.trailers.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["7"]);
}

#[test]
fn an_event_is_handed_over_at_once() {
    let next = Signal::new();
    let upstream = two_events(&next);
    let gate = public_shop(&upstream);
    let mut client = gate.call("GET /shop/events").open();
    client.read_through(b"data: first");
    next.raise();
    client.read_through(b"data: second");
}

#[test]
fn a_request_body_streams_before_it_is_complete() {
    let seen = Signal::new();
    let upstream = {
        let seen = seen.clone();
        ScriptedUpstream::start(move |connection| {
            connection.head_only().unwrap();
            assert_eq!(connection.read(5).as_deref(), Some(&b"hello"[..]));
            seen.raise();
            connection.read(5);
            connection.send(reply("200 OK", "done"));
        })
    };
    let gate = public_shop(&upstream);
    let mut client = RawClient::connect(gate.address());
    client.send("POST /shop/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    seen.wait();
    client.send("world");
    assert_eq!(client.answer().text(), "done");
}

#[test]
fn expect_is_answered_by_the_gate_once_every_phase_has_passed() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada").text;
    let head = |key: &str| {
        format!(
            "POST /shop/a HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };
    let mut refused = RawClient::connect(gate.address());
    refused.send(head("wrong"));
    let answer = refused.answer();
    assert_eq!(
        (answer.summary().as_str(), answer.interim.len()),
        ("401 credential_unknown", 0),
        "no body was asked for"
    );
    let mut client = RawClient::connect(gate.address());
    client.send(head(&key));
    client.read_through(b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer().summary(), "200");
    assert_eq!((upstream.last().body.as_slice(), upstream.last().field("expect")), (&b"hello"[..], None));
    // A client that sends its body without waiting is served too.
    let mut eager = RawClient::connect(gate.address());
    eager.send(head(&key) + "hello");
    assert_eq!(eager.answer().summary(), "200");
}

#[test]
fn a_large_body_passes_in_flat_memory_both_ways() {
    const SIZE: usize = 256 * 1024 * 1024;
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.head_only() else { return };
        let length: usize = request.field("content-length").unwrap_or("0").parse().unwrap();
        let mut left = length;
        while left > 0 {
            let piece = left.min(64 * 1024);
            if connection.read(piece).is_none() {
                return;
            }
            left -= piece;
        }
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        let piece = vec![b'y'; 64 * 1024];
        for _ in 0..length / piece.len() {
            connection.send(&piece);
        }
    });
    let mut gate = shop(&upstream, "access: public\nbody_max: 1GiB");
    let before = memory_kib(gate.program().id(), "VmHWM");
    let mut client = RawClient::connect(gate.address());
    client.send(format!("POST /shop/a HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"));
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..SIZE / piece.len() {
        client.try_send(&piece).unwrap();
    }
    client.read_through(b"\r\n\r\n");
    for _ in 0..SIZE / piece.len() {
        assert_eq!(client.read_exactly(piece.len()).len(), piece.len());
    }
    let grown = memory_kib(gate.program().id(), "VmHWM").saturating_sub(before);
    assert!(grown < 32 * 1024, "512 MiB went through, and the gate grew by {grown} KiB");
}

#[test]
fn a_caller_that_does_not_read_holds_the_upstream_back() {
    let upstream = ScriptedUpstream::start(|connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
            let piece = vec![b'y'; 64 * 1024];
            while connection.send(&piece) {}
        }
    });
    let mut gate = public_shop(&upstream);
    let before = memory_kib(gate.program().id(), "VmRSS");
    let mut client = RawClient::connect_narrow(gate.address());
    client.send(gate.call("GET /shop/a").bytes());
    client.read_through(b"\r\n\r\n");
    check_stays_small(&mut gate, before);
    drop(client);
    check(&gate.call("GET /nowhere"), "404 no_such_route");
}

fn check_stays_small(gate: &mut callgate_testkit::TestGate, before: u64) {
    // Nothing to wait for: that nothing happens is looked at several times.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(25));
        let grown = memory_kib(gate.program().id(), "VmRSS").saturating_sub(before);
        assert!(grown < 32 * 1024, "nobody reads, and the gate grew by {grown} KiB");
    }
}

#[test]
fn a_caller_that_leaves_ends_the_upstream_call() {
    let ended = Signal::new();
    let upstream = {
        let ended = ended.clone();
        ScriptedUpstream::start(move |connection| {
            if connection.request().is_some() {
                connection.until_closed();
                ended.raise();
            }
        })
    };
    let gate = public_shop(&upstream);
    let client = gate.call("GET /shop/a").open();
    wait_for("the call at the upstream", || upstream.count() == 1);
    client.reset();
    ended.wait();
}

#[test]
fn answers_of_many_callers_are_never_mixed_up() {
    let upstream = ScriptedUpstream::responding(|request| reply("200 OK", request.target()));
    let gate = public_shop(&upstream);
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let address = gate.address();
            scope.spawn(move || {
                let mut client = RawClient::connect(address);
                for number in 0..50 {
                    // Every fifth call is given up, so that connections are cut in every state.
                    if number % 5 == 0 {
                        Call::new(address, &format!("GET /shop/lost-{caller}")).open().reset();
                    }
                    let target = format!("/{caller}-{number}");
                    client.send(Call::new(address, &format!("GET /shop{target}")).bytes());
                    assert_eq!(client.answer().text(), target);
                }
            });
        }
    });
}

#[test]
fn an_early_answer_of_the_upstream_is_handed_over() {
    let upstream = ScriptedUpstream::start(|connection| {
        connection.head_only();
        connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        connection.until_closed();
    });
    let gate = shop(&upstream, "access: public\nbody_max: 100MiB");
    let mut client = RawClient::connect(gate.address());
    client.send("POST /shop/a HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\nxxxx");
    let answer = client.answer();
    assert_eq!((answer.summary().as_str(), answer.text().as_str()), ("413", "big"));
}

#[test]
fn http_1_0_is_served_without_chunks_and_closed() {
    let upstream =
        ScriptedUpstream::replying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let gate = public_shop(&upstream);
    let mut client = RawClient::connect(gate.address());
    client.send("GET /shop/a HTTP/1.0\r\nHost: a\r\n\r\n");
    let rest = String::from_utf8(client.rest()).unwrap();
    assert!(rest.contains(" 200 ") && rest.ends_with("\r\n\r\nhello"), "{rest}");
    assert!(!rest.to_ascii_lowercase().contains("transfer-encoding"), "{rest}");
}

#[test]
fn times_are_bounded_as_the_api_says() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            match request.target() {
                "/silent" => connection.hold(),
                _ => {
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                    connection.hold();
                }
            }
        }
    });
    let gate = shop(&upstream, "access: public\ntimeout: 200ms\nidle: 200ms");
    check(&gate.call("GET /shop/silent"), "504 upstream_timeout");
    let stalled = gate.call("GET /shop/stalls").open().try_answer();
    assert!(
        matches!(stalled, Err(Fault::Cut(_) | Fault::Reset)),
        "a stalled body is cut, never completed: {stalled:?}"
    );
    let gate = shop_with(&upstream, "", "access: public\ntotal: 300ms\nidle: 10s");
    let late = gate.call("GET /shop/stalls").open().try_answer();
    assert!(matches!(late, Err(Fault::Cut(_) | Fault::Reset)), "{late:?}");
}
