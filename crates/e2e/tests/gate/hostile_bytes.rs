//! Bytes that are not quite HTTP: each is answered once, clearly, with a record, and never reaches the upstream.

use std::net::TcpStream;
use std::time::Duration;

use callgate_testkit::{Fault, RawClient, ScriptedUpstream, TestGate, eventually};

use crate::setup::{check, check_problem, public_shop, shop};

/// Sends the bytes, expects this refusal, and that the connection is closed after it.
#[track_caller]
fn refused(gate: &TestGate, bytes: impl AsRef<[u8]>, expect: &str) {
    let mut client = RawClient::connect(gate.address());
    client.send(&bytes).finish_sending();
    let shown = String::from_utf8_lossy(&bytes.as_ref()[..bytes.as_ref().len().min(200)]).into_owned();
    let answer = client.try_answer().unwrap_or_else(|fault| panic!("{shown:?}: {fault:?}"));
    assert_eq!(answer.summary(), expect, "{shown:?}\n{answer}");
    check_problem(&answer);
    assert_eq!(String::from_utf8_lossy(&client.rest()), "", "one answer, then the end: {shown:?}");
    let record = gate.record(&answer.call_id());
    assert_eq!(record["callgate.refusal"], expect.split(' ').nth(1).unwrap(), "{shown:?}: {record}");
}

const MALFORMED: &str = "400 malformed_request";

#[test]
fn framing_that_two_parsers_could_read_differently() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let with = |fields: &str, body: &str| format!("POST /shop/a HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}");
    for (fields, body) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
        ("Content-Length: 5, 5\r\n", "hello"),
        ("Content-Length: +5\r\n", "hello"),
        ("Content-Length: -5\r\n", "hello"),
        ("Content-Length: 0x5\r\n", "hello"),
        ("Content-Length: 5 \u{b}\r\n", "hello"),
        ("Content-Length:\r\n", "hello"),
        ("Content-Length: 99999999999999999999999\r\n", "hello"),
        ("Content-Length : 5\r\n", "hello"),
        ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: identity\r\n", ""),
        ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding:\u{b}chunked\r\n", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        ("X: 1\r\n folded\r\n", ""),
        (" Content-Length: 5\r\n", "hello"),
        ("X: a\0b\r\n", ""),
        ("X: a\rb\r\n", ""),
        ("X: 1\nContent-Length: 5\r\n", "hello"),
        ("No colon here\r\n", ""),
        (": empty\r\n", ""),
        ("X Y: 1\r\n", ""),
        ("X_Forwarded_For: 1.2.3.4\r\n", ""),
        ("Host: b\r\n", ""),
    ] {
        refused(&gate, with(fields, body), MALFORMED);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn request_lines_that_are_not() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    for head in [
        "GET /shop/a HTTP/1.1\nHost: a\n\n",
        "GET /shop/a HTTP/1.1\r\n\r\n",
        "GET  /shop/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shop/a HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /shop/a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shop/a HTTP/3.0\r\nHost: a\r\n\r\n",
        "GET /shop/a HTTP/1.2x\r\nHost: a\r\n\r\n",
        "GET /shop/a http/1.1\r\nHost: a\r\n\r\n",
        "GET shop/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "G@T /shop/a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shop/a\r\n\r\n",
        "GET /shop/a HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /shop/a HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /shop/a HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET /shop/a HTTP/1.1\r\nHost: a:99999\r\n\r\n",
        "GET /shop/a#fragment HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shop/\u{7f} HTTP/1.1\r\nHost: a\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "hello\r\n\r\n",
        "\r\n\r\n\r\n\r\nhello\r\n\r\n",
        "SSH-2.0-OpenSSH_9.0\r\n\r\n",
    ] {
        refused(&gate, head, MALFORMED);
    }
    refused(&gate, b"GET /shop/\xff HTTP/1.1\r\nHost: a\r\n\r\n", MALFORMED);
    for method in ["CONNECT a:80", "TRACE /shop/a"] {
        refused(&gate, format!("{method} HTTP/1.1\r\nHost: a\r\n\r\n"), "501 method_unsupported");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_tls_handshake_on_a_clear_port_is_answered() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let mut client = RawClient::connect(gate.address());
    client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").finish_sending();
    let rest = client.rest();
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400 "), "{rest:?}");
    check(&gate.call("GET /shop/a"), "200");
}

#[test]
fn heads_past_their_bounds() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let with = |fields: String| format!("GET /shop/a HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    refused(&gate, with((0..10_000).map(|number| format!("X-{number}: 1\r\n")).collect()), "431 head_too_large");
    refused(&gate, with(format!("X: {}\r\n", "x".repeat(1024 * 1024))), "431 head_too_large");
    refused(&gate, with((0..101).map(|number| format!("X-{number}: 1\r\n")).collect()), "431 head_too_large");
    refused(&gate, "x".repeat(2 * 1024 * 1024), "501 method_unsupported");
    refused(&gate, format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X: 1\r\n".repeat(100_000)), "431 head_too_large");
    refused(&gate, format!("GET /shop/{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9_000)), "414 uri_too_long");
    refused(&gate, format!("GET /shop/{} HTTP/1.1\r\nHost: a\r\n\r\n", "a/".repeat(200)), MALFORMED);
    // Heads that real browsers with many cookies send are taken.
    check(&gate.call("GET /shop/a").field("Cookie", "c".repeat(16 * 1024)), "200");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_smuggled_second_request_is_never_seen() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\nroutes: [\"* /open/**\": {}, \"* /admin/**\": { access: key }]");
    // CL.TE: whoever goes by the length forwards the second request inside the body of the first.
    let body = "0\r\n\r\nGET /shop/admin/x HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = "POST /shop/open/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    refused(&gate, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()), MALFORMED);
    // The same bytes as a body are only a body.
    check(&gate.call("POST /shop/open/a").body("text/plain", body), "200");
    assert_eq!((upstream.count(), upstream.last().body.as_slice()), (1, body.as_bytes()));
    // A body after a GET, and a pipelined request after it, are told apart.
    let mut client = RawClient::connect(gate.address());
    client.send("GET /shop/open/a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET GET /shop/admin/x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().summary(), "200");
    assert_eq!(client.answer().summary(), "401 credential_missing");
}

#[test]
fn chunks_that_are_not() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let head = "POST /shop/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "5\nhello\n0\n\n",
        "5\r\nhello0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "-1\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        "5;ext=\u{1}\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = RawClient::connect(gate.address());
        client.send(format!("{head}{body}")).finish_sending();
        match client.try_answer() {
            Ok(answer) => assert_eq!(answer.summary(), MALFORMED, "{body:?}\n{answer}"),
            Err(fault) => panic!("{body:?}: {fault:?}"),
        }
    }
    assert_eq!(upstream.count(), 0, "a broken body was completed upstream");
    // What is unusual but allowed: upper-case digits, leading zeros, extensions, trailers.
    let mut client = RawClient::connect(gate.address());
    client.send(format!("{head}00A;x=y\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"));
    assert_eq!(client.answer().summary(), "200");
    assert_eq!(upstream.last().body, b"0123456789");
}

#[test]
fn half_a_head_ends_in_408_and_half_a_connection_in_silence() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let mut slow = RawClient::connect(gate.address());
    slow.send("GET /shop/a HTTP/1.1\r\nHost");
    let mut idle = RawClient::connect(gate.address());
    let mut cut = RawClient::connect(gate.address());
    cut.send("GET /shop/a HTT").finish_sending();
    // Who leaves in the middle of a head gets at most one answer, and the end.
    match cut.try_answer() {
        Ok(answer) => assert_eq!(answer.summary(), MALFORMED),
        Err(fault) => assert_eq!(fault, Fault::Closed),
    }
    assert_eq!(slow.answer().summary(), "408 request_timeout");
    assert_eq!(slow.rest(), b"");
    // A connection without a single byte gets no answer that it did not ask for.
    idle.patience(Duration::from_millis(20));
    assert_eq!(idle.try_answer().unwrap_err(), Fault::Late(Vec::new()));
    check(&gate.call("GET /shop/a"), "200");
}

#[test]
fn a_head_byte_by_byte_is_a_head() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let mut client = RawClient::connect(gate.address());
    for byte in gate.call("GET /shop/a").bytes() {
        client.send([byte]);
    }
    assert_eq!(client.answer().summary(), "200");
}

#[test]
fn pipelined_calls_are_each_judged_and_answered_in_order() {
    let upstream = ScriptedUpstream::responding(|request| callgate_testkit::reply("200 OK", request.target()));
    let gate = public_shop(&upstream);
    let mut client = RawClient::connect(gate.address());
    let calls = ["GET /shop/1", "GET /nowhere", "GET /shop/2", "GET /shop/3"].map(|call| gate.call(call).bytes());
    client.send(calls.concat());
    let answers: Vec<_> = (0..4).map(|_| client.answer()).collect();
    let texts: Vec<_> = answers.iter().map(|answer| (answer.status, answer.text())).collect();
    assert_eq!((texts[0].1.as_str(), texts[1].0, texts[2].1.as_str(), texts[3].1.as_str()), ("/1", 404, "/2", "/3"));
    // A broken one behind good ones is refused after they were answered.
    client.send([gate.call("GET /shop/4").bytes(), b"BROKEN\r\n\r\n".to_vec()].concat());
    assert_eq!(client.answer().text(), "/4");
    assert_eq!(client.answer().summary(), MALFORMED);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_refused_20_mib_post_is_read_by_its_sender() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nbody_max: 100MiB");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big");
    std::fs::write(&file, vec![b'x'; 20 * 1024 * 1024]).unwrap();
    let url = format!("{}/shop/a", gate.url());
    let at = format!("@{}", file.display());
    for http in ["--http1.1", "--http2-prior-knowledge"] {
        let output = callgate_testkit::tools::curl(&[http, "-H", "Expect:", "--data-binary", &at, "-i", &url]);
        assert!(output.stdout.contains(" 401") && output.stdout.contains("credential_missing"), "{http}: {output}");
        assert_eq!(output.code, Some(0), "{http}: {output}");
    }
    let script = r#"
        import { request } from 'node:http';
        const call = request(process.argv[2], { method: 'POST', headers: { 'content-length': 20 * 1024 * 1024 } }, (answer) => {
            console.log(answer.statusCode, answer.headers['callgate-refused']);
            answer.resume();
            answer.on('end', () => process.exit(0));
        });
        call.on('error', (error) => { console.log('error', error.code); process.exit(1); });
        call.end(Buffer.alloc(20 * 1024 * 1024));
    "#;
    let output = callgate_testkit::tools::node(script, &[&url]);
    assert_eq!(output.stdout.trim(), "401 credential_missing", "{output}");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn bodies_over_the_cap_are_refused_declared_or_not() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\nbody_max: 1KiB");
    check(&gate.call("POST /shop/a").body("text/plain", "x".repeat(1024)), "200");
    check(&gate.call("POST /shop/a").body("text/plain", "x".repeat(1024)).chunked(), "200");
    assert_eq!(upstream.count(), 2);
    let refused = check(&gate.call("POST /shop/a").body("text/plain", "x".repeat(1025)), "413 body_too_large");
    assert!(check_problem(&refused)["detail"].as_str().unwrap().contains("body_max"), "{refused}");
    check(&gate.call("POST /shop/a").body("text/plain", "x".repeat(100_000)).chunked(), "413 body_too_large");
    assert_eq!(upstream.count(), 2, "the upstream never saw the end of a body that is too large");
}

#[test]
fn connections_of_one_address_are_bounded_only_far_above_real_use() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    let held: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(gate.address()).unwrap()).collect();
    check(&gate.call("GET /shop/a"), "200");
    drop(held);
    check(&gate.call("GET /shop/a"), "200");
}

#[test]
fn garbage_never_stops_the_gate() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = public_shop(&upstream);
    // A fixed generator (xorshift), so that a failure repeats.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..(state % 4096))
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            })
            .collect();
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut client = RawClient::connect(gate.address());
        client.send(bytes);
        client.reset();
    }
    check(&gate.call("GET /shop/a"), "200");
    eventually("an orderly end", || (gate.terminate() == Some(0)).then_some(()));
    assert!(!gate.said().contains("panicked"), "{}", gate.said());
}
