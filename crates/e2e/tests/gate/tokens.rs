//! Access tokens through the real binary: the issuer's endpoints, calls with tokens, and their end.

use std::time::{Duration, Instant};

use callgate_testkit::{Answer, Call, ScriptedUpstream, TestGate, WebsocketFrame, wait_for};
use serde_json::Value;

use crate::setup::{api, check, gate_yaml, memory_kib};

const FORM: &str = "application/x-www-form-urlencoded";
/// Where clients know the issuer from; the tests ask the gate's own address, whatever it is.
const ISSUER: &str = "issuer: { url: \"http://127.0.0.1:8080\" }\nlockout: off\n";

/// A client with its secret.
struct Client {
    id: String,
    secret: String,
}

#[track_caller]
fn start(upstream: &ScriptedUpstream, lines: &str) -> TestGate {
    TestGate::start(&gate_yaml(ISSUER, &api("shop", &upstream.url(), lines)))
}

#[track_caller]
fn client(gate: &TestGate, name: &str, options: &[&str]) -> Client {
    let words = [&["clients", "create", name, "--grant", "client_credentials"], options].concat();
    let made = gate.run_json(&words);
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name}: {made}")).to_owned();
    Client { id: text("client_id"), secret: text("client_secret") }
}

// === impl Client ===

impl Client {
    fn form(&self, rest: &str) -> String {
        format!("client_id={}&client_secret={}&{rest}", self.id, self.secret)
    }

    fn ask(&self, gate: &TestGate, path: &str, rest: &str) -> Answer {
        gate.call(&format!("POST {path}")).body(FORM, self.form(rest)).send()
    }

    #[track_caller]
    fn token(&self, gate: &TestGate) -> String {
        let answer = self.ask(gate, "/oauth/token", "grant_type=client_credentials");
        assert_eq!(answer.summary(), "200", "{answer}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

fn bearing(gate: &TestGate, what: &str, token: &str) -> Call {
    gate.call(what).field("Authorization", format!("Bearer {token}"))
}

#[track_caller]
fn revoke(gate: &TestGate, token: &str) -> Value {
    let file = gate.folder().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    gate.run_json(&["tokens", "revoke", "--file", file.to_str().unwrap()])
}

/// The first five minutes with tokens, with the commands that the guide shows.
#[test]
fn a_client_is_made_asks_calls_and_its_token_is_taken_back() {
    let upstream = ScriptedUpstream::answering("books");
    let gate = start(&upstream, "access: token\nroutes: [\"* /**\", {\"POST /orders\": { scopes: 'orders:write' }}]");
    let reader = client(&gate, "reader", &["--scope", "orders:read"]);

    let refused = check(&gate.call("GET /shop/books"), "401 credential_missing");
    let challenge = refused.field("www-authenticate").unwrap();
    let about = "http://127.0.0.1:8080/.well-known/oauth-protected-resource/shop";
    assert_eq!(challenge, format!("Bearer realm=\"shop\", resource_metadata=\"{about}\""));

    let token = reader.token(&gate);
    check(&bearing(&gate, "GET /shop/books", &token), "200");
    let received = upstream.last();
    assert!(!received.to_string().contains(&token), "a token never goes upstream: {received}");
    assert_eq!(
        ["callgate-client", "callgate-consumer", "callgate-scopes"].map(|name| received.field(name)),
        [Some("reader"), Some("reader"), Some("orders:read")],
        "{received}"
    );
    let lacking = check(&bearing(&gate, "POST /shop/orders", &token), "403 scope_missing");
    assert!(lacking.text().contains("orders:write"), "{lacking}");
    let challenge = lacking.field("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("scope=\"orders:write\""), "{challenge}");

    let told = gate.run_json(&["tokens", "list", "--client", "reader"]);
    assert_eq!(told["tokens"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(revoke(&gate, &token)["client_id"], "reader");
    let refused = check(&bearing(&gate, "GET /shop/books", &token), "401 credential_revoked");
    assert!(refused.field("www-authenticate").unwrap().contains("error=\"invalid_token\""), "{refused}");
    assert!(gate.run_json(&["tokens", "list"])["tokens"].as_array().unwrap().is_empty());
    let acts = gate.run_json(&["audit", "list"]).to_string();
    assert!(acts.contains("client.create") && acts.contains("token.revoke") && !acts.contains(&token), "{acts}");
}

/// RFC 9728 and RFC 8414: from a refusal to the place where tokens are.
#[test]
fn a_program_finds_its_way_from_the_refusal_to_the_token() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate =
        start(&upstream, "access: token\nroutes: [\"GET /**\", {\"POST /a\": { scopes: ['a:write', 'b:read'] }}]");
    let about = check(&gate.call("GET /.well-known/oauth-protected-resource/shop"), "200").json();
    assert_eq!(about["resource"], "http://127.0.0.1:8080/shop");
    assert_eq!(about["authorization_servers"], serde_json::json!(["http://127.0.0.1:8080"]));
    assert_eq!(about["scopes_supported"], serde_json::json!(["a:write", "b:read"]));
    let metadata = check(&gate.call("GET /.well-known/oauth-authorization-server"), "200").json();
    assert_eq!(metadata["issuer"], "http://127.0.0.1:8080");
    assert_eq!(metadata["token_endpoint"], "http://127.0.0.1:8080/oauth/token");

    let app = client(&gate, "app", &[]);
    let ask = |resource: &str| {
        let rest = format!("grant_type=client_credentials&resource={resource}");
        app.ask(&gate, "/oauth/token", &rest).json()["access_token"].as_str().unwrap().to_owned()
    };
    check(&bearing(&gate, "GET /shop/a", &ask("http%3A%2F%2F127.0.0.1%3A8080%2Fshop")), "200");
    let elsewhere = ask("https%3A%2F%2Fother.example%2Fapi");
    check(&bearing(&gate, "GET /shop/a", &elsewhere), "401 token_misdirected");
}

#[test]
fn a_key_and_a_token_count_only_together_where_both_are_asked_for() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = start(&upstream, "access: { all: [key, token] }");
    let key = gate.new_key("acme");
    let (app, other) = (client(&gate, "app", &["--consumer", "acme"]), client(&gate, "other", &[]));
    let token = app.token(&gate);
    check(&bearing(&gate, "GET /shop/a", &token).key(&key), "200");
    check(&bearing(&gate, "GET /shop/a", &token), "401 credential_missing");
    check(&gate.call("GET /shop/a").key(&key), "401 credential_missing");
    check(&bearing(&gate, "GET /shop/a", &other.token(&gate)).key(&key), "403 not_allowed");
    gate.revoke(&key);
    check(&bearing(&gate, "GET /shop/a", &token).key(&key), "401 credential_revoked");
}

#[test]
fn a_secret_is_shown_once_and_another_one_ends_it() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = start(&upstream, "access: token");
    let mut app = client(&gate, "app", &[]);
    let token = app.token(&gate);
    let shown = gate.run(&["clients", "show", "app"]).expect_success().stdout + &gate.run(&["clients", "list"]).stdout;
    assert!(shown.contains("client_credentials") && !shown.contains(&app.secret), "{shown}");
    let made = gate.run_json(&["clients", "rotate-secret", "app"]);
    let old = std::mem::replace(&mut app.secret, made["client_secret"].as_str().unwrap().to_owned());
    let answer =
        Client { id: "app".to_owned(), secret: old }.ask(&gate, "/oauth/token", "grant_type=client_credentials");
    assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{answer}");
    check(&bearing(&gate, "GET /shop/a", &token), "200");
    app.token(&gate);
}

/// A token by which something was opened is looked at as long as that goes on.
#[test]
fn a_websocket_ends_when_its_client_is_removed() {
    let upstream = ScriptedUpstream::start(|connection| {
        let Some(request) = connection.request() else { return };
        connection.accept_websocket(&request);
        connection.echo_frames();
    });
    let gate = start(&upstream, "access: token\nwebsocket: allow");
    let (app, other) = (client(&gate, "app", &[]), client(&gate, "other", &[]));
    let open = |client: &Client| bearing(&gate, "GET /shop/live", &client.token(&gate)).open_websocket();
    let (mut session, mut staying) = (open(&app), open(&other));
    gate.run(&["clients", "remove", "app"]).expect_success();
    let removed = Instant::now();
    assert_eq!(session.frame().closing(), (1008, "the credential was revoked".to_owned()));
    assert!(removed.elapsed() < Duration::from_secs(1), "{:?}", removed.elapsed());
    assert_eq!(staying.send_frame(WebsocketFrame::text("here")).frame(), WebsocketFrame::text("here"));
}

/// Each pair is a token, a call that passes, its revocation, and the very next call; each on a connection of its own, so that
/// any worker may have it. `CALLGATE_PAIRS=1000000` makes as many.
#[test]
fn not_one_call_passes_after_its_tokens_revocation() {
    const CLIENTS: u32 = 4;
    let pairs: u32 = std::env::var("CALLGATE_PAIRS").map_or(240, |pairs| pairs.parse().unwrap());
    let upstream = ScriptedUpstream::answering("ok");
    let gate = start(&upstream, "access: token");
    let missed = std::thread::scope(|scope| {
        let one = |number: u32| {
            let (gate, app) = (&gate, client(&gate, &format!("app-{number}"), &[]));
            scope.spawn(move || (0..pairs / CLIENTS).map(|pair| revoked_in_time(gate, &app, number, pair)).sum::<u32>())
        };
        (0..CLIENTS).map(one).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum::<u32>()
    });
    assert_eq!(missed, 0, "of {pairs} pairs");
}

/// How many calls passed after the revocation.
fn revoked_in_time(gate: &TestGate, app: &Client, number: u32, pair: u32) -> u32 {
    // The issuer takes twenty calls a second from one address.
    let source = format!("127.{}.{}.{}", 1 + number, pair / 250 % 250, 1 + pair % 250);
    let ask =
        |path: &str, rest: &str| gate.call(&format!("POST {path}")).from(&source).body(FORM, app.form(rest)).send();
    let issued = ask("/oauth/token", "grant_type=client_credentials");
    let token = issued.json()["access_token"].as_str().unwrap_or_else(|| panic!("{issued}")).to_owned();
    check(&bearing(gate, "GET /shop/a", &token), "200");
    let answer = ask("/oauth/revoke", &format!("token={token}"));
    assert_eq!(answer.status, 200, "{answer}");
    u32::from(bearing(gate, "GET /shop/a", &token).send().summary() != "401 credential_revoked")
}

/// What was answered is what the store knows, and what was revoked stays so, when the process is killed.
#[test]
fn a_kill_loses_neither_a_token_nor_a_revocation() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = start(&upstream, "access: token");
    let app = client(&gate, "app", &[]);
    let (kept, dead) = (app.token(&gate), app.token(&gate));
    revoke(&gate, &dead);
    let asking = {
        let (call, issued) = (gate.call("POST /oauth/token").body(FORM, app.form("grant_type=client_credentials")), 60);
        std::thread::spawn(move || {
            let answers = (0..issued).map_while(|_| call.try_send().ok());
            answers.filter(|answer| answer.status == 200).map(|answer| answer.json()).collect::<Vec<_>>()
        })
    };
    wait_for("some tokens", || gate.run_json(&["tokens", "list"])["tokens"].as_array().unwrap().len() > 5);
    gate.kill();
    let issued = asking.join().unwrap();
    gate.start_again();
    check(&bearing(&gate, "GET /shop/a", &kept), "200");
    check(&bearing(&gate, "GET /shop/a", &dead), "401 credential_revoked");
    let known = gate.run_json(&["tokens", "list"])["tokens"].as_array().unwrap().len();
    assert!(!issued.is_empty() && known > issued.len(), "{known} known, {} answered", issued.len());
    for answer in issued {
        let token = answer["access_token"].as_str().unwrap();
        check(&bearing(&gate, "GET /shop/a", token), "200");
    }
}

/// Neither in the access log nor in what the gate says, on any path that a secret takes.
#[test]
fn no_secret_is_written_anywhere() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = start(&upstream, "access: token");
    let app = client(&gate, "app", &[]);
    let token = app.token(&gate);
    check(&bearing(&gate, "GET /shop/a", &token), "200");
    revoke(&gate, &token);
    let last = check(&bearing(&gate, "GET /shop/a", &token), "401 credential_revoked");
    let by_basic = gate.call("POST /oauth/token").field("Authorization", "Basic YXBwOnNlY3JldC1vZi1hLWd1ZXNz");
    assert_eq!(by_basic.body(FORM, "grant_type=client_credentials").send().status, 401);
    let explained = gate.run(&["explain", &last.call_id()]).stdout;
    let _ = gate.record(&last.call_id());
    let records = format!("{:?}", gate.records());
    assert_eq!(gate.terminate(), Some(0));
    std::fs::remove_file(gate.folder().join("token")).unwrap();
    let mut texts = vec![gate.said(), explained, records];
    let data = gate.folder().join("callgate-data");
    for file in ["callgate.db", "callgate.db-wal", "calls.db", "calls.db-wal"] {
        texts.extend(std::fs::read(data.join(file)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    let signature = token.rsplit('.').next().unwrap();
    for secret in [signature, &*app.secret, "secret-of-a-guess", "YXBwOnNlY3JldC1vZi1hLWd1ZXNz"] {
        assert!(texts.iter().all(|text| !text.contains(secret)), "{secret} is written somewhere");
    }
    assert!(texts.len() >= 5 && texts[2].contains("/oauth/token"), "there was something to look at");
}

#[test]
fn signing_keys_rotate_and_a_leak_ends_every_token() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = start(&upstream, "access: token");
    let app = client(&gate, "app", &[]);
    let published = || {
        let keys = check(&gate.call("GET /.well-known/jwks.json"), "200").json();
        let ids = keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    let (before, old) = (published(), app.token(&gate));
    assert_eq!(before.len(), 2, "the next one is published before it signs");
    gate.run(&["signing-keys", "rotate"]).expect_success();
    let (after, new) = (published(), app.token(&gate));
    assert!(before.iter().all(|id| after.contains(id)) && after.len() == 3, "{before:?} {after:?}");
    check(&bearing(&gate, "GET /shop/a", &old), "200");
    check(&bearing(&gate, "GET /shop/a", &new), "200");
    gate.run(&["signing-keys", "rotate"]).expect_success();
    check(&bearing(&gate, "GET /shop/a", &old), "200");
    gate.run(&["signing-keys", "rotate", "--at-once"]).expect_success();
    check(&bearing(&gate, "GET /shop/a", &new), "401 credential_unknown");
    check(&bearing(&gate, "GET /shop/a", &app.token(&gate)), "200");
}

/// Whether or not a gate runs on the data folder.
#[test]
fn a_token_can_be_revoked_while_no_gate_runs() {
    let upstream = ScriptedUpstream::answering("ok");
    let mut gate = start(&upstream, "access: token");
    let app = client(&gate, "app", &[]);
    let (one, two, kept) = (app.token(&gate), app.token(&gate), app.token(&gate));
    gate.terminate();
    assert_eq!(revoke(&gate, &one)["number"], 1);
    assert_eq!(gate.run_json(&["tokens", "revoke", "--number", "2"])["client_id"], "app");
    let told = gate.run(&["tokens", "revoke", "--number", "9"]);
    assert!(told.code == Some(1) && told.stderr.contains("there is no token `9`"), "{told}");
    gate.start_again();
    for token in [&one, &two] {
        check(&bearing(&gate, "GET /shop/a", token), "401 credential_revoked");
    }
    check(&bearing(&gate, "GET /shop/a", &kept), "200");
}

/// Tokens that have to be looked at closely before they are refused: the header and the claims are real, the signature is not.
/// `CALLGATE_JUNK=1000000` sends as many.
#[test]
fn junk_leaves_nothing_behind() {
    let junk: u32 = std::env::var("CALLGATE_JUNK").map_or(2_000, |junk| junk.parse().unwrap());
    let upstream = ScriptedUpstream::answering("ok");
    let gate = start(&upstream, "access: token");
    let token = client(&gate, "app", &[]).token(&gate);
    let (signed, _) = token.rsplit_once('.').unwrap();
    let refused = |from: u32, to: u32| {
        for number in from..to {
            check(&bearing(&gate, "GET /shop/a", &format!("{signed}.{number:086}")), "401 credential_unknown");
        }
    };
    let memory = || memory_kib(gate.id(), "RssAnon");
    refused(0, junk / 4);
    let (before, began) = (memory(), Instant::now());
    refused(junk / 4, junk);
    let (after, cost) = (memory(), began.elapsed() / (junk - junk / 4));
    println!("{before} KiB before, {after} KiB after; {cost:?} for a call and its refusal");
    assert!(after < before + 4_096, "{before} KiB before, {after} KiB after");
    check(&bearing(&gate, "GET /shop/a", &token), "200");
}

/// A client whose token was revoked must hear 401, or it does not ask for another.
#[test]
fn a_revoked_token_is_no_guess_and_locks_nobody_out() {
    let upstream = ScriptedUpstream::answering("ok");
    let top = "issuer: { url: \"http://127.0.0.1:8080\" }\nlockout: { failures: 3 }\n";
    let gate = TestGate::start(&gate_yaml(top, &api("shop", &upstream.url(), "access: token")));
    let token = client(&gate, "app", &[]).token(&gate);
    revoke(&gate, &token);
    for _ in 0..10 {
        check(&bearing(&gate, "GET /shop/a", &token), "401 credential_revoked");
    }
    for _ in 0..3 {
        check(&bearing(&gate, "GET /shop/a", "a.b.c"), "401 credential_unknown");
    }
    check(&bearing(&gate, "GET /shop/a", "a.b.c"), "429 locked_out");
}

/// Whatever stands before it, and whether or not it counted.
#[test]
fn neither_a_token_nor_a_proof_goes_upstream() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = start(&upstream, "access: [key, token]");
    let (key, token) = (gate.new_key("acme"), client(&gate, "app", &["--consumer", "acme"]).token(&gate));
    let with = |name: &str, value: &str| {
        gate.call("GET /shop/a").key(&key).field(name, value).send();
        upstream.last()
    };
    for name in ["DPoP", "dpop"] {
        assert_eq!(with(name, "a.b.c").field("dpop"), None);
    }
    let by_tab = with("Authorization", &format!("Bearer\t{token}"));
    assert!(!by_tab.to_string().contains(&token), "{by_tab}");
}
