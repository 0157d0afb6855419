use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;

const NOW_MS: i64 = 1_772_366_400_000;
/// Later than any nonce is asked for.
const LATER_MS: i64 = NOW_MS + 200_000;
const ADDRESS: &str = "https://api.example.com/shop/books";
const TOKEN: &str = "header.claims.signature";

/// A caller's key.
struct Holder(EcdsaKeyPair);

impl Holder {
    fn new() -> Holder {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        Holder(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).unwrap())
    }

    fn header(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": { "kty": "EC", "crv": "P-256", "x": x, "y": y } })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims(id: &str) -> Value {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, TOKEN.as_bytes()));
    json!({ "jti": id, "htm": "GET", "htu": ADDRESS, "iat": LATER_MS / 1_000, "ath": hash })
}

fn with(mut value: Value, name: &str, member: impl Into<Value>) -> Value {
    value[name] = member.into();
    value
}

fn ask(proofs: &Proofs, proof: &str, now_ms: i64) -> Result<String, ProofFault> {
    let of = ProofOf { method: "GET", is_address: &|address| address == ADDRESS, token: Some(TOKEN) };
    proofs.check(proof, &of, now_ms)
}

#[track_caller]
fn check(proof: &str, expect: &str) {
    let got = match ask(&Proofs::new(NOW_MS).unwrap(), proof, LATER_MS) {
        Ok(_) => "good".to_owned(),
        Err(ProofFault::Wrong(why)) => why.to_owned(),
        Err(fault) => format!("{fault:?}"),
    };
    assert!(got.contains(expect), "{got}, not {expect}");
}

#[test]
fn a_proof_is_good_for_its_own_call_and_nothing_else() {
    let holder = Holder::new();
    let (header, good) = (holder.header(), claims("1"));
    let sign = |claims: &Value| holder.sign(&header, claims);
    check(&sign(&good), "good");
    check(&sign(&with(good.clone(), "htu", format!("{ADDRESS}?a=1#b"))), "good");
    check(&sign(&with(good.clone(), "iat", LATER_MS / 1_000 - 60)), "good");
    check(&sign(&with(good.clone(), "iat", LATER_MS as f64 / 1_000.0 - 0.25)), "good");
    check(&sign(&with(good.clone(), "iat", LATER_MS / 1_000 + 60)), "good");
    check(&sign(&with(good.clone(), "iat", LATER_MS / 1_000 - 61)), "`iat`");
    check(&sign(&with(good.clone(), "iat", LATER_MS / 1_000 + 61)), "`iat`");
    check(&sign(&with(good.clone(), "iat", i64::MAX)), "`iat`");
    check(&sign(&with(good.clone(), "iat", i64::MIN)), "`iat`");
    check(&sign(&with(good.clone(), "htm", "POST")), "`htm`");
    check(&sign(&with(good.clone(), "htm", "get")), "`htm`");
    check(&sign(&with(good.clone(), "htu", "https://api.example.com/shop/orders")), "`htu`");
    check(&sign(&with(good.clone(), "ath", "other")), "`ath`");
    check(&sign(&with(good.clone(), "ath", Value::Null)), "`ath`");
    check(&sign(&with(good.clone(), "jti", "")), "`jti`");
    check(&sign(&with(good.clone(), "jti", "x".repeat(129))), "`jti`");
    check(&sign(&with(good, "jti", 1)), "form");
}

#[test]
fn what_only_looks_like_a_proof_is_none() {
    let holder = Holder::new();
    let (header, good) = (holder.header(), claims("1"));
    let sign = |header: &Value| holder.sign(header, &good);
    check(&sign(&with(header.clone(), "typ", "JWT")), "type");
    check(&sign(&with(header.clone(), "alg", "none")), "algorithm");
    check(&sign(&with(header.clone(), "alg", "HS256")), "algorithm");
    check(&sign(&with(header.clone(), "alg", "EdDSA")), "algorithm");
    check(&sign(&with(header.clone(), "crit", json!(["x"]))), "crit");
    check(&sign(&with(header.clone(), "kid", "1")), "good");
    let mut private = header.clone();
    private["jwk"]["d"] = "AAAA".into();
    check(&sign(&private), "private");
    let other = Holder::new().header();
    check(&sign(&other), "signature");
    let mut short = header.clone();
    short["jwk"]["x"] = "AAAA".into();
    check(&sign(&short), "key");
    let mut without = header.clone();
    without.as_object_mut().unwrap().remove("jwk");
    check(&sign(&without), "form");
    let proof = sign(&header);
    check(&format!("{proof}A"), "");
    assert!(ask(&Proofs::new(NOW_MS).unwrap(), &format!("{proof}A"), LATER_MS).is_err());
    check(proof.rsplit_once('.').unwrap().0, "form");
    check("", "form");
    check("a.b.c", "form");
    check(&"a".repeat(5_000), "longer");
    let twice = proof.replacen('.', "..", 1);
    check(&twice, "signature");
}

#[test]
fn ed25519_by_both_of_its_names() {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    for alg in ["Ed25519", "EdDSA"] {
        let header = json!({ "typ": "dpop+jwt", "alg": alg, "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x } });
        let signed = format!("{}.{}", encoded(&header), encoded(&claims("1")));
        let proof = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())));
        check(&proof, "good");
    }
}

#[test]
fn a_proof_counts_once_and_is_forgotten_when_it_is_too_old() {
    let (holder, proofs) = (Holder::new(), Proofs::new(NOW_MS).unwrap());
    let proof = holder.sign(&holder.header(), &claims("1"));
    let thumbprint = ask(&proofs, &proof, LATER_MS).unwrap();
    let again = ProofFault::Wrong("it was used before (`jti`)");
    assert_eq!(ask(&proofs, &proof, LATER_MS).unwrap_err(), again);
    assert_eq!(ask(&proofs, &proof, LATER_MS + 59_999).unwrap_err(), again);
    let other = holder.sign(&holder.header(), &claims("2"));
    assert_eq!(ask(&proofs, &other, LATER_MS).unwrap(), thumbprint, "the same key");
    let somebody = Holder::new();
    let same_id = somebody.sign(&somebody.header(), &claims("1"));
    assert_ne!(ask(&proofs, &same_id, LATER_MS).unwrap(), thumbprint, "ids of different keys are different ids");
}

/// A process that has just begun does not know which proofs were used before.
#[test]
fn a_nonce_is_asked_for_in_the_first_two_minutes() {
    let (holder, proofs) = (Holder::new(), Proofs::new(NOW_MS).unwrap());
    let now_ms = NOW_MS + 1_000;
    let early = with(claims("1"), "iat", now_ms / 1_000);
    let sign = |claims: &Value| holder.sign(&holder.header(), claims);
    assert_eq!(ask(&proofs, &sign(&early), now_ms).unwrap_err(), ProofFault::NonceNeeded);
    assert_eq!(
        ask(&proofs, &sign(&with(early.clone(), "nonce", "guess")), now_ms).unwrap_err(),
        ProofFault::NonceNeeded
    );
    let nonce = proofs.nonce(now_ms).unwrap().to_owned();
    assert!(ask(&proofs, &sign(&with(early, "nonce", nonce)), now_ms).is_ok());
    assert!(proofs.nonce(NOW_MS + 119_999).is_some() && proofs.nonce(NOW_MS + 120_000).is_none());
    assert!(proofs.nonce(NOW_MS - 5_000).is_some(), "a clock that was put back");
    let late = with(claims("2"), "iat", LATER_MS / 1_000);
    proofs.hand_over();
    assert_eq!(ask(&proofs, &sign(&late), LATER_MS).unwrap_err(), ProofFault::NonceNeeded, "others take proofs now");
}

#[test]
fn a_flood_makes_it_refuse_and_never_forget() {
    let (seen, first) = (Seen::new(), 7_u64);
    assert_eq!(seen.take(&first, NOW_MS, NOW_MS + 120_000), Taken::First);
    let flood =
        (1_000..).take(bounds::PROOFS_REMEMBERED_MAX * 2).map(|id: u64| seen.take(&id, NOW_MS, NOW_MS + 120_000));
    let (mut taken, mut refused) = (0, 0);
    flood.for_each(|what| match what {
        Taken::First => taken += 1,
        Taken::NoRoom => refused += 1,
        Taken::Again => panic!("two ids were taken for one"),
    });
    assert!(taken <= bounds::PROOFS_REMEMBERED_MAX && refused > 0, "{taken} {refused}");
    assert_eq!(seen.take(&first, NOW_MS + 119_000, NOW_MS + 239_000), Taken::Again);
    assert_eq!(seen.take(&first, NOW_MS + 121_000, NOW_MS + 241_000), Taken::First, "there is room again");
}

#[test]
fn of_two_at_the_same_moment_at_most_one_is_the_first() {
    for round in 0..200_u64 {
        let seen = Seen::new();
        let first = std::thread::scope(|scope| {
            let take = || scope.spawn(|| seen.take(&round, NOW_MS, NOW_MS + 120_000) == Taken::First);
            let both = [take(), take(), take()];
            both.into_iter().map(|one| one.join().unwrap()).filter(|first| *first).count()
        });
        assert!(first <= 1, "{first} of three");
    }
}
