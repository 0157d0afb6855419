//! From host, path and method to an API and a route, and to what is forwarded.

use callgate_testkit::{ScriptedUpstream, TestGate};

use crate::setup::{api, check, gate_yaml, public_shop, shop};

const NO_ROUTE: &str = "404 no_such_route";
const MALFORMED: &str = "400 malformed_request";

#[test]
fn the_prefix_is_cut_at_a_segment_boundary() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    for (call, forwarded) in [
        ("GET /shop", "/"),
        ("GET /shop/", "/"),
        ("GET /shop/books", "/books"),
        ("GET /shop/books?page=2&x=%20", "/books?page=2&x=%20"),
        ("GET /shop/books/", "/books/"),
        ("GET /shop?x", "/?x"),
    ] {
        check(&gate.call(call), "200");
        assert_eq!(upstream.last().target(), forwarded, "{call}");
    }
    for call in ["GET /shopping", "GET /", "GET /sho"] {
        check(&gate.call(call), NO_ROUTE);
    }
    check(&gate.call("GET /SHOP/books"), MALFORMED);
}

#[test]
fn apis_are_told_apart_by_host_and_path_and_the_longest_prefix_wins() {
    let [books, shop, wild] = ["books", "shop", "wild"].map(ScriptedUpstream::answering);
    let entry = |name: &str, upstream: &ScriptedUpstream, place: &str| {
        format!("  {name}:\n    upstream: {}\n    access: public\n{place}", upstream.url())
    };
    let apis = entry("books", &books, "    host: books.example.com\n")
        + &entry("shop", &shop, "    host: books.example.com\n    path: /shop\n")
        + &entry("wild", &wild, "    host: \"*.example.com\"\n");
    let gate = TestGate::start(&gate_yaml("", &apis));
    for (host, path, expect) in [
        ("books.example.com", "/x", "books"),
        ("BOOKS.example.com:8080", "/shopping", "books"),
        ("books.example.com.", "/shop/x", "shop"),
        ("other.example.com", "/shop/x", "wild"),
    ] {
        let answer = check(&gate.call(&format!("GET {path}")).field("Host", host), "200");
        assert_eq!(answer.text(), expect, "{host}{path}");
    }
    for host in ["example.com", "a.b.example.com", "example.org", "127.0.0.1"] {
        check(&gate.call("GET /x").field("Host", host), NO_ROUTE);
    }
}

#[test]
fn routes_go_by_specificity_not_by_order() {
    let upstream = ScriptedUpstream::echoing();
    let gate = shop(
        &upstream,
        r#"
access: public
routes:
  - "* /**": { headers: { request: { set: { X-Route: rest } } } }
  - "GET /books/{id}": { headers: { request: { set: { X-Route: one } } } }
  - "GET /books/new": { headers: { request: { set: { X-Route: literal } } } }
  - "* /books/new": { headers: { request: { set: { X-Route: any-method } } } }
"#
        .trim(),
    );
    for (call, route) in [
        ("GET /shop/books/new", "literal"),
        ("GET /shop/books/7", "one"),
        ("PUT /shop/books/new", "any-method"),
        ("PUT /shop/books/7", "rest"),
        ("GET /shop/books/7/pages", "rest"),
        ("GET /shop", "rest"),
    ] {
        check(&gate.call(call), "200");
        assert_eq!(upstream.last().field("x-route"), Some(route), "{call}");
    }
}

#[test]
fn unlisted_calls_are_refused_or_forwarded() {
    let upstream = ScriptedUpstream::answering("ok");
    let routes = "access: public\nroutes: [GET /books: {}]";
    let gate = shop(&upstream, routes);
    check(&gate.call("GET /shop/books"), "200");
    check(&gate.call("GET /shop/orders"), NO_ROUTE);
    check(&gate.call("POST /shop/books"), "405 method_not_allowed");
    let gate = shop(&upstream, &format!("{routes}\nunlisted: forward"));
    check(&gate.call("GET /shop/orders"), "200");
    check(&gate.call("POST /shop/books"), "200");
}

#[test]
fn head_and_options_as_http_says() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            // A server answers HEAD with the length that GET would have, and no body.
            let body = if request.line.starts_with("HEAD") { "" } else { "hello" };
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}"));
        }
    });
    let gate = shop(&upstream, "access: public\nroutes: [GET /books: {}, POST /orders: {}]");
    let answer = check(&gate.call("HEAD /shop/books"), "200");
    assert_eq!(
        (answer.field("content-length"), answer.body.len()),
        (Some("5"), 0),
        "a GET route answers HEAD: {answer}"
    );
    let options = gate.call("OPTIONS /shop/books").send();
    assert_eq!((options.status, options.field("allow")), (204, Some("GET, HEAD, OPTIONS")), "{options}");
    let refused = gate.call("HEAD /shop/nothing").send();
    assert_eq!((refused.summary().as_str(), refused.body.len()), (NO_ROUTE, 0));
    // The connection stays usable after a refused HEAD: no body followed.
    let mut client = gate.call("HEAD /shop/nothing").open();
    assert_eq!(client.answer_to_head().status, 404);
    client.send(gate.call("GET /shop/books").bytes());
    assert_eq!(client.answer().text(), "hello");
    check(&gate.call("OPTIONS *"), "204");
}

#[test]
fn a_path_is_normalised_once_and_forwarded_as_it_was_judged() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = public_shop(&upstream);
    for (sent, forwarded) in [
        ("/shop/%62ooks", "/books"),
        ("/shop/a%c3%a9", "/a%C3%A9"),
        ("/shop/./a/../b", "/b"),
        ("/shop//a///b", "/a/b"),
        ("/shop/a%20b", "/a%20b"),
        ("/other/../shop/x", "/x"),
        ("/%73hop/x", "/x"),
    ] {
        check(&gate.call(&format!("GET {sent}")), "200");
        assert_eq!(upstream.last().target(), forwarded, "{sent}");
    }
}

#[test]
fn no_spelling_of_a_path_gets_around_a_rule_on_admin() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(
        &upstream,
        r#"
access: public
routes:
  - "* /**": {}
  - "* /admin/**": { ip: { allow: [10.9.0.0/16] } }
"#
        .trim(),
    );
    check(&gate.call("GET /shop/open"), "200");
    for spelling in
        ["/admin", "/admin/", "/admin/x", "/a/../admin/x", "/%61dmin/x", "//admin/x", "/./admin", "/admin//x"]
    {
        check(&gate.call(&format!("GET /shop{spelling}")), "403 ip_denied");
    }
    for spelling in [
        "/a/..%2fadmin/x",
        "/a/%2e%2e/admin/x",
        "/a/..%5cadmin",
        "/a\\..\\admin",
        "/admin;x=1/y",
        "/;/admin/x",
        "/admin%00",
        "/adm%ff/x",
        "/adm%in",
        "/%2fadmin",
        "/../../admin",
        "/admin%0d%0aX: 1",
    ] {
        check(&gate.call(&format!("GET /shop{spelling}")), MALFORMED);
    }
    for spelling in ["/Admin/x", "/ADMIN", "/aDmin/x"] {
        let answer = gate.call(&format!("GET /shop{spelling}")).send();
        assert!(answer.field("callgate-refused").is_some(), "{spelling}: {answer}");
    }
    check(&gate.call("GET /shop/../admin"), NO_ROUTE);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_route_added_under_a_guarded_pattern_keeps_the_guards() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(
        &upstream,
        r#"
access: public
routes:
  - "* /admin/**": { ip: { allow: [10.9.0.0/16] } }
  - GET /admin/stats: {}
"#
        .trim(),
    );
    check(&gate.call("GET /shop/admin/stats"), "403 ip_denied");
}

#[test]
fn unusual_paths_are_let_through_where_the_api_says_so() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(&upstream, "access: public\npaths: { encoded_separators: allow, semicolons: allow }");
    for path in ["/a%2Fb", "/a;v=1/b"] {
        check(&gate.call(&format!("GET /shop{path}")), "200");
        assert_eq!(upstream.last().target(), path);
    }
}

#[test]
fn cors_is_answered_by_the_gate() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(
        &upstream,
        "access: key\ncors: { origins: [\"https://shop.example.com\"], credentials: true, headers: [X-Trace] }",
    );
    let preflight = |origin: &str| {
        gate.call("OPTIONS /shop/books")
            .field("Origin", origin)
            .field("Access-Control-Request-Method", "PUT")
            .field("Access-Control-Request-Headers", "x-trace, x-api-key")
    };
    let answer = preflight("https://shop.example.com").send();
    assert_eq!(answer.status, 204, "a preflight carries no credential: {answer}");
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://shop.example.com"));
    assert_eq!(answer.field("access-control-allow-credentials"), Some("true"));
    assert!(answer.field("access-control-allow-methods").unwrap().contains("PUT"), "{answer}");
    let allowed = answer.field("access-control-allow-headers").unwrap().to_ascii_lowercase();
    assert!(allowed.contains("x-trace") && allowed.contains("x-api-key"), "{answer}");
    assert!(answer.field("vary").unwrap().to_ascii_lowercase().contains("origin"), "{answer}");
    check(&preflight("https://evil.example.com"), "403 cors_refused");

    // A refusal is readable by the page too, and says which fields it may read.
    let refused =
        check(&gate.call("GET /shop/books").field("Origin", "https://shop.example.com"), "401 credential_missing");
    assert_eq!(refused.field("access-control-allow-origin"), Some("https://shop.example.com"), "{refused}");
    let key = gate.new_key("ada");
    let answer = check(&gate.call("GET /shop/books").key(&key).field("Origin", "https://shop.example.com"), "200");
    assert_eq!(answer.fields_named("access-control-allow-origin"), ["https://shop.example.com"]);
    check(&gate.call("GET /shop/books").key(&key), "200");
}

#[test]
fn rewrite_redirect_and_fixed_answers() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = shop(
        &upstream,
        r#"
access: public
routes:
  - "GET /orders/{id}": { rewrite: "/v2/bestellungen/{id}" }
  - "GET /old/**": { rewrite: "/new/{**}" }
  - GET /gone: { respond: { status: 410, body: gone for good, headers: { X-Since: "2024" } } }
  - GET /moved: { respond: { status: 308, headers: { Location: "https://www.example.com/" } } }
"#
        .trim(),
    );
    check(&gate.call("GET /shop/orders/7?x=1"), "200");
    assert_eq!(upstream.last().target(), "/v2/bestellungen/7?x=1");
    check(&gate.call("GET /shop/old/a/b"), "200");
    assert_eq!(upstream.last().target(), "/new/a/b");
    let gone = gate.call("GET /shop/gone").send();
    assert_eq!((gone.status, gone.text().as_str(), gone.field("x-since")), (410, "gone for good", Some("2024")));
    assert_eq!(gate.call("GET /shop/moved").send().field("location"), Some("https://www.example.com/"));
    assert_eq!(upstream.count(), 2, "fixed answers are the gate's own");
}

#[test]
fn headers_are_set_and_removed_both_ways() {
    let upstream =
        ScriptedUpstream::replying("HTTP/1.1 200 OK\r\nServer: nginx\r\nX-Old: 1\r\nContent-Length: 0\r\n\r\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "Bearer upstream-secret\n").unwrap();
    let lines = r#"
access: public
headers:
  request: { set: { X-Env: prod, Authorization: "file:token" }, remove: [X-Debug] }
  response: { set: { X-Old: "2" }, remove: [Server] }
"#;
    let yaml = gate_yaml("", &api("shop", &upstream.url(), lines.trim()));
    let gate = TestGate::start_in(folder, &yaml);
    let answer = check(&gate.call("GET /shop/a").field("X-Debug", "1").field("X-Env", "forged"), "200");
    let received = upstream.last();
    assert_eq!(received.fields_named("x-env"), ["prod"]);
    assert_eq!(received.fields_named("authorization"), ["Bearer upstream-secret"]);
    assert_eq!(received.field("x-debug"), None);
    assert_eq!((answer.fields_named("x-old"), answer.field("server")), (vec!["2"], None), "{answer}");
    assert!(!gate.said().contains("upstream-secret"));
}
