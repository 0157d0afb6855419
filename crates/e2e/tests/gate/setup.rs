//! What the themes share.

use std::fmt::Write as _;

use callgate_testkit::{Answer, Call, ScriptedUpstream, Signal, TestGate, reply};

/// A file with one API, `shop`, at `/shop`, before this upstream; `lines` are the API's own.
pub(crate) fn shop_yaml(upstream: &str, lines: &str) -> String {
    gate_yaml("", &api("shop", upstream, lines))
}

/// A file with these lines at the top, and these APIs.
pub(crate) fn gate_yaml(top: &str, apis: &str) -> String {
    let listen = if top.contains("listen:") { "" } else { "listen: { address: 127.0.0.1:0 }\n" };
    let end = if top.is_empty() || top.ends_with('\n') { "" } else { "\n" };
    format!("version: 1\nworkers: 2\n{listen}{top}{end}apis:\n{apis}")
}

/// An API of this name at `/NAME`, as it stands under `apis:`.
pub(crate) fn api(name: &str, upstream: &str, lines: &str) -> String {
    let mut text = format!("  {name}:\n    path: /{name}\n    upstream: {upstream}\n");
    for line in lines.lines() {
        writeln!(text, "    {line}").unwrap();
    }
    text
}

/// A gate with one API, `shop`, at `/shop`, before this upstream; `lines` are the API's own.
#[track_caller]
pub(crate) fn shop(upstream: &ScriptedUpstream, lines: &str) -> TestGate {
    TestGate::start(&shop_yaml(&upstream.url(), lines))
}

/// A gate with these lines at the top of its file, and one API, `shop`, with those.
#[track_caller]
pub(crate) fn shop_with(upstream: &ScriptedUpstream, top: &str, lines: &str) -> TestGate {
    TestGate::start(&gate_yaml(top, &api("shop", &upstream.url(), lines)))
}

/// A gate with one public API, `shop`.
#[track_caller]
pub(crate) fn public_shop(upstream: &ScriptedUpstream) -> TestGate {
    shop(upstream, "access: public")
}

/// An upstream that answers the first request of each connection once it is told to.
pub(crate) fn answering_when(told: &Signal) -> ScriptedUpstream {
    let told = told.clone();
    ScriptedUpstream::start(move |connection| {
        if connection.request().is_some() {
            told.wait();
            connection.send(reply("200 OK", "ok"));
        }
    })
}

/// An upstream that sends an event at once, `first`, and another, `second`, when it is told to.
pub(crate) fn two_events(told: &Signal) -> ScriptedUpstream {
    let told = told.clone();
    ScriptedUpstream::start(move |connection| {
        if connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            connection.send("d\r\ndata: first\n\n\r\n");
            told.wait();
            connection.send("e\r\ndata: second\n\n\r\n0\r\n\r\n");
        }
    })
}

/// Makes the call and compares the answer's summary: `200`, or `401 credential_missing` for a refusal of the gate.
#[track_caller]
pub(crate) fn check(call: &Call, expect: &str) -> Answer {
    let answer = call.send();
    assert_eq!(answer.summary(), expect, "{}\n{answer}", String::from_utf8_lossy(&call.bytes()));
    answer
}

/// The members of a problem document that every refusal has; panics when one is missing or does not fit the answer.
#[track_caller]
pub(crate) fn check_problem(answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{answer}");
    let problem = answer.json();
    let code = problem["code"].as_str().unwrap_or_else(|| panic!("no code: {answer}"));
    assert_eq!(answer.field("callgate-refused"), Some(code), "{answer}");
    assert_eq!(problem["type"], format!("urn:callgate:refusal:{code}"), "{answer}");
    assert_eq!(problem["status"], answer.status, "{answer}");
    assert_eq!(problem["call_id"], answer.call_id(), "{answer}");
    for member in ["title", "detail", "hint"] {
        assert!(problem[member].as_str().is_some_and(|text| text.len() > 5), "`{member}` says nothing: {answer}");
    }
    problem
}

pub(crate) fn memory_kib(process: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
