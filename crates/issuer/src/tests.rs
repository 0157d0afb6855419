mod people;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callgate_identity::{ClientRequest, Registry};
use callgate_model::{Clock, Grant, SigningAlgorithm};
use callgate_store::{Actor, Store};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

struct House {
    issuer: Issuer,
    clock: Clock,
    secret: String,
    _folder: TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(1_700_000_000_000);
    let store = Store::open(&folder.path().join("data"), clock.clone()).await.unwrap();
    let registry = Registry::open(store, clock.clone(), "cg").await.unwrap();
    registry.set_issuer(Some(("https://id.example.com", SigningAlgorithm::default()))).await.unwrap();
    let request = ClientRequest {
        name: "shop".to_owned(),
        consumer: None,
        grants: vec![Grant::ClientCredentials],
        scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        ..ClientRequest::default()
    };
    let (_, secret) = registry.create_client(&Actor::Local, request).await.unwrap();
    House { issuer: Issuer::new(registry), clock, secret: secret.unwrap().expose().to_owned(), _folder: folder }
}

/// What came back: the status, and what the JSON says.
struct Told {
    status: u16,
    said: Value,
    response: Response<Bytes>,
}

// === impl House ===

impl House {
    async fn send(&self, request: Request<String>) -> Told {
        let response = self.issuer.answer(request.map(Bytes::from), visitor()).await;
        let said = serde_json::from_slice(response.body()).unwrap();
        Told { status: response.status().as_u16(), said, response }
    }

    /// A form, from this client with its secret in the form.
    async fn post(&self, path: &str, form: &str) -> Told {
        self.send(posted(path, &format!("client_id=shop&client_secret={}&{form}", self.secret))).await
    }

    async fn token(&self) -> String {
        let told = self.post(TOKEN, "grant_type=client_credentials").await;
        told.said["access_token"].as_str().unwrap_or_else(|| panic!("{}", told.said)).to_owned()
    }
}

fn visitor() -> Visitor {
    Visitor { address: "192.0.2.1".parse().unwrap(), authority: "id.example.com".to_owned() }
}

fn posted(path: &str, form: &str) -> Request<String> {
    let request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(form.to_owned()).unwrap()
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

#[tokio::test]
async fn a_token_for_a_secret() {
    let house = house().await;
    let told = house.post(TOKEN, "grant_type=client_credentials").await;
    assert_eq!(told.status, 200, "{}", told.said);
    assert_eq!(told.response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!((&told.said["token_type"], &told.said["expires_in"]), (&"Bearer".into(), &600.into()));
    assert_eq!(told.said["scope"], "orders:read orders:write", "without a word, all that it may have");

    let mut request =
        posted(TOKEN, "grant_type=client_credentials&scope=orders%3Aread&resource=https://api.example.com/a");
    request.headers_mut().insert(AUTHORIZATION, basic("shop", &house.secret).parse().unwrap());
    let told = house.send(request).await;
    assert_eq!((told.status, &told.said["scope"]), (200, &"orders:read".into()));
    let form = format!("token={}", told.said["access_token"].as_str().unwrap());
    let told = house.post(INTROSPECT, &form).await;
    let expect = serde_json::json!({
        "active": true, "iss": "https://id.example.com", "sub": "shop", "aud": "https://api.example.com/a",
        "client_id": "shop", "scope": "orders:read", "exp": 1_700_000_600, "jti": "2", "token_type": "Bearer",
    });
    assert_eq!(told.said, expect);
}

#[tokio::test]
async fn who_is_no_client_hears_the_same() {
    let house = house().await;
    let check = async |field: Option<String>, form: &str, status: u16, error: &str| {
        let mut request = posted(TOKEN, &format!("grant_type=client_credentials&{form}"));
        if let Some(field) = field {
            request.headers_mut().insert(AUTHORIZATION, field.parse().unwrap());
        }
        let told = house.send(request).await;
        assert_eq!((told.status, told.said["error"].as_str().unwrap_or("")), (status, error), "{}", told.said);
        assert_eq!(told.response.headers().contains_key(WWW_AUTHENTICATE), status == 401);
    };
    let right = basic("shop", &house.secret);
    check(None, "", 401, "invalid_client").await;
    check(None, "client_id=shop", 401, "invalid_client").await;
    check(None, "client_id=shop&client_secret=x", 401, "invalid_client").await;
    check(Some(basic("nobody", &house.secret)), "", 401, "invalid_client").await;
    check(Some(basic("shop", "")), "", 401, "invalid_client").await;
    check(Some("Basic !!".to_owned()), "", 401, "invalid_client").await;
    check(Some(format!("Bearer {}", house.secret)), "", 401, "invalid_client").await;
    check(Some(right.clone()), "client_id=shop&client_secret=x", 400, "invalid_request").await;
    check(Some(right.clone()), "client_id=other", 400, "invalid_request").await;
    check(Some(right), "client_id=shop", 200, "").await;
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused() {
    let house = house().await;
    let check = async |path: &str, form: &str, error: &str| {
        let told = house.post(path, form).await;
        assert_eq!((told.status, &told.said["error"]), (400, &error.into()), "{form}: {}", told.said);
    };
    check(TOKEN, "", "invalid_request").await;
    check(TOKEN, "grant_type=", "invalid_request").await;
    check(TOKEN, "grant_type=password&username=a&password=b", "unsupported_grant_type").await;
    check(TOKEN, "grant_type=client_credentials&grant_type=client_credentials", "invalid_request").await;
    check(TOKEN, "grant_type=client_credentials&scope=orders:read+admin", "invalid_scope").await;
    check(TOKEN, "grant_type=client_credentials&resource=relative/a", "invalid_target").await;
    check(TOKEN, "grant_type=client_credentials&resource=https://a.test/%23x", "invalid_target").await;
    check(TOKEN, "grant_type=%ff", "invalid_request").await;
    check(&format!("{TOKEN}?grant_type=client_credentials"), "a=b", "invalid_request").await;
    check(TOKEN, &(0..70).map(|nth| format!("p{nth}=1&")).collect::<String>(), "invalid_request").await;
    check(INTROSPECT, "", "invalid_request").await;
    check(REVOKE, "token_type_hint=access_token", "invalid_request").await;
    let json = Request::post(TOKEN).header(CONTENT_TYPE, "application/json").body("{}".to_owned()).unwrap();
    assert_eq!(house.send(json).await.said["error"], "invalid_request");
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_only_its_client_can_kill_it() {
    let house = house().await;
    let request =
        ClientRequest { name: "other".to_owned(), grants: vec![Grant::ClientCredentials], ..ClientRequest::default() };
    let (_, other) = house.issuer.registry.create_client(&Actor::Local, request).await.unwrap();
    let token = house.token().await;
    let active = async || house.post(INTROSPECT, &format!("token={token}")).await.said["active"] == true;
    assert!(active().await);
    let form = format!("client_id=other&client_secret={}&token={token}", other.unwrap().expose());
    assert_eq!(house.send(posted(REVOKE, &form)).await.status, 200);
    assert!(active().await, "another client's word counts nothing");
    assert_eq!(house.post(REVOKE, &format!("token={token}")).await.status, 200);
    assert!(!active().await);
    assert_eq!(house.post(REVOKE, &format!("token={token}")).await.status, 200, "a second time is as good");
    assert_eq!(house.post(REVOKE, "token=nonsense").await.status, 200);

    let token = house.token().await;
    house.clock.advance_ms(600_000);
    let told = house.post(INTROSPECT, &format!("token={token}")).await;
    assert_eq!(told.said, serde_json::json!({ "active": false }), "of a dead token nothing is said");
}

#[tokio::test]
async fn what_everybody_may_read() {
    let house = house().await;
    let told = house.send(Request::get(METADATA).body(String::new()).unwrap()).await;
    assert_eq!(told.response.headers()[CACHE_CONTROL], "public, max-age=3600");
    assert_eq!(told.said["issuer"], "https://id.example.com");
    assert_eq!(told.said["token_endpoint"], "https://id.example.com/oauth/token");
    assert_eq!(
        told.said["grant_types_supported"],
        serde_json::json!(["client_credentials", "authorization_code", "refresh_token"])
    );
    let told = house.send(Request::get(JWKS).body(String::new()).unwrap()).await;
    let keys = told.said["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"], "nothing private");
    }
    assert_eq!(house.send(Request::get("/oauth/nothing").body(String::new()).unwrap()).await.status, 404);
    house.issuer.registry.set_issuer(None).await.unwrap();
    assert_eq!(house.send(Request::get(METADATA).body(String::new()).unwrap()).await.status, 503);
    let told = house.post(TOKEN, "grant_type=client_credentials").await;
    assert_eq!((told.status, &told.said["error"]), (503, &"temporarily_unavailable".into()));
}
