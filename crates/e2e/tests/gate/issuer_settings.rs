//! What the file says of other issuers: how they are trusted, what a reload changes, what only watches.

use callgate_testkit::tools::start_node;
use callgate_testkit::{
    Authority, Call, Program, ScriptedIssuer, ScriptedUpstream, SigningPair, TestGate, now_s, reply,
};
use serde_json::{Value, json};

use crate::setup::{api, check, gate_yaml};

const AUDIENCE: &str = "https://api.example.com";

/// An issuer over TLS: its metadata and its keys, with the certificate in a folder.
const OVER_TLS: &str = r#"
import fs from "node:fs";
import https from "node:https";
const [folder, keys] = process.argv.slice(2);
const read = (name) => fs.readFileSync(`${folder}/${name}`);
const server = https.createServer({ cert: read("issuer.pem"), key: read("issuer.key") }, (request, response) => {
  const issuer = `https://localhost:${server.address().port}`;
  const body = request.url === "/jwks" ? keys : JSON.stringify({ issuer, jwks_uri: `${issuer}/jwks` });
  response.writeHead(200, { "content-type": "application/json", "cache-control": "max-age=300" }).end(body);
});
server.listen(0, "127.0.0.1", () => console.log(`issuer https://localhost:${server.address().port}`));
"#;

fn bearing(gate: &TestGate, token: &str) -> Call {
    gate.call("GET /shop/books").field("Authorization", format!("Bearer {token}"))
}

fn claims(issuer: &str) -> Value {
    json!({ "iss": issuer, "sub": "ada", "aud": AUDIENCE, "client_id": "reader", "exp": now_s() + 600 })
}

fn takes(url: &str) -> String {
    format!("access: token\ntokens: {{ issuers: \"{url}\", audience: \"{AUDIENCE}\" }}")
}

#[test]
fn an_issuer_is_trusted_by_the_authority_that_the_file_names() {
    let (upstream, key, authority) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.certificate(&["localhost"]).write(folder.path(), "issuer");
    let ca = authority.write(folder.path());
    let keys = json!({ "keys": [key.jwk()] }).to_string();
    let mut program: Program = start_node(OVER_TLS, &[folder.path().to_str().unwrap(), &keys]);
    let url = program.line("its issuer", |line| line.strip_prefix("issuer ").map(str::to_owned));
    let token = key.token(&claims(&url));

    let with = |more: &str| {
        gate_yaml(&format!("issuers: {{ url: \"{url}\"{more} }}\n"), &api("shop", &upstream.url(), &takes(&url)))
    };
    let gate = TestGate::start(&with(&format!(", ca: {}", ca.display())));
    gate.consumer("reader");
    check(&bearing(&gate, &token), "200");
    let told = gate.run(&["issuers", "check", &url]).expect_success().stdout;
    assert!(told.contains("300 s, as it says") && told.contains("EC P-256"), "{told}");

    // By anybody else's word it is a stranger.
    let stranger = Authority::new();
    std::fs::create_dir(folder.path().join("other")).unwrap();
    let ca = stranger.write(&folder.path().join("other"));
    let told = gate.run(&["issuers", "check", &url, "--ca", ca.to_str().unwrap()]);
    assert!(told.code == Some(1) && told.stdout.contains("TLS with localhost"), "{told:?}");
    let gate = TestGate::start(&with(""));
    gate.consumer("reader");
    check(&bearing(&gate, &token), "503 issuer_unavailable");
}

#[test]
fn a_reload_keeps_the_keys_and_a_file_without_the_issuer_takes_none_of_its_tokens() {
    let upstream = ScriptedUpstream::start(|connection| {
        while let Some(request) = connection.request() {
            if request.field("sec-websocket-key").is_some() {
                connection.accept_websocket(&request);
                return connection.echo_frames();
            }
            connection.send(reply("200 OK", "ok"));
        }
    });
    let key = SigningPair::new("a");
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let yaml = |lines: &str| gate_yaml("", &api("shop", &upstream.url(), &format!("websocket: allow\n{lines}")));
    let gate = TestGate::start(&yaml(&takes(&issuer.url())));
    gate.consumer("reader");
    let token = key.token(&claims(&issuer.url()));
    let mut client = bearing(&gate, &token).open_websocket();
    let fetches = issuer.fetches();
    gate.write(&yaml(&format!("{}\ntimeout: 20s", takes(&issuer.url()))));
    gate.run(&["reload"]).expect_success();
    check(&bearing(&gate, &token), "200");
    assert_eq!(issuer.fetches(), fetches, "nothing was fetched anew");

    let other = ScriptedIssuer::publishing(&[&key]);
    gate.write(&yaml(&takes(&other.url())));
    gate.run(&["reload"]).expect_success();
    check(&bearing(&gate, &token), "401 credential_unknown");
    assert_eq!(client.frame().closing(), (1008, "the credential was revoked".to_owned()));
}

/// A token that its issuer bound to a key counts with a proof for this very call, and is worth nothing to whoever copied it.
#[test]
fn a_bound_token_counts_with_a_proof_by_its_key() {
    let upstream = ScriptedUpstream::answering("ok");
    let (key, holder, thief) = (SigningPair::new("a"), SigningPair::new("h"), SigningPair::new("t"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let gate = TestGate::start(&gate_yaml("", &api("shop", &upstream.url(), &takes(&issuer.url()))));
    gate.consumer("reader");
    let mut claims = claims(&issuer.url());
    claims["cnf"] = json!({ "jkt": holder.thumbprint() });
    let token = key.token(&claims);
    let url = format!("{}/shop/books", gate.url());
    let with = |by: &SigningPair, url: &str, nonce: &str| {
        let proof = by.proof("GET", url, &token, nonce);
        gate.call("GET /shop/books").field("Authorization", format!("DPoP {token}")).field("DPoP", proof)
    };
    // A gate that has just started asks for its nonce.
    let asked = check(&with(&holder, &url, ""), "401 token_unproven");
    let nonce = asked.field("dpop-nonce").unwrap_or_else(|| panic!("no nonce: {asked}")).to_owned();
    let good = with(&holder, &url, &nonce);
    check(&good, "200");
    assert_eq!(upstream.last().field("dpop"), None);
    check(&good, "401 token_unproven");
    check(&with(&thief, &url, &nonce), "401 token_unproven");
    check(&with(&holder, &format!("{url}/1"), &nonce), "401 token_unproven");
    check(&bearing(&gate, &token), "401 token_unproven");
    assert_eq!(upstream.count(), 1);
}

/// Whoever speaks for one partner must not speak for another, or for us.
#[test]
fn an_issuer_names_only_the_consumers_that_are_its_own() {
    let (upstream, key) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"));
    let issuer = ScriptedIssuer::publishing(&[&key]);
    let top = format!("issuers: {{ url: \"{}\", consumers: [partner] }}\n", issuer.url());
    let gate = TestGate::start(&gate_yaml(&top, &api("shop", &upstream.url(), &takes(&issuer.url()))));
    gate.consumer("partner");
    gate.consumer("us");
    let token = |client: &str| {
        let mut claims = claims(&issuer.url());
        claims["client_id"] = json!(client);
        key.token(&claims)
    };
    check(&bearing(&gate, &token("partner")), "200");
    let refused = check(&bearing(&gate, &token("us")), "403 consumer_unknown");
    let page = gate.run(&["explain", &refused.call_id()]).expect_success().stdout;
    assert!(page.contains("consumers"), "{page}");
}

#[test]
fn where_access_only_watches_a_token_that_can_not_be_judged_lets_through_and_is_noted() {
    let (upstream, key) = (ScriptedUpstream::answering("ok"), SigningPair::new("a"));
    let issuer = ScriptedIssuer::publishing(&[]);
    let gate = TestGate::start(&gate_yaml(
        "",
        &api("shop", &upstream.url(), &format!("{}\nobserve: access", takes(&issuer.url()))),
    ));
    let answer = check(&bearing(&gate, &key.token(&claims(&issuer.url()))), "200");
    let record = gate.record(&answer.call_id());
    assert_eq!(record["callgate.would_refuse"], json!(["issuer_unavailable"]), "{record}");
}
