use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callgate_model::{Grant, SigningAlgorithm};

use super::*;
use crate::tokens::TokenFault;
use callgate_store::KeyRole;

const ISSUER: &str = "https://id.example.com";

async fn issuing() -> House {
    let house = house().await;
    house.registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.unwrap();
    house
}

fn shop() -> ClientRequest {
    ClientRequest {
        name: "shop".to_owned(),
        consumer: Some("acme".to_owned()),
        grants: vec![Grant::ClientCredentials],
        scopes: vec!["orders:read".to_owned()],
        ..ClientRequest::default()
    }
}

async fn token(house: &House, client: &str) -> Secret {
    let client = house.registry.tokens().client(client).unwrap();
    let scopes = client.scopes.iter().map(|scope| scope.to_string()).collect();
    house.registry.issue_token(TokenRequest { client, scopes, audience: None, key: None }).await.unwrap().text
}

fn check(house: &House, text: &Secret, expect: &str) {
    let got = match house.registry.tokens().verify(text.expose(), house.clock.unix_ms()) {
        Ok(entry) => {
            format!("{} {} for {}: {}", entry.client.name, entry.number, entry.audience, entry.grants.scopes_text)
        }
        Err(TokenFault::NotOurs(why)) => format!("not ours, {why}"),
        Err(TokenFault::Revoked(_)) => "revoked".to_owned(),
        Err(TokenFault::Expired(_)) => "expired".to_owned(),
    };
    assert_eq!(got, expect);
}

#[tokio::test]
async fn a_token_is_good_until_its_client_is_removed() {
    let house = issuing().await;
    let (_, secret) = house.registry.create_client(&ACTOR, shop()).await.unwrap();
    let secret = secret.unwrap();
    let tokens = house.registry.tokens();
    assert_eq!(&*tokens.authenticate("shop", &secret).unwrap().consumer.name, "acme");
    assert!(tokens.authenticate("shop", &Secret::new("cgcs_wrong")).is_none());
    assert!(tokens.authenticate("nobody", &secret).is_none());
    let first = token(&house, "shop").await;
    check(&house, &first, "shop 1 for https://id.example.com: orders:read");
    let (_, renewed) = house.registry.rotate_client_secret(&ACTOR, "shop").await.unwrap();
    assert!(tokens.authenticate("shop", &secret).is_none(), "the old secret ends at once");
    assert!(tokens.authenticate("shop", &renewed).is_some());
    check(&house, &first, "shop 1 for https://id.example.com: orders:read");

    house.registry.remove_client(&ACTOR, "shop").await.unwrap();
    check(&house, &first, "revoked");
    house.registry.create_client(&ACTOR, shop()).await.unwrap();
    check(&house, &first, "revoked");
    let second = token(&house, "shop").await;
    check(&house, &second, "shop 2 for https://id.example.com: orders:read");
    let house = house.reopened().await;
    house.registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.unwrap();
    check(&house, &first, "revoked");
    check(&house, &second, "shop 2 for https://id.example.com: orders:read");
    house.registry.remove_consumer(&ACTOR, "acme").await.unwrap();
    check(&house, &second, "revoked");
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let house = issuing().await;
    house.registry.create_client(&ACTOR, shop()).await.unwrap();
    let text = token(&house, "shop").await;
    house.clock.advance_ms(599_999);
    check(&house, &text, "shop 1 for https://id.example.com: orders:read");
    let held = house.registry.tokens().verify(text.expose(), house.clock.unix_ms()).unwrap();
    house.clock.advance_ms(1);
    check(&house, &text, "expired");
    assert!(!held.is_revoked());
    house.registry.revoke_token(&ACTOR, &text, None).await.unwrap();
    assert!(held.is_revoked(), "a stream that it opened can still be ended");
}

#[tokio::test]
async fn a_revocation_reaches_tokens_that_are_remembered() {
    let house = issuing().await;
    let registry = &house.registry;
    registry.create_client(&ACTOR, shop()).await.unwrap();
    registry.create_client(&ACTOR, ClientRequest { name: "app".to_owned(), ..shop() }).await.unwrap();
    let (one, two, other) = (token(&house, "shop").await, token(&house, "shop").await, token(&house, "app").await);
    let held = registry.tokens().verify(one.expose(), house.clock.unix_ms()).unwrap();
    let app = registry.tokens().client("app").unwrap();
    assert_eq!(registry.revoke_token(&ACTOR, &one, Some(&app)).await.unwrap(), Revoked::Nothing, "not its own");
    assert!(!held.is_revoked());
    let expect = Revoked::Token { number: 1, client: "shop".to_owned() };
    assert_eq!(registry.revoke_token(&ACTOR, &one, None).await.unwrap(), expect);
    assert!(held.is_revoked(), "whoever holds it sees it");
    check(&house, &one, "revoked");
    check(&house, &two, "shop 2 for https://id.example.com: orders:read");
    assert_eq!(registry.revoke_token(&ACTOR, &one, None).await.unwrap(), Revoked::Nothing, "it was dead before");

    registry.revoke_tokens_of(&ACTOR, "shop").await.unwrap();
    check(&house, &two, "revoked");
    check(&house, &other, "app 3 for https://id.example.com: orders:read");
    check(&house, &token(&house, "shop").await, "shop 4 for https://id.example.com: orders:read");
    let house = house.reopened().await;
    house.registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.unwrap();
    check(&house, &two, "revoked");
}

#[tokio::test]
async fn keys_move_on_and_a_leaked_one_ends_every_token() {
    let house = issuing().await;
    let registry = &house.registry;
    registry.create_client(&ACTOR, shop()).await.unwrap();
    let kids = || {
        let jwks = registry.tokens().jwks();
        jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let published = kids();
    assert_eq!(published.len(), 2, "the key that signs, and the next one");
    let first = token(&house, "shop").await;
    registry.rotate_signing_keys(&ACTOR, false).await.unwrap();
    let second = token(&house, "shop").await;
    let header = |text: &Secret| text.expose().split('.').next().unwrap().to_owned();
    assert_ne!(header(&first), header(&second), "another key signs");
    assert!(published.iter().all(|kid| kids().contains(kid)), "what was published is still there");
    check(&house, &first, "shop 1 for https://id.example.com: orders:read");
    registry.rotate_signing_keys(&ACTOR, false).await.unwrap();
    registry.tokens().forget_verified();
    check(&house, &first, "shop 1 for https://id.example.com: orders:read");
    let held = registry.tokens().verify(first.expose(), house.clock.unix_ms()).unwrap();
    registry.rotate_signing_keys(&ACTOR, true).await.unwrap();
    let gone = "not ours, another issuer's, or of a signing key that was given up";
    check(&house, &first, gone);
    check(&house, &second, gone);
    assert!(held.is_revoked(), "a stream that it opened ends too");
    assert_eq!(registry.tokens_list(None, 10).await.unwrap(), []);
    assert_eq!(kids().len(), 2);
    check(&house, &token(&house, "shop").await, "shop 3 for https://id.example.com: orders:read");
}

/// Every way to make a text that only looks like one of ours.
#[tokio::test]
async fn forged_tokens_are_not_ours() {
    let house = issuing().await;
    house.registry.create_client(&ACTOR, shop()).await.unwrap();
    let real = token(&house, "shop").await;
    let [header, claims, signature] = real.expose().split('.').collect::<Vec<_>>()[..] else { panic!() };
    let decoded = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert!(decoded(header).starts_with(r#"{"typ":"at+jwt","alg":"ES256","kid":""#), "{}", decoded(header));
    let other = "not ours, another issuer's, or of a signing key that was given up";
    let forged_header = |from: &str, to: &str| {
        let changed = decoded(header).replace(from, to);
        assert_ne!(changed, decoded(header));
        Secret::new(format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(changed)))
    };
    check(&house, &forged_header(r#""ES256""#, r#""none""#), other);
    check(&house, &forged_header(r#""ES256""#, r#""HS256""#), other);
    check(&house, &forged_header("at+jwt", "JWT"), other);
    check(&house, &forged_header(r#""typ""#, r#""crit":["x"],"typ""#), other);
    check(&house, &forged_header(r#""typ""#, r#""jku":"https://evil.test","typ""#), other);
    check(&house, &forged_header(r#""kid":""#, r#""kid":"../"#), other);
    let unsigned = Secret::new(format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#)));
    check(&house, &unsigned, other);

    let changed = decoded(claims).replace("orders:read", "orders:all!");
    let more = Secret::new(format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(changed)));
    let wrong = "not ours, its signature is not by the key that it names, or it says other things than ours do";
    check(&house, &more, wrong);
    check(&house, &Secret::new(format!("{header}.{claims}.")), wrong);
    check(&house, &Secret::new(format!("{header}.{claims}.{}", "A".repeat(86))), wrong);
    check(&house, &Secret::new(format!("{}x", real.expose())), wrong);
    check(&house, &Secret::new("no token"), "not ours, not a token by its form");
    check(&house, &Secret::new("a".repeat(5_000)), "not ours, longer than a token of ours");
    house.registry.set_issuer(Some(("https://other.example.com", SigningAlgorithm::default()))).await.unwrap();
    check(&house, &real, "not ours, of an issuer that this gate was before: its URL has changed since");
    house.registry.set_issuer(None).await.unwrap();
    check(&house, &real, "not ours, this gate issues no tokens");
    // Whoever administers can still look into it and end it.
    assert_eq!(house.registry.inspect_token(&real).unwrap().number, 1);
    let revoked = house.registry.revoke_token(&ACTOR, &real, None).await.unwrap();
    assert_eq!(revoked, Revoked::Token { number: 1, client: "shop".to_owned() });
    assert!(house.registry.revoke_token_number(&ACTOR, 2).await.is_err());
    assert_eq!(house.registry.revoke_token_number(&ACTOR, 1).await.unwrap(), "shop");
}

#[tokio::test]
async fn another_process_learns_of_clients_and_revocations() {
    let house = issuing().await;
    let old = Registry::open(house.registry.store().clone(), house.clock.clone(), "cg").await.unwrap();
    old.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.unwrap();
    house.registry.create_client(&ACTOR, shop()).await.unwrap();
    let text = token(&house, "shop").await;
    old.take_in().await.unwrap();
    let now_ms = house.clock.unix_ms();
    old.tokens().verify(text.expose(), now_ms).unwrap();
    house.registry.revoke_token(&ACTOR, &text, None).await.unwrap();
    house.registry.rotate_signing_keys(&ACTOR, false).await.unwrap();
    old.take_in().await.unwrap();
    assert!(matches!(old.tokens().verify(text.expose(), now_ms), Err(TokenFault::Revoked(_))));
    let by_next = token(&house, "shop").await;
    old.tokens().verify(by_next.expose(), now_ms).unwrap();
}

#[tokio::test]
async fn every_algorithm_signs_and_a_change_ends_no_token() {
    let house = house().await;
    let (registry, mut held) = (&house.registry, Vec::new());
    registry.create_client(&ACTOR, shop()).await.unwrap();
    for algorithm in SigningAlgorithm::ALL {
        registry.set_issuer(Some((ISSUER, algorithm))).await.unwrap();
        let text = token(&house, "shop").await;
        let header = text.expose().split('.').next().unwrap();
        let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert!(header.starts_with(&format!(r#"{{"typ":"at+jwt","alg":"{}","#, algorithm.name())), "{header}");
        held.push(text);
        for text in &held {
            registry.tokens().forget_verified();
            registry.tokens().verify(text.expose(), house.clock.unix_ms()).unwrap();
        }
        let jwks = registry.tokens().jwks();
        let published = jwks["keys"].as_array().unwrap();
        let of_it = published.iter().filter(|key| key["alg"] == algorithm.name());
        assert_eq!(of_it.count(), 2, "the one that signs and the next: {jwks}");
        assert!(
            published.iter().all(|key| key["d"].is_null() && key["use"] == "sig" && key["kid"].is_string()),
            "{jwks}"
        );
    }
    let keys = registry.signing_keys().await.unwrap();
    registry.set_issuer(Some((ISSUER, SigningAlgorithm::Ed25519))).await.unwrap();
    let again = registry.signing_keys().await.unwrap();
    assert!(keys.iter().map(|key| &key.id).eq(again.iter().map(|key| &key.id)), "the same algorithm changes nothing");
}

/// The file of a key that signs is gone: what has nothing to do with tokens goes on, and new keys mend it.
#[tokio::test]
async fn a_lost_signing_key_is_mended_by_new_ones() {
    let house = issuing().await;
    house.registry.create_client(&ACTOR, shop()).await.unwrap();
    house.registry.rotate_signing_keys(&ACTOR, false).await.unwrap();
    let keys = house.registry.signing_keys().await.unwrap();
    let file = |key: &SigningKey| house.registry.store().folder().join(format!("secrets/signing-{}", key.id));
    let lose = |role: KeyRole| std::fs::remove_file(file(keys.iter().find(|key| key.role == role).unwrap())).unwrap();
    lose(KeyRole::Previous);
    house.registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.unwrap();
    lose(KeyRole::Next);
    assert!(house.registry.rotate_signing_keys(&ACTOR, false).await.is_err(), "it could not sign");
    let house = house.reopened().await;
    assert!(house.registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.is_err());
    house.registry.rotate_signing_keys(&ACTOR, true).await.unwrap();
    house.registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.unwrap();
    check(&house, &token(&house, "shop").await, "shop 1 for https://id.example.com: orders:read");
}

/// A clock that jumps ahead and back must not bring back what was revoked.
#[tokio::test]
async fn a_revocation_outlives_a_clock_that_jumps() {
    let house = issuing().await;
    house.registry.create_client(&ACTOR, shop()).await.unwrap();
    let (dead, other) = (token(&house, "shop").await, token(&house, "shop").await);
    house.registry.revoke_token(&ACTOR, &dead, None).await.unwrap();
    house.clock.advance_ms(11 * 60_000);
    let later = token(&house, "shop").await;
    house.registry.revoke_token(&ACTOR, &later, None).await.unwrap();
    house.clock.set_unix_ms(house.clock.unix_ms() - 11 * 60_000);
    check(&house, &dead, "revoked");
    check(&house, &other, "shop 2 for https://id.example.com: orders:read");
    let house = house.reopened().await;
    house.registry.set_issuer(Some((ISSUER, SigningAlgorithm::default()))).await.unwrap();
    check(&house, &dead, "revoked");
}
