//! Tokens of issuers that are not the gate, through the real binary: whose word counts, and what becomes of it when its keys
//! change or can't be had.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callgate_testkit::{
    Answer, Call, IssuedKey, Manner, PATIENCE, ScriptedIssuer, ScriptedUpstream, SigningPair, TestGate, WebsocketFrame,
    now_s, reply, wait_for,
};
use serde_json::{Value, json};

use crate::setup::{api, check, gate_yaml};

const AUDIENCE: &str = "https://api.example.com";

/// A gate that takes tokens of this issuer, with a consumer for its client `reader`.
#[track_caller]
fn start(upstream: &ScriptedUpstream, issuer: &ScriptedIssuer) -> TestGate {
    start_with(upstream, issuer, "")
}

#[track_caller]
fn start_with(upstream: &ScriptedUpstream, issuer: &ScriptedIssuer, lines: &str) -> TestGate {
    let gate = TestGate::start(&yaml(upstream, issuer, lines));
    gate.run(&["consumers", "create", "reader"]).expect_success();
    gate
}

fn yaml(upstream: &ScriptedUpstream, issuer: &ScriptedIssuer, lines: &str) -> String {
    let tokens = format!("access: token\ntokens: {{ issuers: \"{}\", audience: \"{AUDIENCE}\" }}\n", issuer.url());
    let top = "log: { access: ./access.log }\nlockout: off\nhealth: 127.0.0.1:0\n";
    gate_yaml(top, &api("shop", &upstream.url(), &(tokens + lines)))
}

fn bearing(gate: &TestGate, token: &str) -> Call {
    gate.call("GET /shop/books").field("Authorization", format!("Bearer {token}"))
}

/// The claims with one of them changed.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

/// What `callgate explain` says of a call, in one line.
#[track_caller]
fn explained(gate: &TestGate, answer: &Answer) -> String {
    let page = gate.run(&["explain", &answer.call_id()]).expect_success().stdout;
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits until a call with this token comes to this.
#[track_caller]
fn soon(gate: &TestGate, token: &str, expect: &str) -> Answer {
    let mut last = None;
    wait_for(&format!("a call that comes to {expect}"), || {
        let answer = bearing(gate, token).send();
        let found = answer.summary() == expect;
        last = Some(answer);
        found
    });
    last.unwrap()
}

#[test]
fn another_issuers_word_counts_for_its_consumer() {
    let (upstream, key) = (ScriptedUpstream::answering("books"), SigningPair::new("a"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let routes = "routes: [\"GET /**\", {\"GET /orders\": { scopes: 'orders:read' }}]";
    let gate = start_with(&upstream, &issuer, routes);
    let token = key.token(&issuer.claims(AUDIENCE));
    check(&bearing(&gate, &token), "200");
    let received = upstream.last();
    assert!(!received.to_string().contains(&token), "a token never goes upstream: {received}");
    let told =
        ["consumer", "issuer", "client", "subject", "scopes"].map(|name| received.field(&format!("callgate-{name}")));
    assert_eq!(
        told,
        [Some("reader"), Some(&*issuer.url()), Some("reader"), Some("ada"), Some("books:read")],
        "{received}"
    );

    let lacking = gate.call("GET /shop/orders").field("Authorization", format!("Bearer {token}"));
    let lacking = check(&lacking, "403 scope_missing");
    assert!(lacking.text().contains("orders:read"), "{lacking}");
    let nobody = key.token(&with(&issuer.claims(AUDIENCE), "client_id", json!("stranger")));
    let nobody = check(&bearing(&gate, &nobody), "403 consumer_unknown");
    assert!(!nobody.text().contains("stranger"), "{nobody}");
    let page = explained(&gate, &nobody);
    assert!(page.contains("callgate consumers create stranger"), "{page}");
    gate.run(&["consumers", "create", "stranger"]).expect_success();
    check(&bearing(&gate, &key.token(&with(&issuer.claims(AUDIENCE), "client_id", json!("stranger")))), "200");

    let found = explained(&gate, &check(&bearing(&gate, &token), "200"));
    assert!(found.contains(&format!("client reader by {}", issuer.url())), "{found}");
    wait_for("the line in the access log", || {
        let log = std::fs::read_to_string(gate.folder().join("access.log")).unwrap_or_default();
        assert!(!log.contains(&token));
        log.contains(&format!("\"callgate.issuer\":\"{}\"", issuer.url()))
    });
    gate.run(&["consumers", "remove", "reader"]).expect_success();
    check(&bearing(&gate, &token), "403 consumer_unknown");
}

#[test]
fn what_is_no_good_token_of_it_is_refused() {
    let (upstream, key, other) = (ScriptedUpstream::answering("books"), SigningPair::new("a"), SigningPair::new("a"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let gate = start(&upstream, &issuer);
    let claims = issuer.claims(AUDIENCE);
    soon(&gate, &key.token(&claims), "200");
    let forwarded = upstream.count();
    let bad = |what: &str, token: &str, expect: &str| {
        let answer = bearing(&gate, token).send();
        assert_eq!(answer.summary(), expect, "{what}: {answer}");
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer realm=\"shop\", error=\"invalid_token\""), "{what}: {challenge}");
    };
    let header = |more: &str| format!("{{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"a\"{more}}}");
    let text = claims.to_string();
    let unknown = "401 credential_unknown";
    bad("another key under the same name", &other.token(&claims), unknown);
    bad("alg none", &key.sign(&header("").replace("ES256", "none"), &text), unknown);
    let unsigned = key.sign(&header("").replace("ES256", "none"), &text);
    bad("alg none, unsigned", &format!("{}.", unsigned.rsplit_once('.').unwrap().0), "401 credential_unknown");
    bad("HS256", &key.sign(&header("").replace("ES256", "HS256"), &text), unknown);
    bad("RS256 for a key of ES256", &key.sign(&header("").replace("ES256", "RS256"), &text), unknown);
    bad("jwk", &other.sign(&header(&format!(",\"jwk\":{}", other.jwk())), &text), unknown);
    for name in ["jku", "x5u"] {
        bad(name, &other.sign(&header(&format!(",\"{name}\":\"{}/jwks\"", issuer.url())), &text), unknown);
    }
    bad("crit", &key.sign(&header(",\"crit\":[\"exp\"]"), &text), unknown);
    bad("kid", &key.sign(&header("").replace("\"a\"", "\"../a\""), &text), unknown);
    bad("a claim twice", &key.sign(&header(""), &text.replacen('{', "{\"sub\":\"root\",", 1)), unknown);
    bad("an ID token", &key.sign(&header("").replace("at+jwt", "JWT"), &text), unknown);
    bad("another issuer", &key.token(&with(&claims, "iss", json!("https://id.example.com"))), unknown);
    bad("a slash more", &key.token(&with(&claims, "iss", json!(format!("{}/", issuer.url())))), unknown);
    let elsewhere = "401 token_misdirected";
    bad("another audience", &key.token(&with(&claims, "aud", json!("https://files.example.com"))), elsewhere);
    bad("a list of others", &key.token(&with(&claims, "aud", json!(["https://a", "https://b"]))), elsewhere);
    check(&bearing(&gate, &key.token(&with(&claims, "aud", json!(["https://a", AUDIENCE])))), "200");
    bad("expired", &key.token(&with(&claims, "exp", json!(now_s() - 61))), "401 credential_expired");
    check(&bearing(&gate, &key.token(&with(&claims, "exp", json!(now_s() - 30)))), "200");
    bad("not valid yet", &key.token(&with(&claims, "nbf", json!(now_s() + 120))), "401 credential_not_yet_valid");
    check(&bearing(&gate, &key.token(&with(&claims, "nbf", json!(now_s() + 30)))), "200");
    // Bound to a key that the call does not prove to hold: whoever copied it can't use it.
    let bound = key.token(&with(&claims, "cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })));
    check(&bearing(&gate, &bound), "401 token_unproven");
    assert_eq!(upstream.count(), forwarded + 3, "nothing else went through");
}

/// The issuer signs with a new key from one token to the next, with calls on both workers all the while.
#[test]
fn keys_change_under_load_without_a_wrong_refusal() {
    let upstream = ScriptedUpstream::answering("ok");
    let all: Vec<SigningPair> = (0..4).map(|at| SigningPair::new(&format!("key {at}"))).collect();
    let issuer = ScriptedIssuer::publishing(&[&all[0]]);
    let gate = start(&upstream, &issuer);
    let (current, over, calls) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let (gate, issuer, all, current, over, calls) = (&gate, &issuer, &all, &current, &over, &calls);
            scope.spawn(move || {
                let mut serial = 0;
                while !over.load(Ordering::Acquire) {
                    serial += 1;
                    let key = &all[current.load(Ordering::Acquire)];
                    let token = key.token(&with(&issuer.claims(AUDIENCE), "jti", json!(format!("{caller}-{serial}"))));
                    let answer = bearing(gate, &token).send();
                    assert_eq!(answer.summary(), "200", "{answer}");
                    calls.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        for next in 1..all.len() {
            let so_far = calls.load(Ordering::Acquire);
            wait_for("calls with this key", || calls.load(Ordering::Acquire) > so_far + 40);
            // Both are published for a while, as issuers do it; the new one signs at once.
            issuer.publish(&[&all[next - 1], &all[next]]);
            current.store(next, Ordering::Release);
        }
        let so_far = calls.load(Ordering::Acquire);
        wait_for("calls with the last key", || calls.load(Ordering::Acquire) > so_far + 40);
        over.store(true, Ordering::Release);
    });
    assert!(issuer.fetches() <= 8, "{} fetches for three new keys", issuer.fetches());
}

/// Whatever an issuer answers, the last good keys serve; and a token by a new one is neither taken nor called bad.
#[test]
fn an_issuer_that_is_out_of_its_mind_changes_nothing() {
    let upstream = ScriptedUpstream::answering("ok");
    let (key, next) = (SigningPair::new("a"), SigningPair::new("b"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let gate = start(&upstream, &issuer);
    let claims = issuer.claims(AUDIENCE);
    check(&bearing(&gate, &key.token(&claims)), "200");
    let elsewhere = ScriptedIssuer::publishing(&[&next]);
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {}/jwks\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    for (serial, manner) in [
        Manner::Bytes(redirect.into_bytes()),
        Manner::Endless,
        Manner::Bytes(reply("200 OK", "<html>")),
        Manner::Silent,
    ]
    .into_iter()
    .enumerate()
    {
        issuer.behave(manner.clone());
        let began = Instant::now();
        let answer = bearing(&gate, &next.token(&with(&claims, "jti", json!(serial)))).send();
        assert_eq!(answer.summary(), "503 issuer_unavailable", "{manner:?}: {answer}");
        assert_eq!(answer.field("retry-after"), Some("5"), "{answer}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?} with {manner:?}", began.elapsed());
        check(&bearing(&gate, &key.token(&with(&claims, "jti", json!(format!("old {serial}"))))), "200");
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect is not followed");
    issuer.publish(&[&key, &next]);
    issuer.behave(Manner::Well);
    soon(&gate, &next.token(&claims), "200");
}

/// A document may say that the keys are anywhere; only where the file allows it is anybody asked.
#[test]
fn keys_are_not_fetched_from_addresses_that_nobody_named() {
    let (upstream, key) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"));
    // Somebody who listens there would see the first byte, and the connection itself.
    let inner = TcpListener::bind("127.0.0.2:0").unwrap();
    inner.set_nonblocking(true).unwrap();
    let port = inner.local_addr().unwrap().port();
    for (at, place) in [
        (format!("http://127.0.0.2:{port}/jwks"), "127.0.0.2, a loopback address"),
        ("http://169.254.169.254/latest/meta-data".to_owned(), "`http` is taken on loopback alone"),
        ("https://169.254.169.254/jwks".to_owned(), "169.254.169.254, a link-local address"),
        ("https://10.255.255.1/jwks".to_owned(), "10.255.255.1, a private address"),
        ("https://[fd00:ec2::254]/jwks".to_owned(), "fd00:ec2::254, a private address"),
        ("file:///etc/passwd".to_owned(), "it is not an http or https URL"),
    ]
    .into_iter()
    .map(|(url, place)| (url, place.to_owned()))
    {
        let issuer = ScriptedIssuer::publishing(&[&key]);
        issuer.point_to(&at);
        let gate = start(&upstream, &issuer);
        let answer = check(&bearing(&gate, &key.token(&issuer.claims(AUDIENCE))), "503 issuer_unavailable");
        let page = explained(&gate, &answer);
        assert!(page.contains(&place), "{at}: {page}");
        assert_eq!(issuer.fetches(), 0);
    }
    assert_eq!(inner.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
}

/// Keys that nobody published, one after the other, from somebody who only knows the issuer's name.
#[test]
fn a_flood_of_keys_that_nobody_has_is_no_flood_for_the_issuer() {
    let (upstream, key, next) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"), SigningPair::new("b"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let gate = start(&upstream, &issuer);
    let claims = issuer.claims(AUDIENCE);
    check(&bearing(&gate, &key.token(&claims)), "200");
    let (before, began) = (issuer.fetches(), Instant::now());
    let junk = |serial: usize| {
        let header = format!("{{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"junk {serial}\"}}");
        let answer = bearing(&gate, &key.sign(&header, &claims.to_string())).send();
        assert!(["401 credential_unknown", "503 issuer_unavailable"].contains(&&*answer.summary()), "{answer}");
    };
    (0..200).for_each(junk);
    let allowed = 4 + 1 + usize::try_from(began.elapsed().as_secs() / 5).unwrap();
    let made = issuer.fetches() - before;
    assert!(made <= allowed, "{made} fetches in {:?}", began.elapsed());
    // Tokens by a key that is known never notice.
    check(&bearing(&gate, &key.token(&with(&claims, "jti", json!("2")))), "200");
    // And a key that is really new is found while the flood goes on: nothing holds the door shut.
    issuer.publish(&[&key, &next]);
    let token = next.token(&claims);
    let until = Instant::now() + PATIENCE;
    let mut serial = 200;
    loop {
        junk(serial);
        serial += 1;
        match bearing(&gate, &token).send().summary().as_str() {
            "200" => break,
            "503 issuer_unavailable" => assert!(Instant::now() < until, "not found after {PATIENCE:?}"),
            other => panic!("a good token hears {other}"),
        }
    }
}

#[test]
fn one_key_that_an_issuer_does_not_have_is_asked_for_once() {
    let (upstream, key, gone) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"), SigningPair::new("gone"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let gate = start(&upstream, &issuer);
    check(&bearing(&gate, &key.token(&issuer.claims(AUDIENCE))), "200");
    let token = gone.token(&issuer.claims(AUDIENCE));
    check(&bearing(&gate, &token), "401 credential_unknown");
    let fetches = issuer.fetches();
    for _ in 0..20 {
        check(&bearing(&gate, &token), "401 credential_unknown");
    }
    assert_eq!(issuer.fetches(), fetches);
}

/// The consumer is what the file says that it is, and limits per key count each client of the issuer.
#[test]
fn a_claim_names_the_consumer_and_each_client_has_its_limits() {
    let (upstream, key) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let tokens = format!(
        "access: token\ntokens: {{ issuers: \"{}\", audience: \"{AUDIENCE}\", consumer: {{ claim: tenant }} }}\nlimits: 2/day per key\n",
        issuer.url()
    );
    let gate = TestGate::start(&gate_yaml("", &api("shop", &upstream.url(), &tokens)));
    gate.run(&["consumers", "create", "acme"]).expect_success();
    let token = |client: &str, serial: u32| {
        let mut claims = issuer.claims(AUDIENCE);
        (claims["tenant"], claims["client_id"], claims["jti"]) = (json!("acme"), json!(client), json!(serial));
        key.token(&claims)
    };
    check(&bearing(&gate, &token("one", 1)), "200");
    check(&bearing(&gate, &token("one", 2)), "200");
    check(&bearing(&gate, &token("one", 3)), "429 rate_limited");
    check(&bearing(&gate, &token("two", 4)), "200");
    check(&bearing(&gate, &key.token(&issuer.claims(AUDIENCE))), "403 consumer_unknown");
    assert_eq!(upstream.last().field("callgate-consumer"), Some("acme"));
}

/// Beside the gate's own tokens and keys, and no further than the gate.
#[test]
fn own_tokens_and_keys_count_beside_it() {
    let (upstream, key) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let lines = format!(
        "access: [key, token]\ntokens: {{ issuers: [self, \"{}\"], audience: \"{AUDIENCE}\" }}\nroutes: [\"* /**\", {{\"GET /open\": {{ access: public }}}}, {{\"GET /both\": {{ access: {{ all: [key, token] }} }}}}]",
        issuer.url()
    );
    let top = "issuer: { url: \"http://127.0.0.1:8080\" }\n";
    let gate = TestGate::start(&gate_yaml(top, &api("shop", &upstream.url(), &lines)));
    let made = gate.run_json(&["clients", "create", "reader", "--grant", "client_credentials"]);
    let form = format!(
        "grant_type=client_credentials&client_id=reader&client_secret={}&resource=https%3A%2F%2Fapi.example.com",
        made["client_secret"].as_str().unwrap()
    );
    let answer = gate.call("POST /oauth/token").body("application/x-www-form-urlencoded", form).send();
    let own = answer.json()["access_token"].as_str().unwrap().to_owned();
    let foreign = key.token(&issuer.claims(AUDIENCE));
    let (reader, other) = (gate.key("reader", &[]), gate.new_key("other"));
    check(&bearing(&gate, &own), "200");
    assert_eq!(upstream.last().field("callgate-issuer"), None);
    check(&bearing(&gate, &foreign), "200");
    check(&gate.call("GET /shop/books").key(&reader), "200");
    let both = |key: &IssuedKey| {
        gate.call("GET /shop/both").field("Authorization", format!("Bearer {foreign}")).field("X-API-Key", &key.text)
    };
    check(&both(&reader), "200");
    check(&both(&other), "403 not_allowed");
    // Where no token is asked for, it is still none of the upstream's business.
    let open = gate.call("GET /shop/open").field("Authorization", format!("Bearer {foreign}"));
    check(&open, "200");
    assert_eq!(upstream.last().field("authorization"), None);
    let of_others = SigningPair::new("x").token(&json!({ "iss": "https://id.example.com", "sub": "ada" }));
    let open = gate.call("GET /shop/open").field("Authorization", format!("Bearer {of_others}"));
    check(&open, "200");
    assert!(upstream.last().field("authorization").is_some(), "the upstream's own tokens pass");
}

/// What runs on ends when its issuer withdraws the key that signed, as with a key or token of the gate's own.
#[test]
fn a_websocket_ends_with_the_key_that_signed_its_token() {
    let upstream = ScriptedUpstream::echoing_websockets();
    let (key, next) = (SigningPair::new("a"), SigningPair::new("b"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let gate = start_with(&upstream, &issuer, "websocket: allow\nroutes: [\"* /**\"]");
    let open = |token: &str| bearing(&gate, token).open_websocket();
    let mut client = open(&key.token(&issuer.claims(AUDIENCE)));
    client.send_frame(WebsocketFrame::text("hello"));
    assert_eq!(client.frame(), WebsocketFrame::text("hello"));
    issuer.publish(&[&next]);
    // A token by the new key lets the gate see that the old one is gone.
    let mut other = open(&next.token(&issuer.claims(AUDIENCE)));
    assert_eq!(client.frame().closing(), (1008, "the credential was revoked".to_owned()));
    other.send_frame(WebsocketFrame::text("still here"));
    assert_eq!(other.frame(), WebsocketFrame::text("still here"));
    check(&bearing(&gate, &key.token(&issuer.claims(AUDIENCE))), "401 credential_unknown");
}

/// What people see of it: the commands, and the numbers.
#[test]
fn an_issuer_that_is_down_is_told() {
    let (upstream, key) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    issuer.behave(Manner::Bytes(reply("503 Service Unavailable", "")));
    let gate = start(&upstream, &issuer);
    let metric = |name: &str| {
        let page = Call::new(gate.health(), "GET /metrics").send().text();
        let wanted = format!("{name}{{issuer=\"{}\"}} ", issuer.url());
        page.lines().find_map(|line| line.strip_prefix(&wanted).map(str::to_owned))
    };
    let token = key.token(&issuer.claims(AUDIENCE));
    check(&bearing(&gate, &token), "503 issuer_unavailable");
    let listed = gate.run(&["issuers", "list"]).expect_success().stdout;
    assert!(listed.contains("never") && listed.contains("the answer was 503"), "{listed}");
    assert_eq!(
        (metric("callgate_issuer_up").as_deref(), metric("callgate_issuer_keys").as_deref()),
        (Some("0"), Some("0"))
    );
    let checked = gate.run(&["issuers", "check", &issuer.url()]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("the answer was 503"), "{checked:?}");

    issuer.behave(Manner::Well);
    soon(&gate, &token, "200");
    let listed = gate.run(&["issuers", "list"]).expect_success().stdout;
    assert!(!listed.contains("never") && !listed.contains("503"), "{listed}");
    assert_eq!(
        (metric("callgate_issuer_up").as_deref(), metric("callgate_issuer_keys").as_deref()),
        (Some("1"), Some("1"))
    );
    assert!(metric("callgate_issuer_seen_seconds").is_some());
    let checked = gate.run(&["issuers", "check", &issuer.url()]).expect_success().stdout;
    assert!(checked.contains("EC P-256") && checked.contains("ES256"), "{checked}");
    let said = gate.said();
    assert!(said.contains("the keys of an issuer are not found") && said.contains("are found again"), "{said}");
    assert!(!said.contains(&token));
}
