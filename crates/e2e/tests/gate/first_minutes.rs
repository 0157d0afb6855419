//! What a newcomer runs first, and the mistakes that everybody makes.

use std::process::Command;

use callgate_testkit::{Call, Output, Program, ScriptedUpstream, TestGate, binary, tools};

use crate::setup::{check, check_problem, public_shop, shop, shop_yaml};

fn callgate(folder: &std::path::Path, arguments: &[&str]) -> Output {
    Output::of(Command::new(binary()).args(arguments).current_dir(folder), b"")
}

#[test]
fn the_skeleton_one_key_one_refusal_one_record_one_explanation() {
    let upstream = ScriptedUpstream::answering("hello");
    let gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada");
    assert_eq!(check(&gate.call("GET /shop/a").key(&key), "200").text(), "hello");
    let refused = check(&gate.call("GET /shop/a"), "401 credential_missing");
    check_problem(&refused);
    assert_eq!(gate.record(&refused.call_id())["callgate.refusal"], "credential_missing");
    let told = gate.run(&["explain", &refused.call_id()]).expect_success();
    assert!(told.stdout.contains("credential_missing"), "{told}");
}

/// `callgate guard` and what it printed: the address, and the key.
fn guard(folder: &std::path::Path, upstream: &ScriptedUpstream, options: &[&str]) -> (Program, String, String) {
    let url = upstream.url();
    let arguments = [&["guard", &url, "--listen", "127.0.0.1:0"], options].concat();
    let mut program = Program::start(Command::new(binary()).args(arguments).current_dir(folder));
    let line = program.line("a line to try", |line| line.contains("curl").then(|| line.to_owned()));
    let key = line.split(['\'', '"', ' ']).find(|word| word.starts_with("cg_live_")).unwrap().to_owned();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    (program, url, key)
}

#[test]
fn guard_needs_nothing_but_a_url() {
    let upstream = ScriptedUpstream::answering("hello");
    let folder = tempfile::tempdir().unwrap();
    let (mut program, url, key) = guard(folder.path(), &upstream, &["--save", "callgate.yaml"]);
    let with = format!("X-API-Key: {key}");
    assert_eq!(tools::curl(&["-H", &with, &url]).stdout, "hello");
    let refused = tools::curl(&["-i", &url]);
    assert!(refused.stdout.contains(" 401") && refused.stdout.contains("credential_missing"), "{refused}");
    program.signal("TERM");
    assert_eq!(program.wait().code(), Some(0));
    let said = program.lines().join("\n");
    assert!(folder.path().join("callgate-data").is_dir(), "{said}");
    assert!(said.contains("log"), "it says where the log is: {said}");
    let checked = callgate(folder.path(), &["check", "-c", "callgate.yaml"]).expect_success();
    assert!(!checked.stdout.is_empty(), "the mapping is printed");
    // The same folder a second time: the key still works.
    let yaml = std::fs::read_to_string(folder.path().join("callgate.yaml")).unwrap();
    assert!(yaml.contains(&upstream.url()), "{yaml}");
    let gate = TestGate::start_in(folder, &yaml);
    assert_eq!(Call::new(gate.address(), "GET /").key(&key).send().text(), "hello");
}

#[test]
fn guard_observes_without_refusing() {
    let upstream = ScriptedUpstream::answering("hello");
    let folder = tempfile::tempdir().unwrap();
    let (mut program, url, _) = guard(folder.path(), &upstream, &["--observe"]);
    assert_eq!(tools::curl(&[&url]).stdout, "hello");
    program.signal("INT");
    assert_eq!(program.wait().code(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("callgate-data/access.log")).unwrap();
    assert!(log.contains("credential_missing"), "{log}");
}

#[test]
fn the_demo_shows_its_calls_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let output = callgate(folder.path(), &["demo", "--once"]).expect_success();
    for word in ["200", "401", "429", "415", "403", "curl", "callgate get"] {
        assert!(output.stdout.contains(word), "`{word}` is missing: {output}");
    }
    assert!(output.stdout.contains("revoked"), "{output}");
}

#[test]
fn the_bookshop_and_its_example_fit_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut bookshop =
        Program::start(Command::new(binary()).args(["bookshop", "--port", "0"]).current_dir(folder.path()));
    let url = bookshop.line("where the bookshop is", |line| {
        line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned)
    });
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/bookshop.yaml");
    let yaml = std::fs::read_to_string(example).unwrap();
    let yaml =
        yaml.replace("http://127.0.0.1:9000", url.trim_end_matches('/')).replace("127.0.0.1:8080", "127.0.0.1:0");
    let gate = TestGate::start(&yaml.replace("127.0.0.1:9901", "127.0.0.1:0"));
    assert_eq!(gate.call("GET /shop/health").send().status, 200);
    check(&gate.call("GET /shop/books"), "401 credential_missing");
    let key = gate.new_key("ada");
    let books = check(&gate.call("GET /shop/books").key(&key), "200");
    assert!(!books.json().to_string().is_empty());
}

#[test]
fn init_writes_a_file_that_serves() {
    let upstream = ScriptedUpstream::answering("hello");
    let folder = tempfile::tempdir().unwrap();
    let _ = callgate(folder.path(), &["init"]).expect_success();
    let _ = callgate(folder.path(), &["check"]).expect_success();
    let again = callgate(folder.path(), &["init"]);
    assert!(again.code != Some(0) && again.stderr.contains("callgate.yaml"), "never overwritten: {again}");
    let contract = r#"{ "openapi": "3.1.0", "info": { "title": "Books", "version": "1" }, "servers": [{ "url": "UPSTREAM" }],
        "paths": { "/books": { "get": {}, "post": { "requestBody": { "content": { "application/json": {} } } } }, "/books/{id}": { "get": {} } } }"#;
    std::fs::remove_file(folder.path().join("callgate.yaml")).unwrap();
    std::fs::write(folder.path().join("books.json"), contract.replace("UPSTREAM", &upstream.url())).unwrap();
    let _ = callgate(folder.path(), &["init", "--from", "books.json"]).expect_success();
    let yaml = std::fs::read_to_string(folder.path().join("callgate.yaml")).unwrap();
    for text in ["/books/{id}", "/books", &upstream.url(), "application/json"] {
        assert!(yaml.contains(text), "`{text}` is missing:\n{yaml}");
    }
    let _ = callgate(folder.path(), &["check"]).expect_success();
}

#[test]
fn ten_mistakes_are_told_at_once_each_with_its_place_and_what_to_write() {
    let yaml = "\
version: 1
lissten: { address: 127.0.0.1:0 }
listen: { address: localhost }
mode: obsrve
plans:
  free: { limits: [10/fortnight] }
apis:
  shop:
    path: shop
    upstream: ftp://127.0.0.1:9
    access: [keys]
    timeout: ten seconds
    accepts: [json]
    routes:
      - GET books: {}
";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("callgate.yaml"), yaml).unwrap();
    let output = callgate(folder.path(), &["check", "-c", "callgate.yaml"]);
    assert_eq!(output.code, Some(1), "{output}");
    let said = format!("{}{}", output.stdout, output.stderr);
    for place in ["2:1", "3:20", "4:7", "6:20", "9:11", "10:15", "11:14", "12:14", "13:15", "15:9"] {
        assert!(said.contains(&format!("callgate.yaml:{place}")), "{place} is missing:\n{said}");
    }
    for hint in ["listen", "observe", "10/s", "/shop", "http://", "key", "10s", "application/json", "write `/books`"] {
        assert!(said.contains(hint), "what to write, `{hint}`, is missing:\n{said}");
    }
    assert!(said.contains('^'), "a caret shows where:\n{said}");
}

#[test]
fn check_walks_a_call_dry_and_lists_weak_spots() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nroutes: [GET /books: {}]");
    let told = gate.run(&["check", "--call", "GET /shop/books"]);
    assert!(told.stdout.contains("credential_missing"), "{told}");
    let told = gate.run(&["check", "--call", "DELETE /shop/books X-API-Key:x"]);
    assert!(told.stdout.contains("method_not_allowed") || told.stdout.contains("credential_unknown"), "{told}");
    assert_eq!(upstream.count(), 0);
    let weak = public_shop(&upstream).run(&["check", "--security"]);
    assert_eq!(weak.code, Some(1), "{weak}");
    assert!(weak.stdout.contains("apis.shop.access"), "{weak}");
}

#[test]
fn a_port_in_use_and_a_missing_file_are_said() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let yaml = shop_yaml("http://127.0.0.1:9", "access: public").replace("127.0.0.1:0", &address);
    let output = TestGate::refuses_to_start(folder.path(), &yaml);
    assert!(output.code == Some(1) && output.stderr.contains(&address), "{output}");
    let missing = callgate(folder.path(), &["serve", "-c", "nowhere.yaml"]);
    assert!(missing.code == Some(1) && missing.stderr.contains("nowhere.yaml"), "{missing}");
    for output in [output, missing] {
        assert!(!output.stderr.contains("panicked") && !output.stderr.contains("RUST_BACKTRACE"), "{output}");
    }
}

#[test]
fn help_is_help_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        "guard",
        "serve",
        "check",
        "init",
        "demo",
        "consumers",
        "keys",
        "plans",
        "log",
        "stats",
        "explain",
        "audit",
        "backup",
        "restore",
        "get",
        "curl",
    ] {
        let output = callgate(folder.path(), &[command, "-h"]).expect_success();
        assert!(output.stdout.contains("Usage"), "{command}: {output}");
    }
    assert_eq!(callgate(folder.path(), &["serv"]).code, Some(2));
}
