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

#[test]
fn a_key_in_the_query_is_found_and_taken_out_however_it_is_written() {
    let upstream = ScriptedUpstream::answering("ok");
    let house =
        shop(&upstream, "access: key\nkeys: { query: key }\nroutes: [\"* /**\": {}, GET /open: { access: public }]");
    let key = house.key("ada");
    for (query, forwarded) in [
        (format!("key={key}"), "/a"),
        (format!("%6bey={key}&a=1"), "/a?a=1"),
        (format!("a=1&key={key}&b=%20"), "/a?a=1&b=%20"),
        (format!("a=1&&KEY=x&key={key}"), "/a?a=1&&KEY=x"),
    ] {
        let answer = check(&house.call(&format!("GET /shop/a?{query}")), "200");
        let target = upstream.last().target().to_owned();
        assert!(!target.contains(&key), "{target}");
        assert_eq!(target.replace("&&", "&"), forwarded.replace("&&", "&"));
        assert_eq!(answer.field("referrer-policy"), Some("no-referrer"));
    }
    check(&house.call(&format!("GET /shop/a?key={key}&key={key}")), "400 credential_ambiguous");
    check(&house.call(&format!("GET /shop/a?key={key}")).key(&key), "400 credential_ambiguous");
    check(&house.call("GET /shop/a?key="), "401 credential_unknown");
    check(&house.call(&format!("GET /shop/open?key={key}&a=1")), "200");
    assert_eq!(upstream.last().target(), "/open?a=1", "a public place takes no key, and passes none on");
}

#[test]
fn a_fixed_answer_is_guarded_like_any_other() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: key\nlimits: [1/day per api]\nroutes: [GET /a: { respond: { status: 200, body: hello } }]",
    );
    check(&house.call("GET /shop/a"), MISSING);
    let key = house.key("ada");
    assert_eq!(check(&house.call("GET /shop/a").key(&key), "200").text(), "hello");
    check(&house.call("GET /shop/a").key(&key), "429 rate_limited");
    assert_eq!(upstream.count(), 0);
}
