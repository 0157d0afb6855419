//! Tokens of authorization servers that others wrote: npm's `oidc-provider` and `oauth2-mock-server`.

use std::net::SocketAddr;

use callgate_testkit::tools::{issuer_package, start_node};
use callgate_testkit::{Answer, Call, Program, ScriptedUpstream, TestGate};
use serde_json::{Value, json};

use crate::setup::{api, check, gate_yaml};

const AUDIENCE: &str = "https://api.example.com";

const OIDC_PROVIDER: &str = r#"
import { pathToFileURL } from "node:url";
import http from "node:http";
const { default: Provider } = await import(pathToFileURL(process.argv[2] + "/lib/index.js"));
const server = http.createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const resource = { scope: "books:read", audience: "https://api.example.com", accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } };
const provider = new Provider(issuer, {
  clients: [{ client_id: "reader", client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [], response_types: [] }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: { enabled: true, getResourceServerInfo: (ctx, asked) => ({ ...resource, audience: asked }) },
  },
});
server.on("request", provider.callback());
console.log(`issuer ${issuer}`);
"#;

/// Puts into a token whatever the form asks for.
const MOCK_SERVER: &str = r#"
import { pathToFileURL } from "node:url";
const { OAuth2Server } = await import(pathToFileURL(process.argv[2] + "/dist/index.mjs"));
const server = new OAuth2Server();
for (const algorithm of ["RS256", "ES256", "PS256", "Ed25519", "EdDSA"]) {
  try { await server.issuer.keys.generate(algorithm); } catch { console.log(`no ${algorithm}`); }
}
server.service.on("beforeTokenSigning", (token, request) => {
  Object.assign(token.payload, JSON.parse(request.body.claims));
  Object.assign(token.header, JSON.parse(request.body.header));
});
await server.start(0, "127.0.0.1");
console.log(`issuer ${server.issuer.url}`);
"#;

/// A server of another's making, and the issuer that it is.
struct Issuer {
    url: String,
    address: SocketAddr,
    _program: Program,
}

// === impl Issuer ===

impl Issuer {
    #[track_caller]
    fn start(script: &str, package: &str) -> Issuer {
        let mut program = start_node(script, &[issuer_package(package).to_str().unwrap()]);
        let url = program.line("its issuer", |line| line.strip_prefix("issuer ").map(str::to_owned));
        let port = url.rsplit_once(':').unwrap().1.parse().unwrap();
        Issuer { url, address: SocketAddr::from(([127, 0, 0, 1], port)), _program: program }
    }

    /// What it answers to a client that asks for a token with this form.
    #[track_caller]
    fn token(&self, form: &str) -> String {
        let call = Call::new(self.address, "POST /token")
            .field("Authorization", "Basic cmVhZGVyOnNlY3JldA==")
            .body("application/x-www-form-urlencoded", format!("grant_type=client_credentials&{form}"));
        let answer = call.send();
        assert_eq!(answer.status, 200, "{answer}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

#[track_caller]
fn start(upstream: &ScriptedUpstream, issuer: &Issuer, profile: &str, audience: &str) -> TestGate {
    let url = &issuer.url;
    let top = format!("issuers: {{ url: \"{url}\", profile: {profile} }}\n");
    let lines = format!("access: token\ntokens: {{ issuers: \"{url}\", audience: \"{audience}\" }}");
    let gate = TestGate::start(&gate_yaml(&top, &api("shop", &upstream.url(), &lines)));
    gate.consumer("reader");
    gate
}

fn calling(gate: &TestGate, token: &str) -> Answer {
    gate.call("GET /shop/books").field("Authorization", format!("Bearer {token}")).send()
}

#[test]
fn oidc_provider() {
    let (upstream, issuer) = (ScriptedUpstream::answering("books"), Issuer::start(OIDC_PROVIDER, "oidc-provider"));
    let gate = start(&upstream, &issuer, "rfc9068", AUDIENCE);
    let token = issuer.token("scope=books:read&resource=https%3A%2F%2Fapi.example.com");
    let call = gate.call("GET /shop/books").field("Authorization", format!("Bearer {token}"));
    check(&call, "200");
    let received = upstream.last();
    let told = ["client", "scopes", "issuer"].map(|name| received.field(&format!("callgate-{name}")));
    assert_eq!(told, [Some("reader"), Some("books:read"), Some(&*issuer.url)]);
    let elsewhere = issuer.token("scope=books:read&resource=https%3A%2F%2Ffiles.example.com");
    assert_eq!(calling(&gate, &elsewhere).summary(), "401 token_misdirected");

    let checked = gate.run_json(&["issuers", "check", &issuer.url]);
    assert_eq!((&checked["keys"][0]["kind"], &checked["problem"]), (&json!("RSA 2048"), &Value::Null), "{checked}");
    let listed = gate.run_json(&["issuers", "list"]);
    let own = &listed["issuers"][0];
    assert_eq!(
        (&own["apis"], &own["keys"][0]["algorithms"], &own["problem"]),
        (&json!(["shop"]), &json!(["RS256"]), &Value::Null)
    );
    let wrong = gate.run(&["issuers", "check", &format!("{}/", issuer.url)]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stdout.contains("its tokens can't be verified: the metadata at"), "{wrong:?}");
}

#[test]
fn oauth2_mock_server() {
    let (upstream, issuer) = (ScriptedUpstream::answering("books"), Issuer::start(MOCK_SERVER, "oauth2-mock-server"));
    // It has several keys of several kinds, and takes them in turns.
    let form = |header: Value, claims: Value| format!("header={}&claims={}", encoded(&header), encoded(&claims));
    let said = json!({ "sub": "ada", "aud": AUDIENCE, "client_id": "reader" });
    let gate = start(&upstream, &issuer, "rfc9068", AUDIENCE);
    let keys = gate.run_json(&["issuers", "check", &issuer.url])["keys"].as_array().unwrap().len();
    assert!(keys >= 4, "{keys} keys");
    for _ in 0..2 * keys {
        let token = issuer.token(&form(json!({ "typ": "at+jwt" }), said.clone()));
        let answer = calling(&gate, &token);
        assert_eq!(answer.summary(), "200", "{token}\n{answer}");
    }
    let identity = issuer.token(&form(
        json!({ "typ": "JWT" }),
        json!({ "sub": "ada", "aud": AUDIENCE, "client_id": "reader", "nonce": "n" }),
    ));
    assert_eq!(calling(&gate, &identity).summary(), "401 credential_unknown");

    let keycloak = start(&upstream, &issuer, "keycloak", "shop");
    let said = json!({ "typ": "Bearer", "azp": "reader", "sub": "f:1", "aud": ["shop", "account"], "scope": "email" });
    let token = issuer.token(&form(json!({ "typ": "JWT" }), said));
    assert_eq!(calling(&keycloak, &token).summary(), "200");
    let identity = json!({ "typ": "ID", "azp": "reader", "sub": "f:1", "aud": "shop" });
    let token = issuer.token(&form(json!({ "typ": "JWT" }), identity));
    assert_eq!(calling(&keycloak, &token).summary(), "401 credential_unknown");
}

fn encoded(value: &Value) -> String {
    value.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
}
