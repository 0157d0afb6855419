use callgate_model::{Grant, SigningAlgorithm, User};

use super::*;
use crate::tokens::TokenFault;
use crate::{GrantFault, Grantable, Granted, Presented, SignIn, SignInFault};

const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of the verifier: both are from RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn issuing() -> (House, User) {
    let house = house().await;
    house.registry.set_issuer(Some(("https://id.example.com", SigningAlgorithm::default()))).await.unwrap();
    let request = ClientRequest {
        name: "shop".to_owned(),
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        scopes: vec!["orders:read".to_owned()],
        redirects: vec!["https://app.example.com/back".to_owned()],
        public: true,
        ..ClientRequest::default()
    };
    let (_, secret) = house.registry.create_client(&ACTOR, request).await.unwrap();
    assert!(secret.is_none(), "a public client has none");
    let alice = house.registry.create_user(&ACTOR, "alice", &Secret::new(PASSWORD)).await.unwrap();
    (house, alice)
}

fn presented(house: &House, text: &Secret) -> Presented {
    Presented {
        client: house.registry.tokens().client("shop").unwrap(),
        text: text.clone(),
        verifier: Secret::new(VERIFIER),
        redirect: None,
        scopes: None,
        audience: None,
        key: None,
    }
}

async fn granted(house: &House, user: &User) -> Granted {
    let grantable = Grantable {
        client: house.registry.tokens().client("shop").unwrap(),
        user_id: user.id,
        redirect: "https://app.example.com/back".to_owned(),
        challenge: CHALLENGE.to_owned(),
        scopes: vec!["orders:read".to_owned()],
        audience: None,
        agreed: true,
    };
    let code = house.registry.issue_code(grantable).await.unwrap();
    house.registry.redeem(presented(house, &code)).await.unwrap()
}

fn is_alive(house: &House, token: &Secret) -> bool {
    match house.registry.tokens().verify(token.expose(), house.clock.unix_ms()) {
        Ok(_) => true,
        Err(TokenFault::Revoked(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

fn sign_in(name: &str, password: &str) -> SignIn {
    SignIn {
        name: name.to_owned(),
        password: Secret::new(password),
        address: "192.0.2.1".parse().unwrap(),
        agent: "Browser\u{7}".to_owned(),
        before: None,
    }
}

#[tokio::test]
async fn somebody_signs_in_and_out() {
    let (house, alice) = issuing().await;
    let registry = &house.registry;
    let (user, cookie) = registry.sign_in(sign_in("alice", PASSWORD)).await.unwrap();
    assert_eq!((&user, registry.signed_in(&cookie).await.unwrap().as_ref()), (&alice, Some(&alice)));
    assert_eq!(registry.signed_in(&Secret::new("other")).await.unwrap(), None);
    let sessions = registry.sessions_of("alice").await.unwrap();
    assert_eq!((sessions.len(), sessions[0].agent.as_str()), (1, "Browser"));

    let again = SignIn { before: Some(cookie.clone()), ..sign_in("alice", PASSWORD) };
    let (_, other) = registry.sign_in(again).await.unwrap();
    assert_eq!(registry.signed_in(&cookie).await.unwrap(), None, "the cookie from before is worth nothing");
    registry.sign_out(&other).await.unwrap();
    assert_eq!(registry.signed_in(&other).await.unwrap(), None);

    let proof = registry.form_proof(&cookie);
    assert!(registry.is_form_of(&cookie, &proof) && !registry.is_form_of(&other, &proof));
    assert!(!registry.is_form_of(&cookie, ""));
}

#[tokio::test]
async fn whoever_does_not_know_the_password_learns_nothing() {
    let (house, _) = issuing().await;
    let registry = &house.registry;
    for (name, password) in [("alice", "wrong"), ("nobody", PASSWORD), ("", ""), ("shop", PASSWORD)] {
        let refused = registry.sign_in(sign_in(name, password)).await.unwrap_err();
        assert!(matches!(refused, SignInFault::Wrong), "{name}: {refused:?}");
    }
    registry.disable_user(&ACTOR, "alice").await.unwrap();
    let refused = registry.sign_in(sign_in("alice", PASSWORD)).await.unwrap_err();
    assert!(matches!(refused, SignInFault::Wrong), "{refused:?}");
    registry.enable_user(&ACTOR, "alice").await.unwrap();
    registry.sign_in(sign_in("alice", PASSWORD)).await.unwrap();
    let mut refused = 0;
    for _ in 0..30 {
        refused += i32::from(matches!(registry.sign_in(sign_in("bob", "x")).await, Err(SignInFault::TooOften(_))));
    }
    assert_eq!(refused, 20, "ten tries at one account");
    house.clock.advance_ms(30_000);
    assert!(matches!(registry.sign_in(sign_in("bob", "x")).await, Err(SignInFault::Wrong)), "never for ever");
    for short in ["", "eleven char", &"x".repeat(257)] {
        registry.create_user(&ACTOR, "bob", &Secret::new(short)).await.unwrap_err();
    }
}

#[tokio::test]
async fn whatever_takes_power_away_reaches_the_very_next_call() {
    let (house, alice) = issuing().await;
    let registry = &house.registry;
    let other = registry.create_user(&ACTOR, "bob", &Secret::new(PASSWORD)).await.unwrap();
    let bobs = granted(&house, &other).await.issued.text;

    let token = granted(&house, &alice).await.issued.text;
    assert!(is_alive(&house, &token));
    registry.disable_user(&ACTOR, "alice").await.unwrap();
    assert!(!is_alive(&house, &token));
    registry.enable_user(&ACTOR, "alice").await.unwrap();
    assert!(!is_alive(&house, &token), "it does not come back");

    let token = granted(&house, &alice).await.issued.text;
    registry.set_password(&ACTOR, "alice", &Secret::new("another long word")).await.unwrap();
    assert!(!is_alive(&house, &token));

    let token = granted(&house, &alice).await.issued.text;
    registry.revoke_tokens_of_user(&ACTOR, "alice").await.unwrap();
    assert!(!is_alive(&house, &token));

    let first = granted(&house, &alice).await;
    let second = granted(&house, &alice).await;
    let shop = registry.tokens().client("shop").unwrap();
    assert!(registry.revoke_refresh(&ACTOR, &first.refresh.unwrap(), &shop).await.unwrap());
    assert!(!is_alive(&house, &first.issued.text) && is_alive(&house, &second.issued.text), "one family");
    registry.remove_user(&ACTOR, "alice").await.unwrap();
    assert!(!is_alive(&house, &second.issued.text));
    assert!(is_alive(&house, &bobs), "nobody else's");
    registry.remove_client(&ACTOR, "shop").await.unwrap();
    assert!(!is_alive(&house, &bobs));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_refreshes_at_once_one_token_is_left() {
    let (house, alice) = issuing().await;
    let house = Arc::new(house);
    let Granted { issued, refresh } = granted(&house, &alice).await;
    let first = refresh.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (house, first) = (Arc::clone(&house), first.clone());
            tokio::spawn(async move { house.registry.refresh(presented(&house, &first)).await.unwrap() })
        })
        .collect();
    let mut successors = Vec::new();
    for task in tasks {
        successors.push(task.await.unwrap());
    }
    let mut current = Vec::new();
    for one in &successors {
        let text = one.refresh.clone().unwrap();
        let found = house.registry.find_refresh(&text).await.unwrap().unwrap();
        if found.is_current {
            current.push(text);
        }
    }
    assert_eq!(current.len(), 1, "exactly one is live");
    assert!(is_alive(&house, &issued.text) && successors.iter().all(|one| is_alive(&house, &one.issued.text)));
    let next = house.registry.refresh(presented(&house, &current[0])).await.unwrap();
    assert!(is_alive(&house, &next.issued.text), "the family stands");

    // Whoever comes with one of the others has a copy of what was replaced.
    let dead = successors.iter().map(|one| one.refresh.clone().unwrap()).find(|text| *text != current[0]).unwrap();
    let refused = house.registry.refresh(presented(&house, &dead)).await.unwrap_err();
    assert!(matches!(refused, GrantFault::Worthless(_)), "{refused:?}");
    assert!(!is_alive(&house, &next.issued.text) && !is_alive(&house, &issued.text), "the family is over");
    house.registry.refresh(presented(&house, &next.refresh.unwrap())).await.unwrap_err();
}

/// A code that is used twice at once: one gets tokens, and in the end nobody has any.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_that_two_bring_is_worth_nothing_to_either() {
    let (house, alice) = issuing().await;
    let house = Arc::new(house);
    for _ in 0..20 {
        let grantable = Grantable {
            client: house.registry.tokens().client("shop").unwrap(),
            user_id: alice.id,
            redirect: "https://app.example.com/back".to_owned(),
            challenge: CHALLENGE.to_owned(),
            scopes: vec![],
            audience: None,
            agreed: false,
        };
        let code = house.registry.issue_code(grantable).await.unwrap();
        let both: Vec<_> = (0..2)
            .map(|_| {
                let (house, code) = (Arc::clone(&house), code.clone());
                tokio::spawn(async move { house.registry.redeem(presented(&house, &code)).await })
            })
            .collect();
        let mut texts = Vec::new();
        for one in both {
            texts.extend(one.await.unwrap().map(|granted| granted.issued.text));
        }
        assert_eq!(texts.len(), 1);
        assert!(!is_alive(&house, &texts[0]));
    }
}

#[tokio::test]
async fn secrets_are_kept_as_hashes_and_shown_nowhere() {
    let (house, alice) = issuing().await;
    let granted = granted(&house, &alice).await;
    let (_, cookie) = house.registry.sign_in(sign_in("alice", PASSWORD)).await.unwrap();
    let refresh = granted.refresh.clone().unwrap();
    let told = format!("{granted:?} {:?} {:?}", sign_in("alice", PASSWORD), house.registry);
    let folder = house.registry.store().folder().to_owned();
    house.registry.store().clone().close().await;
    let mut kept = std::fs::read(folder.join("callgate.db")).unwrap();
    kept.extend(std::fs::read(folder.join("callgate.db-wal")).unwrap_or_default());
    for secret in [PASSWORD, refresh.expose(), cookie.expose(), granted.issued.text.expose()] {
        assert!(!kept.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        assert!(!told.contains(secret));
    }
}
