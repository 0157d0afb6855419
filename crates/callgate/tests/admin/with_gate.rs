//! The same commands, done by a running gate.

use std::process::Command;

use callgate_testkit::{Program, ScriptedUpstream, TestGate, binary};

const YAML: &str = "\
version: 1
listen: { address: 127.0.0.1:0 }
data_dir: ./callgate-data
log: { access: off }
plans: { free: { limits: [100/s] } }
apis:
  shop: { path: /shop, upstream: UPSTREAM, access: key }
";

fn gate() -> (ScriptedUpstream, TestGate) {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = TestGate::before(&upstream, YAML);
    (upstream, gate)
}

#[test]
fn a_running_gate_does_the_acts_and_knows_its_port() {
    let (_upstream, gate) = gate();
    let made = gate.run(&["consumers", "create", "ada", "--plan", "free"]).expect_success();
    assert_eq!(made.stderr, "", "nothing to say of the way: {made}");
    let told = gate.run(&["keys", "create", "ada"]).expect_success().stdout;
    assert!(told.contains(&format!("{}/shop/", gate.url())), "the curl line has the resolved port: {told}");
    assert_eq!(gate.run_json(&["reload"])["changed"], false);
    assert!(gate.run(&["reload"]).expect_success().stdout.contains("is as it was"));
    let held = gate.run(&["restore", "nowhere"]);
    assert!(held.code == Some(1), "{held}");
}

#[test]
fn a_file_that_is_broken_keeps_nobody_from_revoking_a_key() {
    let (_upstream, gate) = gate();
    let key = gate.new_key("ada");
    let file = gate.folder().join("callgate.yaml");
    let broken = std::fs::read_to_string(&file).unwrap().replace("access: key", "acess: key");
    std::fs::write(&file, broken).unwrap();
    let reload = gate.run(&["reload"]);
    assert!(reload.code == Some(1) && reload.stderr.contains("acess"), "{reload}");
    gate.revoke(&key);
    assert_eq!(gate.call("GET /shop/a").key(&key).send().status, 401);
}

#[test]
fn calls_are_followed_found_and_counted() {
    let (_upstream, mut gate) = gate();
    let key = gate.new_key("ada");
    assert_eq!(gate.call("GET /shop/before").key(&key).send().status, 200);
    assert_eq!(gate.call("GET /shop/before").send().status, 401);
    let follow = |options: &[&str]| {
        let mut command = Command::new(binary());
        Program::start(command.args(["log", "-f"]).args(options).current_dir(gate.folder()))
    };
    let (mut all, mut refused) = (follow(&[]), follow(&["--status", "4xx", "--json"]));
    let has =
        |program: &mut Program, text: &str| program.line(text, |line| line.contains(text).then(|| line.to_owned()));
    // Each listens before it looks back: what it shows of the past says that it listens. More refusals than these few would
    // be added up instead of kept.
    has(&mut all, "200 GET /shop/before");
    has(&mut refused, "/shop/before");
    assert_eq!(gate.call("GET /shop/passed").key(&key).send().status, 200);
    assert_eq!(gate.call("GET /shop/refused").send().status, 401);
    has(&mut all, "200 GET /shop/passed ada");
    has(&mut all, "401 GET /shop/refused");
    let record: serde_json::Value = serde_json::from_str(&has(&mut refused, "/shop/refused")).unwrap();
    assert_eq!(record["refusal"]["code"], "credential_missing");
    assert!(!refused.lines().iter().any(|line| line.contains("/shop/passed")));

    let found = gate.run(&["log", "find", "--consumer", "ada"]).expect_success().stdout;
    let paths: Vec<_> = found.lines().filter_map(|line| line.split(' ').nth(3)).collect();
    assert_eq!(paths, ["/shop/before", "/shop/passed"], "newest last");
    let newest = gate.run(&["log", "find", "--limit", "1", "--json"]).expect_success();
    assert_eq!(newest.json()["path"], "/shop/refused");
    // Since two hours: the running one may have begun just now.
    let stats = gate.run(&["stats", "--since", "2h"]).expect_success().stdout;
    assert!(stats.lines().any(|line| line.contains("shop")) && stats.contains("ada"), "{stats}");

    assert_eq!(gate.terminate(), Some(0));
    has(&mut all, "the gate has ended");
    assert_eq!(all.wait().code(), Some(1));
}

#[test]
fn a_gate_elsewhere_is_asked_with_a_token() {
    let upstream = ScriptedUpstream::answering("ok");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gate = TestGate::before(&upstream, &format!("admin: {{ address: '127.0.0.1:{port}' }}\n{YAML}"));
    let token = |role: &str| {
        let made = gate.run_json(&["admin-tokens", "create", role, "--role", role]);
        made["token"].as_str().unwrap().to_owned()
    };
    let (read, write) = (token("read"), token("write"));
    std::fs::write(gate.folder().join("token"), format!("{write}\n")).unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let far = |arguments: &[&str]| gate.program_with(&[arguments, &["--admin", &url]].concat());
    let file = ["--admin-token-file", "token"];
    far(&[&["consumers", "create", "ada"], &file[..]].concat()).expect_success();
    let entries = gate.run_json(&["audit", "list", "--limit", "1"]);
    assert_eq!(entries["entries"][0]["actor"], "token:write");
    std::fs::write(gate.folder().join("token"), read).unwrap();
    assert!(far(&[&["consumers", "list"], &file[..]].concat()).expect_success().stdout.contains("ada"));
    let refused = far(&[&["consumers", "create", "bob"], &file[..]].concat());
    assert!(
        refused.code == Some(1) && refused.stderr.contains("may only read") || refused.stderr.contains("role"),
        "{refused}"
    );
    assert_eq!(far(&["consumers", "list"]).code, Some(1), "without a token");
}
