//! The thin client: what is sent, what is shown, what it exits with.

use callgate_testkit::{Output, ScriptedUpstream, binary, reply};
use std::process::Command;

use crate::setup::shop;

/// Runs `callgate ARGUMENTS` in an empty folder, with this standard input.
#[track_caller]
fn run(arguments: &[&str], stdin: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body.json"), "{\"from\":\"file\"}").unwrap();
    Output::of(Command::new(binary()).args(arguments).current_dir(folder.path()).env("HOME", folder.path()), stdin)
}

#[test]
fn items_become_a_request() {
    let upstream = ScriptedUpstream::answering("ok");
    let url = upstream.url();
    let post = format!("{url}/orders");
    let output = run(&["post", &post, "title=Dune", "count:=2", "page==3", "X-One:1"], b"");
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "ok"), "a pipe gets the body alone: {output}");
    let received = upstream.last();
    assert_eq!(received.line, "POST /orders?page=3 HTTP/1.1");
    assert_eq!(received.field("x-one"), Some("1"));
    assert_eq!(received.field("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!(body, serde_json::json!({ "title": "Dune", "count": 2 }));
    let _ = run(&["post", &post, "@body.json"], b"").expect_success();
    assert_eq!(upstream.last().body, b"{\"from\":\"file\"}");
}

#[test]
fn verbs_shorthands_and_curls_options() {
    let upstream = ScriptedUpstream::answering("ok");
    let port = upstream.address().port();
    let _ = run(&["get", &format!(":{port}/x")], b"").expect_success();
    assert_eq!(upstream.last().line, "GET /x HTTP/1.1");
    for verb in ["put", "patch", "delete"] {
        let _ = run(&[verb, &format!(":{port}/x")], b"").expect_success();
        assert_eq!(upstream.last().line, format!("{} /x HTTP/1.1", verb.to_uppercase()));
    }
    let _ = run(&["call", "PURGE", &format!(":{port}/x")], b"");
    let url = format!("{}/x", upstream.url());
    let _ = run(&["curl", "-X", "PUT", "-H", "X-One: 1", "-d", "a=b", "-u", "me:pw", &url], b"").expect_success();
    let received = upstream.last();
    assert!(received.line.starts_with("PUT /x "), "{received}");
    assert_eq!(received.field("authorization"), Some("Basic bWU6cHc="));
    assert_eq!((received.body.as_slice(), received.field("x-one")), (&b"a=b"[..], Some("1")));
    let shown = run(&["get", "-i", &url], b"").expect_success();
    assert!(shown.stdout.starts_with("HTTP/1.1 200") && shown.stdout.ends_with("ok"), "{shown}");
}

#[test]
fn a_refusal_of_a_gate_is_explained() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let url = format!("{}/shop/a", gate.url());
    let output = gate.program_with(&["get", &url]);
    assert!(output.stdout.contains("credential_missing"), "{output}");
    let told = gate.run(&["explain", "--last"]).expect_success().stdout;
    assert!(told.contains("credential_missing") && told.contains("identify"), "{told}");
}

#[test]
fn what_cannot_be_called_is_said() {
    let nobody = run(&["get", &format!("http://{}", ScriptedUpstream::nobody())], b"");
    assert_ne!(nobody.code, Some(0), "{nobody}");
    assert!(nobody.stderr.contains("refused") && nobody.stdout.is_empty(), "{nobody}");
    let odd = run(&["get", "ftp://example.com"], b"");
    assert!(odd.code != Some(0) && odd.stderr.contains("ftp"), "{odd}");
    let cut = ScriptedUpstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    let output = run(&["get", &cut.url()], b"");
    assert_ne!(output.code, Some(0), "half an answer is not an answer: {output}");
}

#[test]
fn statuses_and_bytes_pass_through_a_pipe_untouched() {
    let bytes: Vec<u8> = (0..=127).collect();
    let body = bytes.clone();
    let upstream = ScriptedUpstream::responding(move |_| reply("404 Not Found", &body));
    let output = run(&["get", &upstream.url()], b"");
    assert_eq!(output.stdout.as_bytes(), bytes);
}
