//! The issuer of a running gate, over its own listener: a client asks for a token, calls with it, and takes it back.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "the helpers of a test are part of a test")]

use callgate::gateway::{Leave, Running};
use callgate_identity::ClientRequest;
use callgate_model::Grant;
use callgate_store::Actor;
use callgate_testkit::{Answer, Call, ScriptedUpstream};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A gate that issues tokens for its API `shop`, and a client of it.
struct Issuing {
    running: Option<Running>,
    runtime: Runtime,
    secret: String,
    _folder: TempDir,
}

impl Issuing {
    fn before(upstream: &ScriptedUpstream) -> Issuing {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("callgate.yaml");
        let yaml = format!(
            "version: 1\nworkers: 1\nlisten: {{ address: 127.0.0.1:0 }}\nlog: {{ access: off }}\n\
             issuer: {{ url: \"http://127.0.0.1:8080\" }}\napis:\n  shop:\n    path: /shop\n    upstream: {}\n    access: token\n    \
             routes: [\"* /**\", {{\"POST /orders\": {{ scopes: 'orders:write' }}}}]\n",
            upstream.url()
        );
        std::fs::write(&file, yaml).unwrap();
        let config = callgate_config::load(&file).unwrap_or_else(|report| panic!("{}", report.render(false))).config;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (running, secret) = runtime.block_on(async {
            let running = Running::start(config).await.unwrap();
            let request = ClientRequest {
                name: "reader".to_owned(),
                consumer: None,
                grants: vec![Grant::ClientCredentials],
                scopes: vec!["orders:read".to_owned()],
            };
            let (_, secret) = running.registry.create_client(&Actor::Local, request).await.unwrap();
            (running, secret.expose().to_owned())
        });
        Issuing { running: Some(running), runtime, secret, _folder: folder }
    }

    fn call(&self, what: &str) -> Call {
        Call::new(self.running.as_ref().unwrap().listening[0].address, what)
    }

    /// A form of this client to one of the issuer's endpoints.
    fn ask(&self, path: &str, form: &str) -> Answer {
        let form = format!("client_id=reader&client_secret={}&{form}", self.secret);
        self.call(&format!("POST {path}")).body("application/x-www-form-urlencoded", form).send()
    }

    fn bearing(&self, what: &str, token: &str) -> Answer {
        self.call(what).field("Authorization", format!("Bearer {token}")).send()
    }
}

impl Drop for Issuing {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop(Leave::AtOnce));
        }
    }
}

#[test]
fn a_token_is_issued_taken_and_revoked_through_one_listener() {
    let upstream = ScriptedUpstream::answering("ok");
    let gate = Issuing::before(&upstream);

    let metadata = gate.call("GET /.well-known/oauth-authorization-server").send();
    assert_eq!(metadata.json()["token_endpoint"], "http://127.0.0.1:8080/oauth/token", "{metadata}");
    let keys = gate.call("GET /.well-known/jwks.json").send();
    assert_eq!(keys.json()["keys"][0]["kty"], "EC", "{keys}");

    let issued = gate.ask("/oauth/token", "grant_type=client_credentials");
    assert_eq!((issued.summary(), issued.field("Cache-Control")), ("200".to_owned(), Some("no-store")), "{issued}");
    let token = issued.json()["access_token"].as_str().unwrap().to_owned();

    assert_eq!(gate.bearing("GET /shop/books", &token).summary(), "200");
    assert_eq!(upstream.last().field("Callgate-Client"), Some("reader"));
    assert_eq!(gate.bearing("POST /shop/orders", &token).summary(), "403 scope_missing");
    let active = |token: &str| gate.ask("/oauth/introspect", &format!("token={token}")).json()["active"] == true;
    assert!(active(&token));

    assert_eq!(gate.ask("/oauth/revoke", &format!("token={token}")).summary(), "200");
    assert_eq!(gate.bearing("GET /shop/books", &token).summary(), "401 credential_revoked");
    assert!(!active(&token));
}

#[test]
fn a_wrong_secret_gets_nothing() {
    let gate = Issuing::before(&ScriptedUpstream::answering("ok"));
    let wrong = "grant_type=client_credentials&client_id=reader&client_secret=wrong";
    let answer = gate.call("POST /oauth/token").body("application/x-www-form-urlencoded", wrong).send();
    assert_eq!(answer.json()["error"], "invalid_client", "{answer}");
    assert!(answer.field("WWW-Authenticate").is_some(), "{answer}");
}
