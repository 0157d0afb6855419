//! Upstreams that speak HTTP/2 frame by frame, and mean no good.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callgate_testkit::{Connection, Fault, RawClient, ScriptedUpstream, TestGate, wait_for};

use crate::setup::{check, shop_yaml};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status` of these numbers, as entries of the static table (RFC 7541 appendix A).
const S200: &[u8] = &[0x88];
const S204: &[u8] = &[0x89];
const S304: &[u8] = &[0x8b];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as a literal that is never indexed.
fn field(name: &str, value: &str) -> Vec<u8> {
    let short = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0x10, short(name)], name.as_bytes(), &[short(value)], value.as_bytes()].concat()
}

/// A server that shakes hands with these settings and hands every request's stream to a script; counts requests.
struct Http2 {
    upstream: ScriptedUpstream,
    requests: Arc<AtomicUsize>,
}

fn http2(settings: &'static [u8], script: impl Fn(&mut Connection, u32) + Send + Sync + 'static) -> Http2 {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let upstream = ScriptedUpstream::start(move |connection| {
        if connection.read(24).is_none() {
            return;
        }
        connection.send(frame(SETTINGS, 0, 0, settings));
        while let Some(head) = connection.read(9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let Some(payload) = connection.read(length) else { return };
            match (head[3], head[4] & ACK) {
                (SETTINGS, 0) => {
                    connection.send(frame(SETTINGS, ACK, 0, b""));
                }
                (PING, 0) => {
                    connection.send(frame(PING, ACK, 0, &payload));
                }
                (HEADERS, _) => {
                    count.fetch_add(1, Ordering::SeqCst);
                    script(connection, stream);
                }
                _ => {}
            }
        }
    });
    Http2 { upstream, requests }
}

/// A server that answers every request with these frames.
fn answering(frames: impl Fn(u32) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Http2 {
    http2(b"", move |connection, stream| {
        connection.send(frames(stream).concat());
    })
}

fn gate_before(http2: &Http2, lines: &str) -> TestGate {
    let upstream = format!("{{ server: \"{}\", protocol: http2 }}", http2.upstream.url());
    TestGate::start(&shop_yaml(&upstream, &format!("access: public\n{lines}")).replace("workers: 2", "workers: 1"))
}

#[test]
fn a_body_where_there_is_none_reaches_nobody() {
    let s205 = field(":status", "205");
    for (call, head, status) in
        [("GET", S204, "204"), ("GET", &s205, "205"), ("GET", S304, "304"), ("HEAD", S200, "200")]
    {
        let head = head.to_vec();
        let server = answering(move |stream| {
            vec![
                frame(HEADERS, END_HEADERS, stream, &head),
                frame(DATA, END_STREAM, stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            ]
        });
        let gate = gate_before(&server, "");
        let mut client = RawClient::connect(gate.address());
        for _ in 0..3 {
            client.send(format!("{call} /shop/a HTTP/1.1\r\nHost: a\r\n\r\n"));
            let answer = if call == "HEAD" { client.answer_to_head() } else { client.answer() };
            assert_eq!((answer.summary().as_str(), answer.text().as_str()), (status, ""), "{answer}");
        }
        wait_for("records", || gate.records().len() == 3);
        assert!(gate.records().iter().all(|record| record["callgate.end"] == "complete"), "{:?}", gate.records());
    }
}

#[test]
fn an_answer_that_is_not_as_long_as_it_says_is_not_taken_for_whole() {
    for (length, body) in [("5", "abc"), ("3", "abcde")] {
        let server = answering(move |stream| {
            let head = [S200, &field("content-length", length)].concat();
            vec![frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, body.as_bytes())]
        });
        let gate = gate_before(&server, "");
        match gate.call("GET /shop/a").open().try_answer() {
            Ok(answer) => assert!(answer.status == 502 && !answer.text().contains("abc"), "{length}: {answer}"),
            Err(fault) => assert!(matches!(fault, Fault::Cut(_) | Fault::Reset | Fault::Closed), "{length}: {fault:?}"),
        }
    }
    for lengths in [["3", "5"], ["3", "x"]] {
        let server = answering(move |stream| {
            let [one, two] = lengths.map(|length| field("content-length", length));
            let head = [S200, &one, &two].concat();
            vec![frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, b"abc")]
        });
        check(&gate_before(&server, "").call("GET /shop/a"), "502 upstream_invalid");
    }
}

#[test]
fn an_answer_that_is_reset_without_an_error_is_not_whole() {
    let server = answering(|stream| {
        vec![
            frame(HEADERS, END_HEADERS, stream, S200),
            frame(DATA, 0, stream, b"half"),
            frame(RST_STREAM, 0, stream, &[0, 0, 0, 0]),
        ]
    });
    let gate = gate_before(&server, "");
    let cut = gate.call("GET /shop/a").open().try_answer();
    assert!(matches!(cut, Err(Fault::Cut(_) | Fault::Reset | Fault::Closed)), "{cut:?}");
    wait_for("its record", || gate.records().iter().any(|record| record["callgate.end"] == "upstream_broke"));
}

#[test]
fn fields_that_belong_to_heads_do_not_come_in_as_trailers() {
    let server = answering(|stream| {
        let trailers = [
            field("content-length", "900"),
            field("set-cookie", "a=b"),
            field("callgate-refused", "no"),
            field("x-sum", "7"),
        ];
        vec![
            frame(HEADERS, END_HEADERS, stream, S200),
            frame(DATA, 0, stream, b"ok"),
            frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers.concat()),
        ]
    });
    let gate = gate_before(&server, "");
    let mut client = RawClient::connect(gate.address());
    client.send("GET /shop/a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{answer}");
    let shown = format!("{:?}", answer.trailers).to_ascii_lowercase();
    assert!(shown.contains("x-sum"), "{shown}");
    for name in ["content-length", "set-cookie", "callgate-refused"] {
        assert!(!shown.contains(name), "{name}: {shown}");
    }
}

#[test]
fn what_http_2_forbids_fails_its_call_and_the_next_one_finds_another_connection() {
    type Frames = fn(u32) -> Vec<Vec<u8>>;
    let cases: [(&str, Frames); 9] = [
        ("no status", |stream| vec![frame(HEADERS, END_HEADERS | END_STREAM, stream, &field("x", "y"))]),
        ("a field of the connection", |stream| {
            let head = [S200, &field("transfer-encoding", "chunked")].concat();
            vec![frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)]
        }),
        ("a name in capitals", |stream| {
            vec![frame(HEADERS, END_HEADERS | END_STREAM, stream, &[S200, &field("X-Loud", "y")].concat())]
        }),
        ("a line break in a value", |stream| {
            vec![frame(HEADERS, END_HEADERS | END_STREAM, stream, &[S200, &field("x", "a\r\nset-cookie: b")].concat())]
        }),
        ("data before the head", |stream| vec![frame(DATA, END_STREAM, stream, b"early")]),
        ("a push", |stream| {
            let promise = [&(stream + 1).to_be_bytes(), &[0x82, 0x86, 0x84][..]].concat();
            vec![frame(PUSH_PROMISE, END_HEADERS, stream, &promise)]
        }),
        ("a stream that nobody opened", |_| vec![frame(HEADERS, END_HEADERS | END_STREAM, 4, S200)]),
        ("an endless head", |stream| {
            let piece = field("x-filler", &"y".repeat(110)).repeat(100);
            let more = frame(CONTINUATION, 0, stream, &piece);
            [vec![frame(HEADERS, 0, stream, S200)], vec![more; 200]].concat()
        }),
        ("a head in pieces without an end", |stream| {
            let empty = frame(CONTINUATION, 0, stream, b"");
            [vec![frame(HEADERS, 0, stream, S200)], vec![empty; 10_000]].concat()
        }),
    ];
    for (what, frames) in cases {
        let first = AtomicUsize::new(0);
        let server = answering(move |stream| match first.fetch_add(1, Ordering::SeqCst) {
            0 => frames(stream),
            _ => vec![frame(HEADERS, END_HEADERS, stream, S200), frame(DATA, END_STREAM, stream, b"ok")],
        });
        let gate = gate_before(&server, "timeout: 5s");
        let refused = gate.call("POST /shop/a").body("text/plain", "pay 10").send();
        assert!(
            matches!(refused.summary().as_str(), "502 upstream_invalid" | "502 upstream_unreachable"),
            "{what}: {refused}"
        );
        assert_eq!(server.requests.load(Ordering::SeqCst), 1, "{what}: a POST is sent once");
        assert_eq!(check(&gate.call("GET /shop/a"), "200").text(), "ok", "{what}");
    }
}

#[test]
fn floods_of_control_frames_hold_no_call_up() {
    let server = answering(|stream| {
        let noise = [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, b"")].concat();
        let half = |text: &[u8]| frame(DATA, 0, stream, text);
        let answer =
            vec![frame(HEADERS, END_HEADERS, stream, S200), half(b"half "), noise.repeat(2_000), half(b"half")];
        [answer, vec![frame(DATA, END_STREAM, stream, b"")]].concat()
    });
    let gate = gate_before(&server, "");
    for _ in 0..3 {
        assert_eq!(check(&gate.call("GET /shop/a"), "200").text(), "half half");
    }
}

/// They cost no window, so that nothing but a count of them can end it.
#[test]
fn a_flood_of_empty_data_ends_its_call_or_nothing() {
    let first = AtomicUsize::new(0);
    let server = answering(move |stream| {
        let head = frame(HEADERS, END_HEADERS, stream, S200);
        let flood = frame(DATA, 0, stream, b"").repeat(200_000);
        let end = frame(DATA, END_STREAM, stream, b"ok");
        match first.fetch_add(1, Ordering::SeqCst) {
            0 => vec![head, flood, end],
            _ => vec![head, end],
        }
    });
    let gate = gate_before(&server, "");
    match gate.call("GET /shop/a").open().try_answer() {
        Ok(answer) => assert_eq!(answer.text(), "ok"),
        Err(fault) => assert!(matches!(fault, Fault::Cut(_) | Fault::Reset | Fault::Closed), "{fault:?}"),
    }
    assert_eq!(check(&gate.call("GET /shop/a"), "200").text(), "ok");
}

/// SETTINGS_INITIAL_WINDOW_SIZE 0, and no WINDOW_UPDATE ever.
#[test]
fn a_window_that_never_opens_ends_with_the_calls_time() {
    let server = http2(&[0, 4, 0, 0, 0, 0], |_, _| {});
    let gate = gate_before(&server, "timeout: 1s");
    check(&gate.call("POST /shop/a").body("text/plain", "x".repeat(100_000)), "504 upstream_timeout");
}

/// SETTINGS_MAX_CONCURRENT_STREAMS 0: it takes no call.
#[test]
fn a_server_that_takes_no_streams_gets_no_crowd_of_connections() {
    let server = http2(&[0, 3, 0, 0, 0, 0], |_, _| {});
    let gate = gate_before(&server, "timeout: 1s");
    check(&gate.call("GET /shop/a"), "504 upstream_timeout");
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
    assert!(server.upstream.connections() <= 32, "{}", server.upstream.connections());
}

#[test]
fn a_server_that_refuses_streams_is_asked_a_fifth_more_at_most() {
    const CALLS: usize = 100;
    let refusing = answering(|stream| vec![frame(RST_STREAM, 0, stream, &[0, 0, 0, 7])]);
    let going = answering(|_| vec![frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])]);
    for server in [refusing, going] {
        let gate = gate_before(&server, "");
        for _ in 0..CALLS {
            let refused = gate.call("GET /shop/a").send();
            assert!(matches!(refused.status, 502 | 503), "{refused}");
        }
        let asked = server.requests.load(Ordering::SeqCst);
        assert!(asked <= CALLS + CALLS / 5 + 10, "{asked} requests of {CALLS} calls");
    }
}

#[test]
fn what_a_server_refused_without_a_look_is_asked_once_more() {
    let first = AtomicUsize::new(0);
    let server = answering(move |stream| match first.fetch_add(1, Ordering::SeqCst) {
        5 => vec![frame(RST_STREAM, 0, stream, &[0, 0, 0, 7])],
        _ => vec![frame(HEADERS, END_HEADERS | END_STREAM, stream, S204)],
    });
    let gate = gate_before(&server, "");
    // What pays for it.
    for _ in 0..5 {
        check(&gate.call("POST /shop/a"), "204");
    }
    let answer = check(&gate.call("POST /shop/a"), "204");
    assert_eq!(gate.record(&answer.call_id())["callgate.upstream.attempts"], 2);
}

/// It answers before it has the whole request; that the rest does not come is none of its doing.
#[test]
fn a_request_that_breaks_behind_the_head_of_its_answer_is_not_the_servers_doing() {
    let server = answering(|stream| vec![frame(HEADERS, END_HEADERS, stream, S200)]);
    let gate = gate_before(&server, "");
    for rest in ["no chunk\r\n", ""] {
        let mut client = RawClient::connect(gate.address());
        client.send("POST /shop/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        client.read_through(b"\r\n\r\n");
        if rest.is_empty() {
            client.reset();
        } else {
            client.send(rest).rest();
        }
    }
    wait_for("both records", || gate.records().len() == 2);
    let mut ends: Vec<_> = gate.records().iter().map(|record| record["callgate.end"].to_string()).collect();
    ends.sort_unstable();
    assert_eq!(ends, ["\"client_gone\"", "\"refused\""]);
}

#[test]
fn what_a_server_broke_off_is_asked_once_more_for_its_idempotency_key() {
    let count = Arc::new(AtomicUsize::new(0));
    let servers = [(); 2].map(|()| {
        let count = Arc::clone(&count);
        answering(move |stream| match count.fetch_add(1, Ordering::SeqCst) {
            10 => vec![frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])],
            _ => vec![frame(HEADERS, END_HEADERS | END_STREAM, stream, S204)],
        })
    });
    let [one, two] = servers.each_ref().map(|server| server.upstream.url());
    let upstream = format!("{{ servers: [\"{one}\", \"{two}\"], protocol: http2 }}");
    let gate = TestGate::start(&shop_yaml(&upstream, "access: public\nidempotency_key: repeat"));
    // What pays for it.
    for _ in 0..10 {
        check(&gate.call("POST /shop/a"), "204");
    }
    let call = gate.call("POST /shop/a").body("text/plain", "pay 10").field("Idempotency-Key", "a");
    let answer = check(&call, "204");
    assert_eq!(gate.record(&answer.call_id())["callgate.upstream.attempts"], 2);
    assert_eq!(count.load(Ordering::SeqCst), 12);
}
