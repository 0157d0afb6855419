//! Watching: nothing is refused, everything is recorded.

use callgate_testkit::ScriptedUpstream;

use crate::house::{check, shop, shop_with};

#[test]
fn a_watching_gate_refuses_nothing() {
    let upstream = ScriptedUpstream::replying(callgate_testkit::reply("200 OK", "ok"));
    let house = shop_with(
        &upstream,
        "mode: observe\nplans: { free: { quota: 1/day, concurrent: 1 } }",
        "access: key\nip: { deny: [127.0.0.1] }\nproduces: [application/json]\naccepts: [application/json]\nbody_max: 3\nwell_formed: true\ncors: { origins: [\"https://a.example\"] }\nscopes: [x]\nroutes:\n  - POST /a: { limits: [1/h] }\n",
    );
    let key = house.key_on("ada", "free");
    let call = house.call("POST /shop/a").key(&key).body("text/plain", "hello").field("Accept", "image/png");
    let answer = check(&call.clone().field("Origin", "https://evil.example"), "200");
    let codes = [
        "ip_denied",
        "cors_refused",
        "unsupported_content_type",
        "not_acceptable",
        "body_too_large",
        "scope_missing",
        "response_violated",
    ];
    assert_eq!(house.would_refuse(&answer), codes);
    let answer = check(&call, "200");
    let found = house.would_refuse(&answer);
    assert!(found.contains(&"rate_limited") && found.contains(&"quota_exhausted"), "{found:?}");
    let answer = check(&house.call("GET /shop/b"), "200");
    assert!(house.would_refuse(&answer).contains(&"credential_missing"));
    assert!(house.would_refuse(&answer).contains(&"no_such_route"));
    let answer = check(&house.call("PUT /shop/a").key(&key).body("application/json", "{]"), "200");
    assert!(house.would_refuse(&answer).contains(&"method_not_allowed"));
    assert!(house.would_refuse(&answer).contains(&"body_malformed"));
    let answer = check(
        &house
            .call("POST /shop/a")
            .key(&key)
            .field("Authorization", format!("Bearer {key}"))
            .body("application/json", "1"),
        "200",
    );
    assert!(house.would_refuse(&answer).contains(&"credential_ambiguous"));
    assert_eq!(upstream.last().field("authorization"), None);
    assert_eq!(upstream.last().field("x-api-key"), None);
}

/// A path filter that breaks a working API is the first thing that makes people switch a gate off.
#[test]
fn unusual_paths_pass_a_gate_that_only_watches() {
    let upstream = ScriptedUpstream::answering("ok");
    let lines = "access: public\nroutes: [\"GET /books/**\": {}, \"GET /a%2Fb\": {}]\nunlisted: forward";
    let lines = lines.replace(", \"GET /a%2Fb\": {}", "");
    let house = shop_with(&upstream, "mode: observe", &lines);
    for (path, forwarded) in
        [("/shop/a;v=1", "/a;v=1"), ("/shop/a%2fb", "/a%2Fb"), ("/shop/Books/1", "/Books/1"), ("/Shop/a", "/a")]
    {
        let answer = check(&house.call(&format!("GET {path}")), "200");
        assert_eq!(house.would_refuse(&answer), ["malformed_request"], "{path}");
        assert_eq!(upstream.last().target(), forwarded);
    }
    let house = shop(&upstream, &lines);
    for path in ["/shop/a;v=1", "/shop/a%2fb", "/shop/Books/1", "/Shop/a"] {
        check(&house.call(&format!("GET {path}")), "400 malformed_request");
    }
}

/// Watching who calls unlisted paths must not open the guarded ones under another case.
#[test]
fn watching_unlisted_calls_does_not_open_case_variants() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: public\nobserve: [unlisted]\nroutes: [\"* /admin/**\": { ip: { allow: [10.9.0.0/16] } }]",
    );
    check(&house.call("GET /shop/admin/x"), "403 ip_denied");
    check(&house.call("GET /shop/Admin/x"), "400 malformed_request");
    check(&house.call("GET /shop/other"), "200");
}

#[test]
fn a_large_body_passes_a_watched_form_check() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\nbody_max: 40MiB\nwell_formed: true\nobserve: [well_formed]");
    let body = vec![b' '; 17 * 1024 * 1024];
    check(&house.call("POST /shop/a").body("application/json", &body), "200");
    assert_eq!(upstream.last().body.len(), body.len());
    check(&house.call("POST /shop/a").body("application/json", &body).chunked(), "200");
    assert_eq!(upstream.last().body.len(), body.len());
    let answer = check(&house.call("POST /shop/a").body("application/json", "{]"), "200");
    assert_eq!(house.would_refuse(&answer), ["body_malformed"]);
}

#[test]
fn one_route_watches() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: key\nscopes: [a]\nroutes:\n  - \"* /**\": {}\n  - GET /watched: { mode: observe, scopes: [b], ip: { deny: [127.0.0.1] } }",
    );
    let key = house.key("ada");
    check(&house.call("GET /shop/watched"), "401 credential_missing");
    check(&house.call("GET /shop/watched").key(&key), "403 scope_missing");
    let (_, key) = house.key_with("ada", |request| request.scopes = vec!["a".into()]);
    let answer = check(&house.call("GET /shop/watched").key(&key), "200");
    assert_eq!(house.would_refuse(&answer), ["ip_denied", "scope_missing"]);
}
