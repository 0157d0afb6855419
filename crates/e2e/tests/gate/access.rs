//! Who may call: keys in every place and state, scopes, and what of them goes upstream.

use callgate_testkit::{ScriptedUpstream, TestGate, wait_for};

use crate::setup::{api, check, check_problem, gate_yaml, public_shop, shop, shop_with};

const WITHOUT: &str = "401 credential_missing";
const UNKNOWN: &str = "401 credential_unknown";

#[test]
fn a_key_opens_and_its_absence_closes() {
    let upstream = ScriptedUpstream::answering("books");
    let gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada");

    let refused = check(&gate.call("GET /shop/books"), WITHOUT);
    check_problem(&refused);
    assert!(refused.field("www-authenticate").is_some(), "RFC 9110 section 15.5.2: {refused}");
    assert_eq!(upstream.count(), 0, "a refused call never reaches the upstream");

    let answer = check(&gate.call("GET /shop/books").key(&key), "200");
    assert_eq!(answer.text(), "books");
    assert_eq!(upstream.last().target(), "/books");
}

#[test]
fn access_is_by_key_unless_public_is_written() {
    let upstream = ScriptedUpstream::answering("ok");
    check(&shop(&upstream, "").call("GET /shop/"), WITHOUT);
    check(&public_shop(&upstream).call("GET /shop/"), "200");
}

#[test]
fn a_key_is_taken_from_its_header_and_from_bearer_and_from_the_query_only_where_the_api_says_so() {
    let upstream = ScriptedUpstream::echoing();
    let gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada").text;
    check(&gate.call("GET /shop/a").field("x-api-key", &key), "200");
    check(&gate.call("GET /shop/a").field("Authorization", format!("Bearer {key}")), "200");
    check(&gate.call("GET /shop/a").field("Authorization", format!("bearer {key}")), "200");
    check(&gate.call("GET /shop/a").field("Authorization", format!("Basic {key}")), WITHOUT);
    check(&gate.call(&format!("GET /shop/a?api_key={key}")), WITHOUT);

    let gate = shop(&upstream, "access: key\nkeys: { header: X-Shop-Key, bearer: false, query: api_key }");
    let key = gate.new_key("ada").text;
    check(&gate.call("GET /shop/a").field("X-Shop-Key", &key), "200");
    check(&gate.call("GET /shop/a").field("X-API-Key", &key), WITHOUT);
    check(&gate.call("GET /shop/a").field("Authorization", format!("Bearer {key}")), WITHOUT);
    let answer = check(&gate.call(&format!("GET /shop/a?x=1&api_key={key}&y=2")), "200");
    assert_eq!(upstream.last().target(), "/a?x=1&y=2", "the key is taken out of the query");
    assert_eq!(answer.field("referrer-policy"), Some("no-referrer"), "{answer}");
    assert!(answer.field("cache-control").is_some_and(|value| value.contains("private")), "{answer}");
}

#[test]
fn the_callers_credential_never_goes_upstream_and_is_never_printed() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = shop(&upstream, "access: key\nkeys: { query: api_key }");
    let key = gate.new_key("ada").text;
    check(&gate.call("GET /shop/a").key(&key), "200");
    check(&gate.call("GET /shop/a").field("Authorization", format!("Bearer {key}")), "200");
    let last = check(&gate.call(&format!("GET /shop/a?api_key={key}")), "200");
    for received in upstream.received() {
        assert!(!received.to_string().contains(&key), "{received}");
    }
    // An unknown one is not ours to forward either.
    check(&gate.call("GET /shop/a").key("not-a-key"), UNKNOWN);
    let _ = gate.record(&last.call_id());
    assert_eq!(gate.terminate(), Some(0));
    assert!(!gate.said().contains(&key) && !gate.said().contains("not-a-key"), "{}", gate.said());
}

#[test]
fn a_public_api_leaves_a_foreign_authorization_alone() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    check(&gate.call("GET /shop/a").field("Authorization", "Basic dXNlcjpwYXNz"), "200");
    assert_eq!(upstream.last().field("authorization"), Some("Basic dXNlcjpwYXNz"));
}

#[test]
fn credentials_that_are_wrong_in_every_way() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let key = gate.new_key("ada").text;
    let mut changed = key.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    let foreign = "cg_live_00000000000000000000000000000000000000000000000";

    check(&gate.call("GET /shop/a").key(""), UNKNOWN);
    for wrong in [&key[..key.len() - 1], &changed, foreign, "x", "Bearer", &"k".repeat(9_000), "clé"] {
        let refused = check(&gate.call("GET /shop/a").key(wrong), UNKNOWN);
        assert!(!refused.text().contains(wrong) || wrong.len() < 7, "the answer repeats the credential: {refused}");
    }
    check(&gate.call("GET /shop/a").key(format!("{key} ")), "200");
    check(&gate.call("GET /shop/a").key(&key).key(&key), "400 credential_ambiguous");
    let both = gate.call("GET /shop/a").key(&key).field("Authorization", format!("Bearer {key}"));
    check(&both, "400 credential_ambiguous");
    let twice = gate.call("GET /shop/a").field("Authorization", format!("Bearer {key}"));
    check(&twice.field("Authorization", format!("Bearer {key}")), "400 credential_ambiguous");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_revoked_key_is_refused_on_the_very_next_call() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let (kept, revoked) = (gate.new_key("ada"), gate.key("ada", &[]));
    check(&gate.call("GET /shop/a").key(&revoked), "200");
    gate.revoke(&revoked);
    // Many connections, so that every worker is asked.
    for _ in 0..8 {
        check(&gate.call("GET /shop/a").key(&revoked), "401 credential_revoked");
    }
    check(&gate.call("GET /shop/a").key(&kept), "200");
}

#[test]
fn a_key_expires_and_begins() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    gate.consumer("ada");
    let short = gate.key("ada", &["--expires", "1s"]);
    let long = gate.key("ada", &["--expires", "30d"]);
    let later = gate.key("ada", &["--not-before", "2099-01-01T00:00:00Z"]);
    check(&gate.call("GET /shop/a").key(&long), "200");
    check(&gate.call("GET /shop/a").key(&later), "401 credential_not_yet_valid");
    wait_for("the key to expire", || gate.call("GET /shop/a").key(&short).send().status == 401);
    check(&gate.call("GET /shop/a").key(&short), "401 credential_expired");
}

#[test]
fn scopes_are_asked_for_by_routes() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(
        &upstream,
        "access: key\nroutes:\n  - \"* /**\": {}\n  - POST /orders: { scopes: [orders:write, orders:read] }",
    );
    gate.consumer("ada");
    let reader = gate.key("ada", &["--scope", "orders:read"]);
    let writer = gate.key("ada", &["--scope", "orders:read", "--scope", "orders:write"]);
    check(&gate.call("GET /shop/orders").key(&reader), "200");
    let refused = check(&gate.call("POST /shop/orders").key(&reader), "403 scope_missing");
    assert!(check_problem(&refused)["detail"].as_str().unwrap().contains("orders:write"), "{refused}");
    check(&gate.call("POST /shop/orders").key(&writer), "200");
}

#[test]
fn a_key_is_bound_to_apis_and_addresses() {
    let upstream = ScriptedUpstream::answering("ok");
    let apis = api("shop", &upstream.url(), "access: key") + &api("bank", &upstream.url(), "access: key");
    let yaml = gate_yaml("", &apis);
    let gate = TestGate::start(&yaml);
    gate.consumer("ada");
    let shop_only = gate.key("ada", &["--api", "shop"]);
    check(&gate.call("GET /shop/a").key(&shop_only), "200");
    check(&gate.call("GET /bank/a").key(&shop_only), "403 not_allowed");
    let from_one = gate.key("ada", &["--ip", "127.0.0.5/32"]);
    check(&gate.call("GET /shop/a").key(&from_one).from("127.0.0.5"), "200");
    let refused = check(&gate.call("GET /shop/a").key(&from_one), "403 not_allowed");
    assert!(!refused.text().contains("127.0.0.5"), "the list is not the caller's to know: {refused}");
}

#[test]
fn rotation_overlaps_and_import_takes_a_foreign_key() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key");
    let old = gate.new_key("ada");
    let rotated = gate.run_json(&["keys", "rotate", &old.id, "--overlap", "1h"]);
    let new = rotated["key"].as_str().unwrap();
    check(&gate.call("GET /shop/a").key(&old), "200");
    check(&gate.call("GET /shop/a").key(new), "200");
    let at_once = gate.run_json(&["keys", "rotate", rotated["id"].as_str().unwrap(), "--overlap", "0s"]);
    check(&gate.call("GET /shop/a").key(new), "401 credential_expired");
    check(&gate.call("GET /shop/a").key(at_once["key"].as_str().unwrap()), "200");

    std::fs::write(gate.folder().join("foreign.txt"), "legacy-key-0123456789-abcdef\n").unwrap();
    gate.run_json(&["keys", "import", "ada", "--file", "foreign.txt"]);
    check(&gate.call("GET /shop/a").key("legacy-key-0123456789-abcdef"), "200");
}

#[test]
fn an_anonymous_caller_cannot_map_an_api() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: key\nroutes:\n  - GET /books: { accepts: [application/json] }");
    for call in ["GET /shop/books", "GET /shop/nothing", "DELETE /shop/books"] {
        check(&gate.call(call), WITHOUT);
    }
    check(&gate.call("POST /shop/books").body("text/plain", "x"), WITHOUT);
    let key = gate.new_key("ada");
    check(&gate.call("GET /shop/nothing").key(&key), "404 no_such_route");
    let refused = check(&gate.call("DELETE /shop/books").key(&key), "405 method_not_allowed");
    assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"), "{refused}");
}

#[test]
fn wrong_credentials_lock_an_address_out_but_not_its_valid_key() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop_with(&upstream, "lockout: { failures: 3, within: 1m, for: 5m }", "access: key");
    let key = gate.new_key("ada");
    for _ in 0..3 {
        check(&gate.call("GET /shop/a").key("wrong").from("127.0.0.7"), UNKNOWN);
    }
    let locked = check(&gate.call("GET /shop/a").key("wrong").from("127.0.0.7"), "429 locked_out");
    assert!(locked.field("retry-after").is_some(), "{locked}");
    check(&gate.call("GET /shop/a").key(&key).from("127.0.0.7"), "200");
    check(&gate.call("GET /shop/a").key("wrong").from("127.0.0.8"), UNKNOWN);
}
