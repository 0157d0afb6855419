//! What each profile takes: the shapes are those that the vendors document.

use serde_json::{Value, json};

use super::*;
use crate::foreign::json::object;

/// Client, subject, audiences and scopes.
type Told<'a> = (&'a str, &'a str, &'a [&'a str], &'a [&'a str]);

/// What comes of a token with these claims: client, subject, audiences and scopes, or why it is none.
#[track_caller]
fn check(profile: Profile, typ: Option<&str>, claims: &Value, expect: Result<Told<'_>, &str>) {
    let found = read(profile, typ, &Claims(object(claims.to_string().as_bytes()).unwrap()));
    let boxed = |texts: &[&str]| texts.iter().map(|text| Box::from(*text)).collect::<Box<[Box<str>]>>();
    match (found, expect) {
        (Ok(said), Ok((client, subject, audiences, scopes))) => {
            let expect = Said {
                client: client.into(),
                subject: subject.into(),
                audiences: boxed(audiences),
                scopes: boxed(scopes),
            };
            assert_eq!(said, expect, "{claims}");
        }
        (Err(why), Err(expect)) => assert!(why.starts_with(expect), "{claims}: {why}"),
        (found, expect) => panic!("{claims}: {found:?} instead of {expect:?}"),
    }
}

/// The same claims with some changed, added, or by null taken away.
fn with(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    let members = claims.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    claims
}

#[test]
fn the_standard() {
    let good = json!({ "sub": "ada", "aud": ["https://api", "x"], "client_id": "reader", "scope": "b a" });
    let said = Ok(("reader", "ada", &["https://api", "x"][..], &["a", "b"][..]));
    let profile = Profile::Rfc9068;
    check(profile, Some("at+jwt"), &good, said);
    check(profile, Some("application/AT+JWT"), &good, said);
    check(profile, Some("JWT"), &good, Err("no access token"));
    check(profile, None, &good, Err("no access token"));
    for name in ["sub", "aud", "client_id"] {
        check(profile, Some("at+jwt"), &with(&good, &json!({ name: null })), Err("without one of"));
    }
}

#[test]
fn keycloak_says_bearer() {
    let good =
        json!({ "typ": "Bearer", "azp": "shop", "sub": "f1", "aud": ["api", "account"], "scope": "email orders:read" });
    let (audiences, scopes) = (&["api", "account"][..], &["email", "orders:read"][..]);
    let profile = Profile::Keycloak;
    check(profile, Some("JWT"), &good, Ok(("shop", "f1", audiences, scopes)));
    check(profile, Some("at+jwt"), &good, Ok(("shop", "f1", audiences, scopes)));
    check(profile, Some("JWT"), &with(&good, &json!({ "sub": null })), Ok(("shop", "shop", audiences, scopes)));
    for typ in [json!("ID"), json!("Refresh"), json!("Offline"), json!("Logout"), json!("DPoP"), Value::Null] {
        check(profile, Some("JWT"), &with(&good, &json!({ "typ": typ })), Err("no access token"));
    }
    check(profile, Some("JWT"), &with(&good, &json!({ "azp": null })), Err("without a client"));
}

#[test]
fn entra_tells_of_the_client() {
    let second = json!({ "ver": "2.0", "aud": "11", "azp": "22", "azpacr": "1", "sub": "s", "scp": "read write" });
    let first = json!({ "ver": "1.0", "aud": "api://11", "appid": "22", "appidacr": "1", "sub": "s", "roles": ["Orders.Read"] });
    let profile = Profile::Entra;
    check(profile, Some("JWT"), &second, Ok(("22", "s", &["11"], &["read", "write"])));
    check(profile, Some("JWT"), &first, Ok(("22", "s", &["api://11"], &["Orders.Read"])));
    let identity = json!({ "ver": "2.0", "aud": "22", "sub": "s", "nonce": "n", "roles": ["Admin"] });
    check(profile, Some("JWT"), &identity, Err("no access token"));
    check(profile, Some("JWT"), &with(&identity, &json!({ "nonce": null })), Err("no access token"));
    check(profile, Some("JWT"), &with(&second, &json!({ "nonce": "n" })), Err("no access token"));
    check(profile, Some("JWT"), &with(&second, &json!({ "scp": null })), Err("no access token"));
}

#[test]
fn auth0_is_for_an_api() {
    let good = json!({
        "sub": "auth0|1", "aud": ["https://api", "https://a.auth0.com/userinfo"], "azp": "c1", "scope": "openid read:books",
        "permissions": ["read:books", "write:books"],
    });
    let profile = Profile::Auth0;
    let audiences = &["https://api", "https://a.auth0.com/userinfo"][..];
    check(profile, Some("JWT"), &good, Ok(("c1", "auth0|1", audiences, &["openid", "read:books", "write:books"])));
    check(profile, Some("JWT"), &with(&good, &json!({ "aud": "c1" })), Err("no access token"));
    check(profile, Some("JWT"), &with(&good, &json!({ "nonce": "n" })), Err("no access token"));
    check(profile, Some("JWT"), &json!({ "sub": "a", "aud": "c1", "sid": "s" }), Err("without a client"));
    check(profile, Some("at+jwt"), &good, Err("no access token"));
}

#[test]
fn cognito_says_access() {
    let good = json!({ "sub": "s", "client_id": "c1", "token_use": "access", "scope": "shop/read", "username": "ada" });
    let profile = Profile::Cognito;
    check(profile, None, &good, Ok(("c1", "s", &["c1"], &["shop/read"])));
    check(
        profile,
        None,
        &with(&good, &json!({ "aud": "https://api" })),
        Ok(("c1", "s", &["https://api"], &["shop/read"])),
    );
    check(profile, None, &json!({ "sub": "s", "aud": "c1", "token_use": "id" }), Err("no access token"));
    check(profile, None, &with(&good, &json!({ "token_use": null })), Err("no access token"));
}
