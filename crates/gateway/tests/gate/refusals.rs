//! Every refusal from read to inspect: its status, its fields, its document.

use callgate_model::Code;
use callgate_testkit::{Answer, Call, RawClient, ScriptedUpstream, eventually};

use crate::house::{House, check, shop, shop_with};

/// The members that every problem has, and the fields that every answer has.
#[track_caller]
fn check_problem(call: &Call, expect: &str) -> Answer {
    let answer = check(call, expect);
    judge(&answer);
    answer
}

#[track_caller]
fn judge(answer: &Answer) {
    let problem = answer.json();
    let code = Code::from_name(answer.field("callgate-refused").unwrap()).unwrap();
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{answer}");
    assert_eq!(answer.field("cache-control"), Some("no-store"), "{answer}");
    assert_eq!(problem["type"], code.urn(), "{answer}");
    assert_eq!(problem["title"], code.title(), "{answer}");
    assert_eq!(problem["status"], answer.status, "{answer}");
    assert_eq!(problem["code"], code.name(), "{answer}");
    assert_eq!(problem["hint"], code.hint(), "{answer}");
    assert_eq!(problem["call_id"], answer.call_id(), "{answer}");
    assert!(problem["detail"].as_str().unwrap().len() > 10, "{answer}");
    let waits = matches!(answer.status, 429 | 503);
    assert_eq!(answer.field("retry-after").is_some(), waits, "Retry-After belongs to 429 and 503: {answer}");
    assert_eq!(
        answer.field("www-authenticate").is_some(),
        answer.status == 401 || code == Code::LockedOut || code == Code::ScopeMissing,
        "{answer}"
    );
}

#[test]
fn read() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: public");
    check_problem(&house.call("GET /shop/a%zz"), "400 malformed_request");
    check_problem(&house.call("TRACE /shop/a"), "501 method_unsupported");
    check_problem(&house.call(&format!("GET /shop/{}", "a".repeat(9000))), "414 uri_too_long");
    check_problem(&house.call("GET /shop/a").field("X-Big", "a".repeat(40_000)), "431 head_too_large");
    let mut client = RawClient::connect(house.listeners[0]);
    client.send("POST /shop/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.summary(), "400 malformed_request");
    judge(&answer);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn route_and_admit() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(
        &upstream,
        "access: public\nip: { deny: [127.0.0.6] }\naccepts: [application/json]\nproduces: [text/plain]\nbody_max: 5\nlimits: [1/h per ip]\ncors: { origins: [\"https://a.example\"] }\nroutes: [POST /a: {}]",
    );
    check_problem(&house.call("GET /nowhere").from("127.0.0.2"), "404 no_such_route");
    check_problem(&house.call("GET /shop/b").from("127.0.0.3"), "404 no_such_route");
    let answer = check_problem(&house.call("GET /shop/a").from("127.0.0.4"), "405 method_not_allowed");
    assert_eq!(answer.field("allow"), Some("OPTIONS, POST"));
    check_problem(
        &house.call("POST /shop/a").from("127.0.0.5").field("Origin", "https://b.example"),
        "403 cors_refused",
    );
    let answer = check_problem(&house.call("POST /shop/a").from("127.0.0.6"), "403 ip_denied");
    assert!(!answer.text().contains("deny"), "which list, and which entry, is not the caller's: {answer}");
    let post =
        |from: &str, content_type: &str, body: &str| house.call("POST /shop/a").from(from).body(content_type, body);
    let answer = check_problem(&post("127.0.0.7", "text/plain", "x"), "415 unsupported_content_type");
    assert_eq!(answer.field("accept"), Some("application/json"));
    check_problem(&post("127.0.0.8", "application/json", "123456"), "413 body_too_large");
    let plain = check(&post("127.0.0.9", "application/json", "1").field("Accept", "image/png"), "406 not_acceptable");
    assert_eq!(plain.field("content-type"), Some("text/plain; charset=utf-8"), "who takes no JSON is told in words");
    check(&post("127.0.0.10", "application/json", "1"), "200");
    check_problem(&post("127.0.0.10", "application/json", "1"), "429 rate_limited");
}

#[test]
fn identify_and_authorize() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(
        &upstream,
        "lockout: { failures: 8, within: 1m, for: 5m }",
        "access: key\nkeys: { header: X-Key, bearer: false }\nroutes: [\"* /**\": {}, GET /scoped: { scopes: [a, b] }]",
    );
    let with = |key: &str| house.call("GET /shop/a").field("X-Key", key);
    let answer = check_problem(&house.call("GET /shop/a"), "401 credential_missing");
    assert_eq!(answer.field("www-authenticate"), Some("ApiKey realm=\"shop\", header=\"x-key\""));
    check_problem(&with("garbage"), "401 credential_unknown");
    let (id, revoked) = house.key_with("ada", |_| {});
    house.revoke(id);
    check_problem(&with(&revoked), "401 credential_revoked");
    let (_, early) = house.key_with("ada", |request| request.not_before = Some("2025-12-01".into()));
    check_problem(&with(&early), "401 credential_not_yet_valid");
}

#[test]
fn expired_bound_and_scoped_keys() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: key\nroutes: [\"* /**\": {}, GET /scoped: { scopes: [a, b] }]");
    let (_, key) = house.key_with("ada", |request| request.expires = Some("1h".into()));
    check(&house.call("GET /shop/a").key(&key), "200");
    house.clock.advance_ms(3_600_000);
    check_problem(&house.call("GET /shop/a").key(&key), "401 credential_expired");
    check_problem(&house.call("GET /shop/a").key(&key).key(&key), "400 credential_ambiguous");
    let (_, elsewhere) = house.key_with("ada", |request| request.apis = vec!["other".into()]);
    check_problem(&house.call("GET /shop/a").key(&elsewhere), "403 not_allowed");
    let (_, far) = house.key_with("ada", |request| request.ips = vec!["10.0.0.0/8".into()]);
    check_problem(&house.call("GET /shop/a").key(&far), "403 not_allowed");
    let (_, half) = house.key_with("ada", |request| request.scopes = vec!["a".into()]);
    let answer = check_problem(&house.call("GET /shop/scoped").key(&half), "403 scope_missing");
    assert!(answer.field("www-authenticate").unwrap().contains("scope=\"a b\""), "{answer}");
    assert!(answer.json()["detail"].as_str().unwrap().contains("`b`"), "{answer}");
}

#[test]
fn an_address_that_guesses_hears_429_and_its_valid_key_still_passes() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(&upstream, "lockout: { failures: 3, within: 1m, for: 5m }", "access: key");
    let key = house.key("ada");
    for _ in 0..3 {
        check(&house.call("GET /shop/a").key("wrong"), "401 credential_unknown");
    }
    let answer = check_problem(&house.call("GET /shop/a").key("wrong"), "429 locked_out");
    assert_eq!(answer.field("retry-after"), Some("300"));
    check(&house.call("GET /shop/a").key(&key), "200");
    check(&house.call("GET /shop/a").key("wrong").from("127.0.0.2"), "401 credential_unknown");
    house.clock.advance_ms(300_000);
    check(&house.call("GET /shop/a").key("wrong"), "401 credential_unknown");
}

#[test]
fn meter_check_and_forward() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            match request.target() {
                "/garbage" => {
                    connection.send("garbage\r\n\r\n");
                    return;
                }
                "/close" => return,
                "/slow" => return connection.hold(),
                _ => connection.send(callgate_testkit::reply("200 OK", "ok")),
            };
        }
    });
    let house = shop_with(
        &upstream,
        "plans: { free: { quota: 1/day }, one: { concurrent: 1 } }",
        "access: key\nwell_formed: true\nroutes:\n  - \"* /**\": {}\n  - GET /slow: { timeout: 200ms }\n  - GET /typed: { produces: [application/json] }",
    );
    let key = house.key("ada");
    let keyed = |what: &str| house.call(what).key(&key);
    check_problem(&keyed("POST /shop/a").body("application/json", "{"), "400 body_malformed");
    check_problem(&keyed("GET /shop/garbage"), "502 upstream_invalid");
    check_problem(&keyed("GET /shop/close"), "502 upstream_unreachable");
    check_problem(&keyed("GET /shop/slow"), "504 upstream_timeout");
    check_problem(&keyed("GET /shop/typed"), "502 response_violated");
    let spent = house.key_on("bob", "free");
    check(&house.call("GET /shop/a").key(&spent), "200");
    // Whether the store has more is asked for half a second at most: a busy disk takes longer, and the call is told so.
    let answer = eventually("the store's word", || {
        let answer = house.call("GET /shop/a").key(&spent).send();
        (answer.summary() != "503 store_unavailable").then_some(answer)
    });
    assert_eq!(answer.summary(), "429 quota_exhausted", "{answer}");
    judge(&answer);
}

#[test]
fn a_credential_in_clear_is_taken_from_loopback_alone() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop(&upstream, "access: key");
    let key = house.key("ada");
    check(&house.call("GET /shop/a").key(&key).from("127.0.0.77"), "200");
    drop::<House>(house);
}

#[test]
fn misdirected() {
    let upstream = ScriptedUpstream::answering("ok");
    let folder = tempfile::tempdir().unwrap();
    let authority = callgate_testkit::Authority::new();
    authority.certificate(&["a.example", "b.example"]).write(folder.path(), "cert");
    let yaml = format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:0, tls: {{ certificate: cert.pem, key: cert.key }} }}\napis:\n  a: {{ host: a.example, upstream: \"{0}\", access: public }}\n  b: {{ host: b.example, upstream: \"{0}\", access: public }}\n",
        upstream.url()
    );
    let house = House::start_in(folder, &yaml, callgate_model::Clock::manual(crate::house::NOON_MS));
    for (host, expect) in
        [("a.example", "200"), ("A.example.", "200"), ("b.example", "200"), ("c.example", "421 misdirected")]
    {
        let mut client = RawClient::connect_tls(house.listeners[0], "a.example", &authority);
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer().summary(), expect, "{host}");
    }
}

/// Each host has its certificate, and a connection opened under one is no way to the other.
#[test]
fn misdirected_to_the_host_of_another_certificate() {
    let upstream = ScriptedUpstream::answering("ok");
    let folder = tempfile::tempdir().unwrap();
    let authority = callgate_testkit::Authority::new();
    authority.certificate(&["a.example"]).write(folder.path(), "a");
    authority.certificate(&["b.example"]).write(folder.path(), "b");
    let yaml = format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:0, tls: [{{ certificate: a.pem, key: a.key }}, {{ certificate: b.pem, key: b.key }}] }}\napis:\n  any: {{ upstream: \"{}\", access: public }}\n",
        upstream.url()
    );
    let house = House::start_in(folder, &yaml, callgate_model::Clock::manual(crate::house::NOON_MS));
    for (host, expect) in [("a.example", "200"), ("b.example", "421 misdirected"), ("127.0.0.1", "200")] {
        let mut client = RawClient::connect_tls(house.listeners[0], "a.example", &authority);
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.answer().summary(), expect, "{host}");
    }
}

/// Whom a listener does not let in, it tells nothing: not that there is no such API, not where https is.
#[test]
fn a_listeners_addresses_hold_wherever_the_call_leads() {
    let upstream = ScriptedUpstream::answering("ok");
    let yaml = format!(
        "version: 1\nlisten: {{ address: 127.0.0.1:0, ip: {{ deny: [127.0.0.0/8] }} }}\napis:\n  shop: {{ path: /shop, upstream: \"{}\", access: public }}\n",
        upstream.url()
    );
    let house = House::start(&yaml);
    for call in ["GET /shop/a", "GET /nowhere", "OPTIONS *"] {
        check(&house.call(call), "403 ip_denied");
    }
    assert_eq!(upstream.count(), 0);
}
