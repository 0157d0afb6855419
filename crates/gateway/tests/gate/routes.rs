//! From host, path and method to the rules that hold.

use callgate_testkit::ScriptedUpstream;

use crate::house::{House, check, shop};

#[test]
fn single_values_come_from_the_most_specific_route() {
    let upstream = ScriptedUpstream::answering("ok");
    // The same place under two names of its segment; the method decides.
    let house = shop(
        &upstream,
        "access: key\nroutes:\n  - \"* /users/{name}\": { body_max: 10 }\n  - POST /users/{id}: { access: public, body_max: 20 }\n  - HEAD /users/{it}: { access: key }\n  - GET /users/{them}: { access: public }",
    );
    for _ in 0..3 {
        check(&house.call("POST /shop/users/7").untyped_body([b'x'; 15]), "200");
        check(&house.call("PUT /shop/users/7").untyped_body([b'x'; 5]), "401 credential_missing");
        check(&house.call("GET /shop/users/7"), "200");
        check(&house.call("HEAD /shop/users/7"), "401 credential_missing");
    }
    let answer = check(&house.call("POST /shop/users/7"), "200");
    assert_eq!(house.record(&answer).route.as_deref(), Some("/shop/users/{id}"));
}

#[test]
fn every_matching_entry_holds() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: public\nroutes:\n  - \"* /**\": {}\n  - \"* /admin/**\": { ip: { allow: [10.9.0.0/16] } }\n  - GET /admin/{x}: {}\n  - GET /admin/stats: {}\n  - \"* /{any}/secret\": { scopes: [s], access: key }",
    );
    for path in ["/admin", "/admin/", "/admin/x", "/admin/stats", "/admin/secret", "/admin/%73tats", "/admin//stats"] {
        check(&house.call(&format!("GET /shop{path}")), "403 ip_denied");
    }
    check(&house.call("GET /shop/a/secret"), "401 credential_missing");
    check(&house.call("GET /shop/a/other"), "200");
}

#[test]
fn one_place_has_one_reading() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: public\nroutes:\n  - \"* /**\": {}\n  - \"* /users/@me\": { ip: { allow: [10.9.0.0/16] } }\n  - \"* /a%20b/**\": { ip: { allow: [10.9.0.0/16] } }",
    );
    for path in ["/users/@me", "/users/%40me", "/users/%40%6De", "/a%20b", "/a%20b/c"] {
        check(&house.call(&format!("GET /shop{path}")), "403 ip_denied");
    }
    check(&house.call("GET /%73hop/users/%40you"), "200");
    assert_eq!(upstream.last().target(), "/users/%40you");
    for path in ["/Users/@me", "/users/%40ME", "/SHOP/a"] {
        let path = if path.starts_with("/SHOP") { path.to_owned() } else { format!("/shop{path}") };
        check(&house.call(&format!("GET {path}")), "400 malformed_request");
    }
}

#[test]
fn the_prefix_is_cut_and_paths_are_rewritten() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = House::start(&format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:0 }}\napis:\n  deep:\n    path: /a/b\n    upstream: {0}/base\n    access: public\n    routes:\n      - \"* /**\": {{}}\n      - GET /old/{{id}}/**: {{ rewrite: \"/new/{{id}}/{{**}}\" }}\n  all:\n    path: /\n    upstream: {0}\n    access: public\n",
        upstream.url()
    ));
    for (path, forwarded) in [
        ("/a/b", "/base/"),
        ("/a/b/", "/base/"),
        ("/a/b/c?d=e%20f", "/base/c?d=e%20f"),
        ("/a/bc", "/a/bc"),
        ("/a", "/a"),
        ("/", "/"),
        ("/x//y/./z", "/x/y/z"),
        ("/a/b/old/7/x/y", "/base/new/7/x/y"),
        ("/a/x/../b/c", "/base/c"),
        ("/a/b/%7Ec%e2%82%ac", "/base/~c%E2%82%AC"),
        ("/?", "/?"),
    ] {
        check(&house.call(&format!("GET {path}")), "200");
        assert!(
            [forwarded, forwarded.trim_end_matches('?')].contains(&upstream.last().target()),
            "{path}: {}",
            upstream.last().target()
        );
    }
}

#[test]
fn hosts_are_exact_or_one_label_more() {
    let upstream =
        ScriptedUpstream::responding(|request| callgate_testkit::reply("200 OK", request.field("x-api").unwrap_or("")));
    let mut apis = String::new();
    for (name, place) in
        [("exact", "host: api.example.com, path: /x"), ("wild", "host: \"*.example.com\""), ("any", "path: /x")]
    {
        apis += &format!(
            "  {name}: {{ {place}, upstream: \"{}\", access: public, headers: {{ request: {{ set: {{ X-Api: {name} }} }} }} }}\n",
            upstream.url()
        );
    }
    let house = House::start(&format!("version: 1\nlisten: {{ address: 127.0.0.1:0 }}\napis:\n{apis}"));
    for (host, path, api) in [
        ("api.example.com", "/x", "exact"),
        ("API.Example.COM:8080", "/x/y", "exact"),
        ("api.example.com.", "/x", "exact"),
        ("api.example.com", "/y", "wild"),
        ("other.example.com", "/x", "wild"),
        ("a.b.example.com", "/x", "any"),
        ("example.com", "/x", "any"),
        ("[::1]:80", "/x", "any"),
    ] {
        let answer = check(&house.call(&format!("GET {path}")).field("Host", host), "200");
        assert_eq!(answer.text(), api, "{host}{path}");
    }
    check(&house.call("GET /y").field("Host", "example.com"), "404 no_such_route");
    check(&house.call("GET /X").field("Host", "example.com"), "400 malformed_request");
}

#[test]
fn redirects_and_fixed_answers() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = House::start(&format!(
        "version: 1\nlisten:\n  - {{ address: 127.0.0.1:0 }}\n  - {{ address: 127.0.0.1:0, redirect: {{ https: 8443 }} }}\napis:\n  shop:\n    path: /shop\n    upstream: {}\n    access: public\n    routes:\n      - \"* /**\": {{}}\n      - GET /teapot: {{ respond: {{ status: 418, headers: {{ X-Tea: green }}, body: short }} }}\n",
        upstream.url()
    ));
    let answer = check(&house.call("GET /shop/teapot"), "418");
    assert_eq!((answer.field("x-tea"), answer.text().as_str()), (Some("green"), "short"));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    let answer = check(&house.call("HEAD /shop/teapot"), "418");
    assert_eq!((answer.field("content-length"), answer.body.len()), (Some("5"), 0));
    let redirected =
        |host: &str| callgate_testkit::Call::new(house.listeners[1], "POST /shop//a?b=c").field("Host", host).send();
    let answer = redirected("api.example.com:80");
    assert_eq!((answer.status, answer.field("location")), (308, Some("https://api.example.com:8443/shop/a?b=c")));
    assert_eq!(upstream.count(), 0);
    // HTTP/1.0 may name no host, and then there is nowhere to send it.
    let mut client = callgate_testkit::RawClient::connect(house.listeners[1]);
    client.send("GET /shop/a HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().summary(), "400 malformed_request");
}

#[test]
fn preflights_need_no_key_and_tell_the_methods() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: key\ncors: { origins: [\"https://a.example\"] }\nroutes: [GET /books: {}, POST /books: {}]",
    );
    let preflight = |origin: &str, path: &str| {
        house
            .call(&format!("OPTIONS /shop{path}"))
            .field("Origin", origin)
            .field("Access-Control-Request-Method", "GET")
    };
    let answer = check(&preflight("https://a.example", "/books"), "204");
    assert_eq!(answer.field("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!(answer.field("vary"), Some("origin"));
    assert!(answer.field("access-control-allow-headers").unwrap().contains("x-api-key"));
    let unknown = check(&preflight("https://a.example", "/nothing"), "204");
    assert_eq!(answer.field("allow"), None);
    assert!(unknown.field("access-control-allow-methods").is_some(), "a preflight tells nobody what there is");
    check(&preflight("https://b.example", "/books"), "403 cors_refused");
    assert_eq!(upstream.count(), 0);
    let answer =
        check(&house.call("GET /shop/books").field("Origin", "https://a.example").key(house.key("ada")), "200");
    assert!(answer.field("access-control-expose-headers").unwrap().contains("callgate-call-id"));
}
