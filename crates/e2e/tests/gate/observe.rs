//! Watching before blocking: globally, per API, and per rule.

use callgate_testkit::{ScriptedUpstream, TestGate};

use crate::setup::{api, check, gate_yaml, shop, shop_with};

/// The codes under `would_refuse` in the record of a call.
fn would_refuse(gate: &TestGate, call_id: &str) -> Vec<String> {
    let record = gate.record(call_id);
    let codes = record["callgate.would_refuse"].as_array().cloned().unwrap_or_default();
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_global_switch_refuses_nothing_and_records_everything() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(
        &upstream,
        "mode: observe",
        "access: key\nip: { deny: [127.0.0.1] }\nlimits: [1/h per ip]\naccepts: [application/json]\nbody_max: 3",
    );
    for codes in
        [&["ip_denied", "unsupported_content_type", "body_too_large", "credential_missing"][..], &["rate_limited"]]
    {
        let answer = check(&gate.call("POST /shop/a").body("text/plain", "hello"), "200");
        let found = would_refuse(&gate, &answer.call_id());
        for code in codes {
            assert!(found.iter().any(|is| is == code), "{code} is not in {found:?}");
        }
    }
    assert_eq!(upstream.last().body, b"hello");
}

#[test]
fn bytes_that_are_not_http_are_refused_even_while_watching() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, "mode: observe", "access: public");
    check(
        &gate.call("POST /shop/a").field("Transfer-Encoding", "chunked").body("text/plain", "x"),
        "400 malformed_request",
    );
    check(&gate.call("GET /shop/..%2fadmin"), "400 malformed_request");
    check(&gate.call("GET /nowhere"), "404 no_such_route");
}

#[test]
fn one_api_watches_while_another_enforces() {
    let upstream = ScriptedUpstream::answering("ok");
    let apis =
        api("watched", &upstream.url(), "access: key\nmode: observe") + &api("guarded", &upstream.url(), "access: key");
    let gate = TestGate::start(&gate_yaml("", &apis));
    let answer = check(&gate.call("GET /watched/a"), "200");
    assert_eq!(would_refuse(&gate, &answer.call_id()), ["credential_missing"]);
    check(&gate.call("GET /guarded/a"), "401 credential_missing");
}

#[test]
fn one_rule_watches_while_the_others_enforce() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nlimits: [1/h burst 1 per key]\nobserve: [limits]");
    let key = gate.new_key("ada");
    check(&gate.call("GET /shop/a"), "401 credential_missing");
    check(&gate.call("GET /shop/a").key(&key), "200");
    let answer = check(&gate.call("GET /shop/a").key(&key), "200");
    assert_eq!(would_refuse(&gate, &answer.call_id()), ["rate_limited"]);
    let told = gate.run(&["explain", &answer.call_id()]).expect_success().stdout;
    assert!(told.contains("would") && told.contains("rate_limited"), "{told}");
}

#[test]
fn a_call_that_would_be_refused_still_hides_its_credential() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nmode: observe");
    let key = gate.new_key("ada");
    gate.revoke(&key);
    let answer = check(&gate.call("GET /shop/a").key(&key), "200");
    assert_eq!(would_refuse(&gate, &answer.call_id()), ["credential_revoked"]);
    let received = upstream.last();
    assert!(!received.to_string().contains(&key.text), "{received}");
    assert_eq!(received.field("callgate-consumer"), None, "whoever was not identified is nobody: {received}");
}
