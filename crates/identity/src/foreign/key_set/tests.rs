use serde_json::json;

use super::*;
use crate::foreign::tests::Pair;

fn read(keys: &Value, profile: Profile) -> Result<KeySet, String> {
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), profile)
}

/// The same key with members changed or added.
fn with(key: &Value, change: &Value) -> Value {
    let mut key = key.clone();
    key.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    key
}

#[test]
fn keys_that_are_of_no_use_are_left_out_and_say_why() {
    let (es, rsa) = (Pair::es().jwk("e"), Pair::rsa().jwk("r"));
    let weak = json!({ "kty": "RSA", "kid": "w", "n": URL_SAFE_NO_PAD.encode([0xff; 128]), "e": "AQAB" });
    let padded = json!({ "kty": "RSA", "kid": "p", "n": URL_SAFE_NO_PAD.encode([[0; 200].as_slice(), &[0xff; 128]].concat()), "e": "AQAB" });
    let check = |key: Value, expect: &str| {
        let set = read(&json!([es, key]), Profile::Rfc9068).unwrap();
        let told = set.left_out.join("");
        assert!(set.keys.len() == 1 && told.contains(expect), "{told}");
    };
    check(weak, "`w`: it has 1024 bits; 2048 to 8192 are taken");
    check(padded, "`p`: it has 1024 bits");
    check(json!({ "kty": "oct", "kid": "o", "k": "AAAA" }), "`o`: its private part is published");
    check(with(&rsa, &json!({ "d": "AAAA" })), "`r`: its private part is published");
    check(with(&rsa, &json!({ "use": "enc" })), "`r`: it is not for signatures");
    check(with(&rsa, &json!({ "key_ops": ["sign"] })), "`r`: it is not for verifying");
    check(with(&rsa, &json!({ "alg": "RS512" })), "`r`: profile `rfc9068` takes no tokens signed by `RS512`");
    check(with(&rsa, &json!({ "alg": "HS256" })), "`r`: profile `rfc9068` takes no tokens signed by `HS256`");
    check(
        json!({ "kty": "EC", "crv": "secp256k1", "kid": "k", "x": "AA", "y": "AA" }),
        "`k`: keys of kind `EC secp256k1`",
    );
    check(json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }), "number 2: its `x` has 1 bytes instead of 32");
    check(json!("key"), "number 2: it is no JSON object");
    check(with(&Pair::es().jwk("e"), &json!({})), "`e`: another has this name");
    check(with(&rsa, &json!({ "kid": "x".repeat(256) })), "its `kid` is too long");
}

#[test]
fn a_set_of_no_use_is_none() {
    let check = |text: &str, expect: &str| {
        let fault = KeySet::read(text.as_bytes(), Profile::Rfc9068).unwrap_err();
        assert!(fault.starts_with(expect), "{fault}");
    };
    check("<html>", "is not JSON");
    check("{}", "has no list `keys`");
    check(r#"{"keys":[]}"#, "is empty");
    check(r#"{"keys":[],"keys":[]}"#, "is not JSON, or names a member twice");
    check(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#, "has no key that can be used");
    let many = json!({ "keys": vec![json!({}); bounds::ISSUER_KEYS_MAX + 1] }).to_string();
    check(&many, "has 65 keys; 64 at most are taken");
}

#[test]
fn the_profile_narrows_what_a_key_may_sign() {
    let rsa = json!([Pair::rsa().jwk("r")]);
    let check = |profile, expect: &[Algorithm]| assert_eq!(read(&rsa, profile).unwrap().keys[0].algorithms, expect);
    check(Profile::Rfc9068, &[Algorithm::Rs256, Algorithm::Ps256]);
    check(Profile::Entra, &[Algorithm::Rs256]);
    assert!(read(&json!([Pair::es().jwk("e")]), Profile::Cognito).is_err());
    // Two kinds of key may share a name (RFC 7517 section 4.5).
    let both = read(&json!([Pair::es().jwk("a"), Pair::rsa().jwk("a")]), Profile::Rfc9068).unwrap();
    assert_eq!(both.keys.len(), 2);
    assert_eq!(both.find(Some("a"), Algorithm::Rs256).unwrap().kind, "RSA 2048");
}
