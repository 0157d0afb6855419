//! Tokens as issuers and attackers make them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::Profile;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

pub(super) const URL: &str = "https://id.example.com";
pub(super) const AUDIENCE: &str = "https://api.example.com";
/// Unix milliseconds: the moment at which tokens are looked at here.
const NOW_MS: i64 = 1_700_000_000_000;

/// A key pair of an issuer.
pub(super) enum Pair {
    Es(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Pair {
    pub(super) fn es() -> Pair {
        Pair::Es(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn ed() -> Pair {
        Pair::Ed(Ed25519KeyPair::generate().unwrap())
    }

    pub(super) fn rsa() -> Pair {
        Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Pair::Es(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": text(x), "y": text(y) })
            }
            Pair::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": text(pair.public_key().as_ref()) })
            }
            Pair::Rsa(pair) => {
                let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
                let e = pair.public_key().exponent().big_endian_without_leading_zero().to_vec();
                json!({ "kty": "RSA", "kid": kid, "n": text(&n), "e": text(&e) })
            }
        }
    }

    fn sign(&self, message: &[u8], algorithm: &str) -> Vec<u8> {
        match self {
            Pair::Es(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                match algorithm {
                    "PS256" => pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature).unwrap(),
                    _ => pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap(),
                }
                signature
            }
        }
    }

    /// A token of these two texts, signed.
    pub(super) fn token(&self, header: &str, claims: &str) -> String {
        let algorithm = if header.contains("PS256") { "PS256" } else { "" };
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.sign(signed.as_bytes(), algorithm);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// An issuer that was seen to have these keys.
pub(super) fn issuer(profile: Profile, keys: &[Value]) -> Arc<ForeignIssuer> {
    let issuer = Arc::new(ForeignIssuer::new(URL, profile));
    show(&issuer, keys);
    issuer
}

fn show(issuer: &ForeignIssuer, keys: &[Value]) {
    let set = KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), issuer.profile).unwrap();
    issuer.begin_look();
    issuer.end_look(Ok((set, String::new())), NOW_MS, Instant::now());
}

/// What a good token says, with some claims changed, added, or by null taken away.
fn claims(change: &Value) -> String {
    let mut claims = json!({
        "iss": URL, "sub": "ada", "aud": AUDIENCE, "client_id": "reader", "scope": "books:read",
        "iat": NOW_MS / 1_000, "exp": NOW_MS / 1_000 + 600, "jti": "1",
    });
    let members = claims.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    claims.to_string()
}

/// What comes of a token: `good`, or why it is not.
fn told(outcome: Result<Arc<ForeignToken>, ForeignFault>) -> String {
    match outcome {
        Ok(_) => "good".to_owned(),
        Err(ForeignFault::Refused { why, .. }) => why.to_owned(),
        Err(ForeignFault::KeyUnknown { kid, .. }) => format!("key {} is unknown", kid.as_deref().unwrap_or("-")),
        Err(ForeignFault::Expired(_)) => "expired".to_owned(),
        Err(ForeignFault::NotYetValid(_)) => "early".to_owned(),
    }
}

#[test]
fn every_kind_of_key_verifies() {
    for (pair, algorithms) in
        [(Pair::es(), &["ES256"][..]), (Pair::ed(), &["EdDSA", "Ed25519"]), (Pair::rsa(), &["RS256", "PS256"])]
    {
        let (tokens, issuer) = (ForeignTokens::new(), issuer(Profile::Rfc9068, &[pair.jwk("a")]));
        for algorithm in ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"] {
            let header = format!(r#"{{"alg":"{algorithm}","kid":"a","typ":"at+jwt"}}"#);
            let text = pair.token(&header, &claims(&json!({})));
            let outcome = told(tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS));
            let expect = match algorithms.contains(&algorithm) {
                true => "good",
                false => "signed by another algorithm than its key is for, or names no key of several",
            };
            assert_eq!(outcome, expect, "{algorithm}");
        }
    }
}

#[test]
fn what_attackers_make() {
    let (pair, other) = (Pair::es(), Pair::es());
    let (tokens, issuer) = (ForeignTokens::new(), issuer(Profile::Rfc9068, &[pair.jwk("a"), Pair::rsa().jwk("r")]));
    let check = |text: &str, expect: &str| {
        let outcome = told(tokens.verify(text, std::slice::from_ref(&issuer), NOW_MS));
        assert!(outcome.starts_with(expect), "{outcome}\ninstead of {expect}");
    };
    let good = claims(&json!({}));
    let header = |more: &str| format!(r#"{{"alg":"ES256","kid":"a","typ":"at+jwt"{more}}}"#);
    check(&pair.token(&header(""), &good), "good");
    check(&other.token(&header(""), &good), "not signed by the key");
    let (signed, _) =
        pair.token(&header(""), &good).rsplit_once('.').map(|(one, two)| (one.to_owned(), two.to_owned())).unwrap();
    check(&format!("{signed}."), "not signed by the key");
    check(&format!("{signed}.AAAA"), "not signed by the key");
    check(&signed, "not a token by its form");

    for algorithm in ["none", "HS256"] {
        check(
            &pair.token(&format!(r#"{{"alg":"{algorithm}","kid":"a","typ":"at+jwt"}}"#), &good),
            "signed by an algorithm",
        );
    }
    let jwk = other.jwk("a");
    for more in [
        format!(r#","jwk":{jwk}"#),
        r#","jku":"https://evil.example/jwks""#.to_owned(),
        r#","x5u":"https://evil.example/cert""#.to_owned(),
        r#","x5c":["AAAA"]"#.to_owned(),
        r#","crit":["exp"]"#.to_owned(),
        r#","b64":false"#.to_owned(),
    ] {
        check(&pair.token(&header(&more), &good), "signed in a way that is not taken");
    }
    check(&pair.token(&header(r#","kid":"a""#), &good), "not a token by what is in it");
    let twice = good.replacen('{', r#"{"sub":"root","#, 1);
    check(&pair.token(&header(""), &twice), "not a token by what is in it");
    for kid in ["../../etc/passwd", "b", "' OR 1=1 --"] {
        check(
            &pair.token(&format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#), &good),
            &format!("key {kid} is unknown"),
        );
    }
    check(&pair.token(r#"{"alg":"ES256","kid":"r","typ":"at+jwt"}"#, &good), "signed by another algorithm");
    check(&pair.token(r#"{"alg":"RS256","kid":"a","typ":"at+jwt"}"#, &good), "signed by another algorithm");

    for iss in [json!("https://id.example.com/"), json!("https://ID.example.com"), json!([URL]), Value::Null] {
        check(&pair.token(&header(""), &claims(&json!({ "iss": iss }))), "of an issuer that this API does not take");
    }
    for typ in ["JWT", "at+JWTx", "", "secevent+jwt"] {
        let header = format!(r#"{{"alg":"ES256","kid":"a","typ":"{typ}"}}"#);
        check(&pair.token(&header, &good), "no access token");
    }
    for cnf in [json!({ "jwk": {} }), json!({ "jkt": "x", "kid": "y" }), json!({}), json!("x"), Value::Bool(true)] {
        check(&pair.token(&header(""), &claims(&json!({ "cnf": cnf }))), "bound to its holder in a way");
    }
    check(&pair.token(&header(""), &claims(&json!({ "sub": "a\nb" }))), "with a client, subject or audience");
    check(
        &pair.token(&header(""), &claims(&json!({ "client_id": "x".repeat(256) }))),
        "with a client, subject or audience",
    );
    check(&pair.token(&header(""), &claims(&json!({ "aud": [AUDIENCE, 7] }))), "with a list that holds");
    for exp in [Value::Null, json!("1700000600"), json!(-1), json!(1e300)] {
        let outcome = told(tokens.verify(
            &pair.token(&header(""), &claims(&json!({ "exp": exp }))),
            std::slice::from_ref(&issuer),
            NOW_MS,
        ));
        assert!(outcome.starts_with("with a moment") || outcome.starts_with("without an end"), "{exp}: {outcome}");
    }
    check(&format!("{}{}", "A".repeat(bounds::FOREIGN_TOKEN_BYTES_MAX), ".A.A"), "longer than tokens are");
}

#[test]
fn moments_are_taken_with_a_skew_and_no_more() {
    let (pair, tokens) = (Pair::es(), ForeignTokens::new());
    let issuer = issuer(Profile::Rfc9068, &[pair.jwk("a")]);
    let skew_s = i64::try_from(bounds::ISSUER_SKEW_MAX.as_secs()).unwrap();
    let now_s = NOW_MS / 1_000;
    let check = |change: Value, expect: &str| {
        let text = pair.token(r#"{"alg":"ES256","kid":"a","typ":"at+jwt"}"#, &claims(&change));
        for _remembered in 0..2 {
            assert_eq!(told(tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS)), expect, "{change}");
        }
    };
    check(json!({ "exp": now_s - skew_s + 1 }), "good");
    check(json!({ "exp": now_s - skew_s }), "expired");
    check(json!({ "exp": now_s + 600, "nbf": now_s + skew_s }), "good");
    check(json!({ "exp": now_s + 600, "nbf": now_s + skew_s + 1 }), "early");
    check(json!({ "exp": now_s + 600, "iat": now_s + skew_s + 1 }), "early");
    check(json!({ "exp": now_s as f64 - skew_s as f64 + 0.5 }), "good");
}

#[test]
fn a_remembered_token_ends_with_the_key_that_signed_it() {
    let (pair, next) = (Pair::es(), Pair::es());
    let (tokens, issuer) = (ForeignTokens::new(), issuer(Profile::Rfc9068, &[pair.jwk("a")]));
    let text = pair.token(r#"{"alg":"ES256","kid":"a","typ":"at+jwt"}"#, &claims(&json!({})));
    let check = |expect: &str| assert_eq!(told(tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS)), expect);
    check("good");
    show(&issuer, &[pair.jwk("a"), next.jwk("b")]);
    check("good");
    let held = tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS).unwrap();
    assert!(held.is_vouched_for());
    show(&issuer, &[next.jwk("b")]);
    check("key a is unknown");
    assert!(!held.is_vouched_for());
    // Another key under the same name does not vouch for it.
    show(&issuer, &[next.jwk("a")]);
    check("not signed by the key that it names");
    assert!(!held.is_vouched_for());
    show(&issuer, &[pair.jwk("a")]);
    check("good");
    // Nor does the same issuer count where a configuration that came later asks for none.
    assert_eq!(told(tokens.verify(&text, &[], NOW_MS)), "of an issuer that this API does not take");
    issuer.forget_keys();
    check("key a is unknown");
}

#[test]
fn a_token_that_names_no_key_was_signed_by_the_only_one() {
    let (pair, other) = (Pair::es(), Pair::es());
    let (tokens, issuer) = (ForeignTokens::new(), issuer(Profile::Rfc9068, &[pair.jwk("a"), Pair::ed().jwk("e")]));
    let text = pair.token(r#"{"alg":"ES256","typ":"at+jwt"}"#, &claims(&json!({})));
    let check = |expect: &str| assert_eq!(told(tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS)), expect);
    check("good");
    show(&issuer, &[pair.jwk("a"), other.jwk("b")]);
    let another = pair.token(r#"{"alg":"ES256","typ":"at+jwt"}"#, &claims(&json!({ "jti": "2" })));
    assert_eq!(
        told(tokens.verify(&another, std::slice::from_ref(&issuer), NOW_MS)),
        "signed by another algorithm than its key is for, or names no key of several"
    );
}

#[test]
fn limits_find_a_client_again_and_the_last_ones_share_a_place() {
    let pair = Pair::es();
    let (tokens, issuer) = (ForeignTokens::new(), issuer(Profile::Rfc9068, &[pair.jwk("a")]));
    let of = |client: &str| {
        let text = pair.token(r#"{"alg":"ES256","kid":"a","typ":"at+jwt"}"#, &claims(&json!({ "client_id": client })));
        let token = tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS).unwrap();
        assert!(token.holder().is_none(), "nothing is noted before a call is let in");
        tokens.admit(&token);
        Arc::clone(token.holder().unwrap())
    };
    let first = of("reader");
    let full: Vec<([u8; 32], Arc<ForeignClient>)> = {
        let fill = |at: usize| {
            let mut place = [0; 32];
            place[..8].copy_from_slice(&at.to_be_bytes());
            (place, Arc::clone(&first))
        };
        (1..bounds::FOREIGN_CLIENTS_MAX).map(fill).collect()
    };
    tokens.clients.lock().unwrap().extend(full);
    assert!(Arc::ptr_eq(&first, &of("reader")), "the same client is found again");
    let (late, later) = (of("late"), of("later"));
    assert!(Arc::ptr_eq(&late, &later) && !Arc::ptr_eq(&first, &late));
    assert_eq!(
        (&*first.subject, &*late.subject),
        ("issuer:https://id.example.com:reader", "issuer:https://id.example.com:")
    );
    assert!(tokens.clients.lock().unwrap().len() <= bounds::FOREIGN_CLIENTS_MAX + 1);
}

#[test]
fn a_configuration_may_name_any_short_text() {
    let pair = Pair::es();
    let (tokens, issuer) = (ForeignTokens::new(), issuer(Profile::Rfc9068, &[pair.jwk("a")]));
    let change = json!({ "tenant": "acme", "long": "x".repeat(300), "list": ["a"], "scope": "a b:c a \" \\" });
    let text = pair.token(r#"{"alg":"ES256","kid":"a","typ":"at+jwt"}"#, &claims(&change));
    let token = tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS).unwrap();
    assert_eq!(
        (token.claim("tenant"), token.claim("long"), token.claim("list"), token.claim("no")),
        (Some("acme"), None, None, None)
    );
    assert_eq!((&*token.client, &*token.subject, &*token.grants.scopes_text), ("reader", "ada", "a b:c"));
    assert!(tokens.claims_to_be_of(&text, std::slice::from_ref(&issuer)) && !tokens.claims_to_be_of(&text, &[]));
}

/// Nothing but the very text that was signed is good; and no text whatever ends the program.
mod whatever_comes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn one_letter_makes_a_token_bad(at in 0_usize..4_000, letter in "[A-Za-z0-9_.=-]") {
            let (pair, tokens) = (Pair::es(), ForeignTokens::new());
            let issuer = issuer(Profile::Rfc9068, &[pair.jwk("a")]);
            let good = pair.token(r#"{"alg":"ES256","kid":"a","typ":"at+jwt"}"#, &claims(&json!({})));
            let (before, after) = good.split_at(at % good.len());
            let changed = format!("{before}{letter}{}", after.get(1..).unwrap());
            prop_assume!(changed != good);
            let outcome = told(tokens.verify(&changed, std::slice::from_ref(&issuer), NOW_MS));
            prop_assert_ne!(outcome, "good", "{}", changed);
            prop_assert_eq!(told(tokens.verify(&good, std::slice::from_ref(&issuer), NOW_MS)), "good");
        }

        #[test]
        fn any_text_is_refused(header in "\\PC{0,80}", claims in "\\PC{0,80}", text in "\\PC{0,200}") {
            let (pair, tokens) = (Pair::es(), ForeignTokens::new());
            let issuer = issuer(Profile::Rfc9068, &[pair.jwk("a")]);
            for text in [pair.token(&header, &claims), text] {
                prop_assert!(tokens.verify(&text, std::slice::from_ref(&issuer), NOW_MS).is_err());
            }
            prop_assert!(KeySet::read(header.as_bytes(), Profile::Rfc9068).is_err());
        }
    }
}
