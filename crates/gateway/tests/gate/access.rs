//! Who may call what, and what nobody may learn.

use callgate_testkit::ScriptedUpstream;

use crate::house::{House, check, shop};

const MISSING: &str = "401 credential_missing";

#[test]
fn scopes_of_a_wider_pattern_hold_under_a_public_route() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: key\nroutes:\n  - \"* /admin/**\": { scopes: [admin] }\n  - GET /admin/stats: { access: public }",
    );
    check(&house.call("GET /shop/admin/stats"), MISSING);
    check(&house.call("GET /shop/admin/stats").key(house.key("ada")), "403 scope_missing");
    let (_, key) = house.key_with("ada", |request| request.scopes = vec!["admin".into()]);
    check(&house.call("GET /shop/admin/stats").key(key), "200");
}

#[test]
fn anonymous_callers_cannot_map_an_api() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: key\naccepts: [application/json]\nroutes:\n  - GET /books/{id}: {}\n  - POST /books: {}\n  - GET /health: { access: public }",
    );
    for what in [
        "GET /shop/books/1",
        "GET /shop/books",
        "DELETE /shop/books/1",
        "GET /shop/nothing",
        "OPTIONS /shop/books/1",
        "OPTIONS /shop/nothing",
        "HEAD /shop/nothing",
    ] {
        let answer = check(&house.call(what), MISSING);
        assert_eq!(answer.field("allow"), None, "{what}");
    }
    check(&house.call("POST /shop/books").body("text/plain", "x"), MISSING);
    check(&house.call("GET /shop/health"), "200");
    // Whoever has a key is told what there is.
    let key = house.key("ada");
    check(&house.call("GET /shop/nothing").key(&key), "404 no_such_route");
    let answer = check(&house.call("DELETE /shop/books/1").key(&key), "405 method_not_allowed");
    assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"));
    let answer = check(&house.call("OPTIONS /shop/books/1").key(&key), "204");
    assert_eq!(answer.field("allow"), Some("GET, HEAD, OPTIONS"));
    let answer =
        check(&house.call("POST /shop/books").key(&key).body("text/plain", "x"), "415 unsupported_content_type");
    assert_eq!(answer.field("accept"), Some("application/json"));
}

#[test]
fn a_page_of_the_apis_own_host_passes_and_is_told_nothing() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public\ncors: { origins: [\"https://shop.example.com\"], credentials: true }");
    let call = house.call("GET /shop/a").field("Host", "api.example.com");
    let answer = check(&call.clone().field("Origin", "http://api.example.com"), "200");
    assert_eq!(answer.field("access-control-allow-origin"), None, "one host's pages by http and https are two origins");
    check(&call.clone().field("Origin", "https://evil.example.com"), "403 cors_refused");
    check(&call.field("Origin", "null"), "403 cors_refused");
}

#[test]
fn a_route_with_an_address_rule_hides_its_methods_too() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = House::start(
        &crate::house::shop_yaml(
            "",
            "access: public\nroutes:\n  - GET /admin: { ip: { allow: [10.9.0.0/16] } }\n  - GET /open: {}",
        )
        .replace("UPSTREAM", &upstream.url()),
    );
    check(&house.call("GET /shop/admin"), "403 ip_denied");
    check(&house.call("HEAD /shop/admin"), "403 ip_denied");
    check(&house.call("OPTIONS /shop/open"), "204");
    check(&house.call("OPTIONS /shop/admin"), "403 ip_denied");
}
