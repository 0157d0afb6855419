//! Access tokens: who calls with them, for whom they are, what they may do, and how they end.

use callgate_identity::{ClientRequest, TokenRequest};
use callgate_model::record::End;
use callgate_model::{Grant, Secret, SigningAlgorithm};
use callgate_store::Actor;
use callgate_testkit::{Call, ScriptedUpstream};

use crate::house::{House, check, shop_with};

const ISSUER: &str = "issuer: { url: \"http://127.0.0.1:8080\" }";

/// A gate that issues, with one API.
#[track_caller]
fn issuing(upstream: &ScriptedUpstream, lines: &str) -> House {
    let house = shop_with(upstream, ISSUER, lines);
    house
        .runtime
        .block_on(house.registry.set_issuer(Some(("http://127.0.0.1:8080", SigningAlgorithm::default()))))
        .unwrap();
    house
}

/// A client of a consumer.
fn client(house: &House, name: &str, consumer: &str, scopes: &[&str]) {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let request = ClientRequest {
        name: name.to_owned(),
        consumer: Some(consumer.to_owned()),
        grants: vec![Grant::ClientCredentials],
        scopes,
        ..ClientRequest::default()
    };
    house.runtime.block_on(async {
        let _known = house.registry.create_consumer(&Actor::Local, consumer, None).await;
        house.registry.create_client(&Actor::Local, request).await.unwrap();
    });
}

/// A token of a client with all its scopes, for this audience or for no API in particular.
fn token_for(house: &House, client: &str, audience: Option<&str>) -> String {
    let client = house.registry.tokens().client(client).unwrap();
    let scopes = client.scopes.iter().map(|scope| scope.to_string()).collect();
    let request = TokenRequest { client, scopes, audience: audience.map(str::to_owned), key: None };
    house.runtime.block_on(house.registry.issue_token(request)).unwrap().text.expose().to_owned()
}

fn token(house: &House, client: &str) -> String {
    token_for(house, client, None)
}

fn bearing(house: &House, what: &str, credential: &str) -> Call {
    house.call(what).field("Authorization", format!("Bearer {credential}"))
}

#[test]
fn a_token_leads_to_its_client_and_goes_no_further() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: token\nroutes: [GET /a, {\"GET /b\": {scopes: 'b:read'}}]");
    client(&house, "reader", "ada", &["a:read"]);
    let token = token(&house, "reader");

    let answer = check(&bearing(&house, "GET /shop/a", &token), "200");
    let request = upstream.last();
    for (name, value) in [("Callgate-Consumer", "ada"), ("Callgate-Client", "reader"), ("Callgate-Subject", "reader")] {
        assert_eq!(request.field(name), Some(value), "{name}");
    }
    assert_eq!(request.field("Callgate-Scopes"), Some("a:read"));
    assert_eq!(request.field("Authorization"), None, "the token stays here");
    let record = house.record(&answer);
    assert_eq!((record.consumer.as_deref(), record.client_id.as_deref()), (Some("ada"), Some("reader")));
    assert!(record.token.is_some() && record.key_id.is_none());

    let answer = check(&bearing(&house, "GET /shop/b", &token), "403 scope_missing");
    let challenge = answer.field("WWW-Authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("scope=\"b:read\""), "{challenge}");
}

/// Where callers are told to look (RFC 9728).
const ABOUT: &str = ", resource_metadata=\"http://127.0.0.1:8080/.well-known/oauth-protected-resource/shop\"";

#[test]
fn without_a_token_the_challenge_has_no_error_and_with_a_wrong_one_it_has() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: token");
    let answer = check(&house.call("GET /shop"), "401 credential_missing");
    assert_eq!(answer.field("WWW-Authenticate"), Some(&*format!("Bearer realm=\"shop\"{ABOUT}")));
    let key = house.key("ada");
    for wrong in ["nonsense", "a.b.c", &key, ""] {
        let answer = check(&bearing(&house, "GET /shop", wrong), "401 credential_unknown");
        assert_eq!(
            answer.field("WWW-Authenticate"),
            Some(&*format!("Bearer realm=\"shop\", error=\"invalid_token\"{ABOUT}"))
        );
    }
    // A key in the place of keys is none here.
    check(&house.call("GET /shop").field("X-API-Key", &key), "401 credential_missing");
}

#[test]
fn the_form_tells_a_token_from_a_key_where_both_are_taken() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: [key, token]");
    client(&house, "reader", "ada", &[]);
    let (key, token) = (house.key("ada"), token(&house, "reader"));
    check(&bearing(&house, "GET /shop", &key), "200");
    check(&bearing(&house, "GET /shop", &token), "200");
    check(&house.call("GET /shop").field("X-API-Key", &key), "200");
    let answer = check(&house.call("GET /shop"), "401 credential_missing");
    assert!(answer.text().contains("a key or an access token"), "{answer}");
    let twice = bearing(&house, "GET /shop", &token).field("Authorization", format!("Bearer {token}"));
    check(&twice, "400 credential_ambiguous");
    // What is shown counts, a wrong one too.
    check(&bearing(&house, "GET /shop", &token).field("X-API-Key", "wrong"), "401 credential_unknown");
    check(&bearing(&house, "GET /shop", "a.b.c").field("X-API-Key", &key), "401 credential_unknown");
}

#[test]
fn both_together_are_the_keys_consumer_and_the_tokens_scopes() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: { all: [key, token] }\nroutes: [{\"GET /a\": {scopes: 'a:read'}}]");
    client(&house, "reader", "ada", &["a:read"]);
    client(&house, "other", "bob", &["a:read"]);
    let (id, key) = house.key_with("ada", |_| {});
    let (token, foreign) = (token(&house, "reader"), token(&house, "other"));
    let call = |key: &str, token: &str| bearing(&house, "GET /shop/a", token).field("X-API-Key", key);

    check(&call(&key, &token), "200");
    let request = upstream.last();
    assert_eq!(request.field("Callgate-Key-Id"), Some(id.as_str()));
    assert_eq!(request.field("Callgate-Client"), Some("reader"));
    assert_eq!((request.field("Authorization"), request.field("X-API-Key")), (None, None));

    check(&bearing(&house, "GET /shop/a", &token), "401 credential_missing");
    check(&house.call("GET /shop/a").field("X-API-Key", &key), "401 credential_missing");
    check(&bearing(&house, "GET /shop/a", &key), "401 credential_missing");
    check(&call(&key, &foreign), "403 not_allowed");
    // The key's own restrictions hold beside a token.
    let (_, narrow) = house.key_with("ada", |request| request.apis = vec!["elsewhere".to_owned()]);
    check(&call(&narrow, &token), "403 not_allowed");
    house.revoke(id);
    check(&call(&key, &token), "401 credential_revoked");
}

#[test]
fn a_token_for_another_audience_is_told_which_to_ask_for() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: token\npublic_url: https://api.example.com/shop");
    client(&house, "reader", "ada", &[]);
    check(&bearing(&house, "GET /shop", &token(&house, "reader")), "200");
    check(&bearing(&house, "GET /shop", &token_for(&house, "reader", Some("https://api.example.com/shop"))), "200");
    let other = token_for(&house, "reader", Some("https://files.example.com"));
    let answer = check(&bearing(&house, "GET /shop", &other), "401 token_misdirected");
    assert!(answer.text().contains("resource=https://api.example.com/shop"), "{answer}");
    assert!(answer.field("WWW-Authenticate").unwrap().contains("invalid_token"));
    assert!(!answer.text().contains("files.example.com"), "what it is for is not told to whoever holds it: {answer}");

    let house = issuing(&upstream, "access: token\ntokens: { audience: \"https://only.example.com\" }");
    client(&house, "reader", "ada", &[]);
    check(&bearing(&house, "GET /shop", &token(&house, "reader")), "401 token_misdirected");
    check(&bearing(&house, "GET /shop", &token_for(&house, "reader", Some("https://only.example.com"))), "200");
}

#[test]
fn a_token_ends_by_its_time_and_by_revocation() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: token");
    client(&house, "reader", "ada", &[]);
    let (first, second) = (token(&house, "reader"), token(&house, "reader"));
    check(&bearing(&house, "GET /shop", &first), "200");
    let secret = Secret::new(first.clone());
    house.runtime.block_on(house.registry.revoke_token(&Actor::Local, &secret, None)).unwrap();
    check(&bearing(&house, "GET /shop", &first), "401 credential_revoked");
    check(&bearing(&house, "GET /shop", &second), "200");
    house.clock.advance_ms(11 * 60_000);
    check(&bearing(&house, "GET /shop", &second), "401 credential_expired");
    let third = token(&house, "reader");
    check(&bearing(&house, "GET /shop", &third), "200");
    house.runtime.block_on(house.registry.revoke_tokens_of(&Actor::Local, "reader")).unwrap();
    check(&bearing(&house, "GET /shop", &third), "401 credential_revoked");
}

#[test]
fn wrong_tokens_are_guesses_and_expired_ones_are_not() {
    let upstream = ScriptedUpstream::answering("ok");
    let top = format!("{ISSUER}\nlockout: {{ failures: 2, within: 1m, for: 5m }}");
    let house = shop_with(&upstream, &top, "access: token");
    house
        .runtime
        .block_on(house.registry.set_issuer(Some(("http://127.0.0.1:8080", SigningAlgorithm::default()))))
        .unwrap();
    client(&house, "reader", "ada", &[]);
    let ended = token(&house, "reader");
    house.clock.advance_ms(11 * 60_000);
    for _ in 0..4 {
        check(&bearing(&house, "GET /shop", &ended), "401 credential_expired");
    }
    for _ in 0..2 {
        check(&bearing(&house, "GET /shop", "a.b.c"), "401 credential_unknown");
    }
    check(&bearing(&house, "GET /shop", "a.b.c"), "429 locked_out");
    check(&bearing(&house, "GET /shop", &token(&house, "reader")), "200");
}

#[test]
fn limits_per_key_count_all_tokens_of_a_client_together() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: token\nlimits: 2/min per key");
    client(&house, "reader", "ada", &[]);
    client(&house, "writer", "ada", &[]);
    check(&bearing(&house, "GET /shop", &token(&house, "reader")), "200");
    check(&bearing(&house, "GET /shop", &token(&house, "reader")), "200");
    check(&bearing(&house, "GET /shop", &token(&house, "reader")), "429 rate_limited");
    check(&bearing(&house, "GET /shop", &token(&house, "writer")), "200");
}

#[test]
fn an_answer_that_streams_ends_with_its_token() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(_) = connection.request() else { return };
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
        connection.until_closed();
    });
    let house = issuing(&upstream, "access: token");
    client(&house, "reader", "ada", &[]);
    let token = token(&house, "reader");
    let mut events = bearing(&house, "GET /shop/events", &token).open();
    events.read_through(b"data: 1");
    house.runtime.block_on(house.registry.revoke_tokens_of(&Actor::Local, "reader")).unwrap();
    assert!(!events.rest().ends_with(b"0\r\n\r\n"), "an answer that breaks off does not look whole");
    assert_eq!(house.records_of("/shop/events", 1)[0].end, End::Revoked);
}

#[test]
fn a_token_of_this_gate_reaches_no_other_server_either() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: key\nroutes: [GET /a, {\"GET /open\": {access: public}}]");
    client(&house, "reader", "ada", &[]);
    check(&bearing(&house, "GET /shop/open", &token(&house, "reader")), "200");
    assert_eq!(upstream.last().field("Authorization"), None);
    // The upstream's own tokens are its own.
    check(&bearing(&house, "GET /shop/open", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"), "200");
    assert_eq!(upstream.last().field("Authorization"), Some("Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
}

#[test]
fn the_issuers_own_api_passes_the_same_phases() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = issuing(&upstream, "access: token");
    let form = |what: &str| house.call(what).body("application/x-www-form-urlencoded", "a=b");
    let answer = check(&form("POST /oauth/token"), "200");
    assert_eq!(answer.text(), "POST /oauth/token a=b");
    let record = house.record(&answer);
    assert_eq!((record.api.as_deref(), record.route.as_deref()), (Some("issuer"), Some("/oauth/token")));
    assert!(answer.field("RateLimit").unwrap().starts_with("\"issuer\";r=99"), "{answer}");

    check(&house.call("POST /oauth/token").body("application/json", "{}"), "415 unsupported_content_type");
    check(&form("GET /oauth/token"), "405 method_not_allowed");
    check(&form("POST /oauth/other"), "404 no_such_route");
    let large = house.call("POST /oauth/token").body("application/x-www-form-urlencoded", "a".repeat(65 * 1024));
    check(&large, "413 body_too_large");
    check(&large.chunked(), "413 body_too_large");

    let page = house.call("GET /.well-known/jwks.json").field("Origin", "https://app.example.com");
    assert_eq!(check(&page, "200").field("Access-Control-Allow-Origin"), Some("*"));
    let page = form("POST /oauth/token").field("Origin", "https://app.example.com");
    assert_eq!(check(&page, "200").field("Access-Control-Allow-Origin"), None);
    for _ in 0..100 {
        form("POST /oauth/token").send();
    }
    check(&form("POST /oauth/token"), "429 rate_limited");
}

#[test]
fn off_loopback_the_issuer_is_alone_on_its_host() {
    let upstream = ScriptedUpstream::answering("ok");
    let house = shop_with(&upstream, "issuer: { url: \"https://id.example.com\" }", "access: public");
    let on = |host: &str, what: &str| house.call(what).field("Host", host).send().summary();
    assert_eq!(on("id.example.com", "GET /.well-known/jwks.json"), "200");
    assert_eq!(on("id.example.com", "GET /shop"), "404 no_such_route");
    assert_eq!(on("api.example.com", "GET /shop"), "200");
    assert_eq!(on("api.example.com", "GET /.well-known/jwks.json"), "404 no_such_route");
}

#[test]
fn a_clients_secret_in_clear_text_is_not_taken_from_elsewhere() {
    let upstream = ScriptedUpstream::answering("ok");
    let top = format!("{ISSUER}\ntrusted_proxies: {{ ips: 127.0.0.1, header: x-forwarded-for }}");
    let house = shop_with(&upstream, &top, "access: token");
    let form = house.call("POST /oauth/token").body("application/x-www-form-urlencoded", "a=b");
    check(&form.field("X-Forwarded-For", "192.0.2.1"), "403 credential_in_clear");
    check(&house.call("GET /.well-known/jwks.json").field("X-Forwarded-For", "192.0.2.1"), "200");
}
