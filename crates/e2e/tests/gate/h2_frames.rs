//! HTTP/2, frame by frame: what no honest client sends.

use callgate_testkit::{RawClient, ScriptedUpstream, TestGate};

use crate::setup::{check, public_shop, shop};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals that are never indexed (RFC 7541 section 6.2.2), each shorter than 127 bytes.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn get(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
    fields(&[&pseudo, more].concat())
}

/// What comes first on stream 1: `answer BODY`, `reset CODE`; or of the connection: `goaway CODE`, `closed`.
fn talk(gate: &TestGate, frames: &[u8]) -> String {
    let mut client = RawClient::connect(gate.address());
    client.send([PREFACE, frames].concat());
    let mut body = Vec::new();
    let bytes = |client: &mut RawClient, length| client.try_read_exactly(length).ok();
    loop {
        let Some(head) = bytes(&mut client, 9) else { return "closed".to_owned() };
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let Some(payload) = bytes(&mut client, length) else { return "closed".to_owned() };
        match (head[3], stream) {
            (GOAWAY, _) => return format!("goaway {}", payload[7]),
            (RST_STREAM, 1) => return format!("reset {}", payload[3]),
            (DATA, 1) => body.extend(payload),
            _ => {}
        }
        if matches!(head[3], DATA | HEADERS) && stream == 1 && head[4] & END_STREAM != 0 {
            return format!("answer {}", String::from_utf8_lossy(&body));
        }
    }
}

#[test]
fn a_call_in_frames_is_a_call() {
    let upstream = ScriptedUpstream::answering("hello");
    let gate = public_shop(&upstream);
    let call = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/shop/a", &[("x-one", "1")]));
    assert_eq!(talk(&gate, &call), "answer hello");
    assert_eq!(upstream.last().field("x-one"), Some("1"));
    let split = get("/shop/a", &[("x-one", "2")]);
    let (first, rest) = split.split_at(10);
    let frames = [frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest)].concat();
    assert_eq!(talk(&gate, &frames), "answer hello");
}

#[test]
fn heads_that_http_2_forbids_never_reach_the_upstream() {
    let upstream = ScriptedUpstream::answering("hello");
    let gate = public_shop(&upstream);
    let usual = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/shop/a")];
    for (what, block) in [
        ("two paths", fields(&[&usual[..], &[(":path", "/shop/b")]].concat())),
        ("no path", fields(&usual[..3])),
        ("an empty path", get("", &[])),
        ("a path without a slash", get("shop/a", &[])),
        ("no method", fields(&usual[1..])),
        ("a pseudo field that is not", get("/shop/a", &[(":admin", "1")])),
        ("a pseudo field after others", fields(&[("x", "1"), usual[0], usual[1], usual[2], usual[3]])),
        ("a field of one connection", get("/shop/a", &[("connection", "x")])),
        ("chunks in frames", get("/shop/a", &[("transfer-encoding", "chunked")])),
        ("an upper-case name", get("/shop/a", &[("X-One", "1")])),
        ("a line break in a value", get("/shop/a", &[("x-one", "1\r\nx-two: 2")])),
        ("a NUL in a value", get("/shop/a", &[("x-one", "1\u{0}2")])),
        ("a space in a name", get("/shop/a", &[("x one", "1")])),
        ("a line break in the path", get("/shop/a HTTP/1.1\r\nx: y", &[])),
        ("another host in Host", get("/shop/a", &[("host", "b")])),
        ("an underscore", get("/shop/a", &[("x_forwarded_for", "1.2.3.4")])),
        ("two lengths", get("/shop/a", &[("content-length", "1"), ("content-length", "2")])),
        ("a length without a body", get("/shop/a", &[("content-length", "5")])),
    ] {
        let found = talk(&gate, &frame(HEADERS, END_HEADERS | END_STREAM, 1, &block));
        let refused = found.contains("malformed_request") || found.starts_with("reset") || found.starts_with("goaway");
        assert!(refused, "{what}: {found}");
    }
    assert_eq!(upstream.count(), 0, "{:?}", upstream.received());
}

#[test]
fn a_body_that_does_not_fit_its_length_is_never_completed() {
    let upstream = ScriptedUpstream::answering("hello");
    let gate = public_shop(&upstream);
    for (length, body) in [("5", "abc"), ("2", "abc")] {
        let head = get("/shop/a", &[("content-length", length)]);
        let frames = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, body.as_bytes())].concat();
        let found = talk(&gate, &frames);
        assert!(!found.contains("hello"), "{length}: {found}");
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn floods_of_frames_end_their_connection_and_nothing_else() {
    let upstream = ScriptedUpstream::answering("hello");
    let mut gate = shop(&upstream, "access: key");
    let streams = |count: u32| (0..count).map(|number| 2 * number + 1);
    let head = get("/shop/a", &[]);
    // Rapid reset (CVE-2023-44487).
    let reset: Vec<u8> = streams(20_000)
        .flat_map(|stream| {
            let open = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
            [open, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    // A head that never ends (CVE-2024-27316).
    let endless: Vec<u8> = frame(HEADERS, END_STREAM, 1, &head)
        .into_iter()
        .chain((0..2_000).flat_map(|_| frame(CONTINUATION, 0, 1, &fields(&[("x", &"y".repeat(120))]).repeat(100))))
        .collect();
    let empty: Vec<u8> = frame(HEADERS, END_HEADERS, 1, &head)
        .into_iter()
        .chain((0..200_000).flat_map(|_| frame(DATA, 0, 1, b"")))
        .collect();
    let pings: Vec<u8> = (0..200_000).flat_map(|_| frame(PING, 0, 0, &[0; 8])).collect();
    for (what, frames) in [("resets", reset), ("an endless head", endless), ("empty frames", empty), ("pings", pings)] {
        let mut client = RawClient::connect(gate.address());
        client.send([PREFACE, &frames].concat());
        client.reset();
        check(&gate.call("GET /shop/a"), "401 credential_missing");
        let status = std::fs::read_to_string(format!("/proc/{}/status", gate.program().id())).unwrap();
        let peak: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
            .unwrap();
        assert!(peak < 300 * 1024, "{what}: {peak} KiB at the peak");
    }
    assert_eq!(gate.terminate(), Some(0));
    assert!(!gate.said().contains("panicked"), "{}", gate.said());
}
