//! Administration: over the socket, over TCP with a token, and without a running gate.

use callgate_testkit::{Call, ScriptedUpstream, TestGate, wait_for};

use crate::setup::{api, check, gate_yaml, shop, shop_with};

#[test]
fn the_commands_work_without_a_running_gate_too() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop(&upstream, "access: key");
    assert_eq!(gate.terminate(), Some(0));
    let created = gate.run(&["consumers", "create", "ada", "--json"]).expect_success();
    assert!(created.stderr.contains("no gate") || created.stderr.contains("without"), "it says so: {created}");
    let key = gate.key("ada", &[]);
    gate.start_again();
    check(&gate.call("GET /shop/a").key(&key), "200");
}

#[test]
fn consumers_and_keys_are_listed_shown_and_removed() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, "plans: { free: { limits: [100/s] }, gold: { limits: [1k/s] } }", "access: key");
    gate.consumer_on("ada", "free");
    let key = gate.key("ada", &["--scope", "a", "--expires", "30d"]);
    let list = gate.run_json(&["keys", "list"]).to_string();
    assert!(list.contains(&key.id) && !list.contains(&key.text), "{list}");
    let shown = gate.run_json(&["keys", "show", &key.id]).to_string();
    assert!(shown.contains("\"a\"") && !shown.contains(&key.text), "{shown}");
    assert!(gate.run_json(&["consumers", "list"]).to_string().contains("free"));
    assert!(gate.run_json(&["plans"]).to_string().contains("gold"));
    let twice = gate.run(&["consumers", "create", "ada", "--json"]);
    assert_ne!(twice.code, Some(0), "{twice}");
    assert!(twice.stderr.contains("ada"), "{twice}");
    let nobody = gate.run(&["keys", "create", "bob", "--json"]);
    assert!(nobody.code != Some(0) && nobody.stderr.contains("bob"), "{nobody}");
    let no_plan = gate.run(&["consumers", "create", "bob", "--plan", "silver"]);
    assert!(no_plan.code != Some(0) && no_plan.stderr.contains("silver"), "{no_plan}");
    // Human output shows the key once, too, and is not JSON.
    let human = gate.run(&["keys", "create", "ada"]).expect_success();
    assert!(human.stdout.contains("cg_live_") && !human.stdout.starts_with('{'), "{human}");
}

#[test]
fn the_socket_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let folder = gate.folder().join("callgate-data/admin");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(folder.join("sock").exists());
    // A stale socket of a killed gate is no obstacle.
    let mut gate = gate;
    gate.kill();
    gate.start_again();
    gate.consumer("ada");
}

#[test]
fn every_act_is_in_the_audit_log_with_its_actor() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada");
    gate.revoke(&key);
    let entries = gate.run_json(&["audit", "list"]);
    let text = entries.to_string();
    for word in ["ada", key.id.as_str(), "create", "revoke"] {
        assert!(text.contains(word), "`{word}` is missing: {text}");
    }
    assert!(!text.contains(&key.text), "{text}");
    let _ = gate.run(&["audit", "verify"]).expect_success();
}

#[test]
fn over_tcp_a_token_is_needed_and_its_role_counts() {
    let upstream = ScriptedUpstream::answering("ok");
    let port = free_port();
    let top = format!("admin: {{ address: \"127.0.0.1:{port}\" }}");
    let gate = TestGate::start(&gate_yaml(&top, &api("shop", &upstream.url(), "access: key")));
    let admin = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    wait_for("the admin API", || std::net::TcpStream::connect(admin).is_ok());
    let token = |role: &str| {
        let made = gate.run_json(&["admin-tokens", "create", role, "--role", role]);
        made["token"].as_str().unwrap().to_owned()
    };
    let (read, write) = (token("read"), token("write"));
    let call = |what: &str, token: &str| {
        Call::new(admin, what).field("Authorization", format!("Bearer {token}")).send().status
    };
    assert_eq!(Call::new(admin, "GET /v1/consumers").send().status, 401);
    assert_eq!(call("GET /v1/consumers", "wrong"), 401);
    assert_eq!(call("GET /v1/consumers", &read), 200);
    let create = |token: &str| {
        let call = Call::new(admin, "POST /v1/consumers").field("Authorization", format!("Bearer {token}"));
        call.body("application/json", "{\"name\":\"ada\"}").send().status
    };
    assert_eq!(create(&read), 403);
    assert_eq!(create(&write), 201);
    // A page in a browser on this machine must not reach it.
    let forged = Call::new(admin, "GET /v1/consumers").field("Authorization", format!("Bearer {read}"));
    assert_eq!(forged.clone().field("Host", "evil.example.com").send().status, 403);
    assert_eq!(forged.field("Origin", "https://evil.example.com").send().status, 403);
}

/// The admin address has no port 0 in the ready line.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
