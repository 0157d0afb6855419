//! Accounts, sessions, codes, families.

use callgate_model::{Client, Clock, Cut, Family, Grant, Secret, TokensOf, User, bounds};

use super::{ADMIN, NOON_MS};
use crate::{
    FoundFamily, NewClient, NewCode, NewSession, Redeemed, Redemption, Refreshed, Refreshing, Store, StoreError, pepper,
};

const AUDIENCE: &str = "https://id.example.com";

fn hash(store: &Store, text: &str) -> [u8; 32] {
    pepper::hash(&store.peppers().current, text)
}

async fn user(store: &Store, name: &str) -> User {
    store.users_create(&ADMIN, name, Secret::new("$argon2id$…")).await.unwrap()
}

async fn client(store: &Store, name: &str) -> Client {
    let new = NewClient {
        name: name.to_owned(),
        consumer: None,
        secret_hash: [1; 32],
        pepper_id: store.peppers().current.id,
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        redirects: vec!["https://app.example.com/back".to_owned()],
        public: false,
    };
    store.clients_create(&ADMIN, new).await.unwrap().0
}

fn session(store: &Store, user: &User, text: &str) -> NewSession {
    let (address, agent) = ("192.0.2.1".to_owned(), "Browser".to_owned());
    NewSession { hash: hash(store, text), user_id: user.id, address, agent }
}

fn code(store: &Store, client: &Client, user: &User, text: &str) -> NewCode {
    NewCode {
        hash: hash(store, text),
        client_id: client.id,
        user_id: user.id,
        redirect: "https://app.example.com/back".to_owned(),
        challenge: "challenge".to_owned(),
        scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        audience: None,
        agreed: false,
    }
}

fn redemption(store: &Store, client: &Client, text: &str) -> Redemption {
    Redemption {
        code: vec![hash(store, text)],
        client_id: client.id,
        redirect: None,
        challenge: "challenge".to_owned(),
        audience: None,
        audience_default: AUDIENCE.to_owned(),
        refresh: Some((hash(store, &format!("{text} handle")), hash(store, "first"))),
        key: None,
        expires_ms: NOON_MS + 600_000,
    }
}

async fn found(store: &Store, text: &str) -> FoundFamily {
    store.families_find(vec![hash(store, "code handle")], vec![hash(store, text)]).await.unwrap().unwrap()
}

/// A family, by the whole way; its first refresh token is `first`.
async fn family(store: &Store, client: &Client, user: &User) -> Family {
    store.codes_issue(code(store, client, user, "code")).await.unwrap();
    match store.codes_redeem(redemption(store, client, "code")).await.unwrap() {
        Redeemed::Issued { .. } => {}
        other => panic!("{other:?}"),
    }
    found(store, "first").await.family
}

fn refreshing(store: &Store, client: &Client, presented: &str, successor: &str) -> Refreshing {
    Refreshing {
        handle: vec![[9; 32], hash(store, "code handle")],
        presented: vec![[9; 32], hash(store, presented)],
        successor: hash(store, successor),
        client_id: client.id,
        scopes: None,
        audience: None,
        key: None,
        expires_ms: NOON_MS + 600_000,
    }
}

/// What comes of presenting this token for that one.
async fn refresh(store: &Store, client: &Client, presented: &str, successor: &str) -> &'static str {
    match store.families_refresh(refreshing(store, client, presented, successor)).await.unwrap() {
        Refreshed::Issued { .. } => "issued",
        Refreshed::Reused(_) => "reused",
        Refreshed::Refused(_) => "refused",
        Refreshed::ScopeExceeded => "scope",
        Refreshed::OtherAudience => "audience",
    }
}

pub(super) async fn accounts_from_first_to_last(store: &Store, _: &Clock) {
    let alice = user(store, "alice").await;
    assert_eq!((alice.name.as_str(), alice.disabled, alice.created_ms), ("alice", false, NOON_MS));
    let error = store.users_create(&ADMIN, "alice", Secret::new("x")).await.unwrap_err();
    assert!(error.to_string().starts_with("the user `alice` exists already"), "{error}");
    let error = store.users_create(&ADMIN, "a b", Secret::new("x")).await.unwrap_err();
    assert!(matches!(error, StoreError::Unfit { .. }), "{error}");
    let (found, password) = store.users_with_password("alice").await.unwrap().unwrap();
    assert_eq!((found, password.expose()), (alice.clone(), "$argon2id$…"));
    assert!(store.users_with_password("bob").await.unwrap().is_none());

    client(store, "shop").await;
    let error = store.users_create(&ADMIN, "shop", Secret::new("x")).await.unwrap_err();
    assert!(error.to_string().contains("the same subject"), "{error}");
    let mut new = store.clients_get("shop").await.unwrap();
    new.name = "alice".to_owned();
    let as_alice = NewClient {
        name: new.name,
        consumer: None,
        secret_hash: [1; 32],
        pepper_id: 1,
        grants: vec![Grant::ClientCredentials],
        scopes: vec![],
        redirects: vec![],
        public: false,
    };
    let error = store.clients_create(&ADMIN, as_alice).await.unwrap_err();
    assert!(error.to_string().contains("the same subject"), "{error}");

    let (disabled, _) = store.users_disable(&ADMIN, "alice").await.unwrap();
    assert!(disabled.disabled && store.users_get("alice").await.unwrap().disabled);
    assert_eq!(store.users_enable(&ADMIN, "alice").await.unwrap(), alice);
    store.users_set_password(&ADMIN, "alice", Secret::new("other")).await.unwrap();
    assert_eq!(store.users_with_password("alice").await.unwrap().unwrap().1.expose(), "other");
    store.users_remove(&ADMIN, "alice").await.unwrap();
    assert!(matches!(store.users_get("alice").await, Err(StoreError::NotFound { .. })));
    let again = user(store, "alice").await;
    assert!(again.id > alice.id, "never given again");
    assert_eq!(store.users_list().await.unwrap(), [again]);
}

pub(super) async fn sessions_end(store: &Store, clock: &Clock) {
    let alice = user(store, "alice").await;
    let find = async |text: &str| store.sessions_find(vec![[0; 32], hash(store, text)]).await.unwrap();
    let begun = store.sessions_begin(session(store, &alice, "one"), vec![]).await.unwrap();
    assert_eq!(find("one").await, Some((begun, alice.clone())));
    assert_eq!(find("two").await, None);

    store.sessions_begin(session(store, &alice, "two"), vec![hash(store, "one")]).await.unwrap();
    assert_eq!(find("one").await, None, "what the browser had before is over");
    store.sessions_end(vec![hash(store, "two")]).await.unwrap();
    assert_eq!(find("two").await, None);

    let idle_ms = u64::try_from(bounds::SESSION_IDLE_MAX.as_millis()).unwrap();
    store.sessions_begin(session(store, &alice, "idle"), vec![]).await.unwrap();
    clock.advance_ms(idle_ms - 1);
    assert_eq!(find("idle").await.unwrap().0.used_ms, NOON_MS);
    assert!(find("idle").await.unwrap().0.used_ms > NOON_MS, "the use before was written down");
    clock.advance_ms(idle_ms);
    assert_eq!(find("idle").await, None);
    assert!(store.sessions_of("alice").await.unwrap().is_empty());

    store.sessions_begin(session(store, &alice, "old"), vec![]).await.unwrap();
    let lifetime_ms = u64::try_from(bounds::SESSION_LIFETIME.as_millis()).unwrap();
    for _ in 0..lifetime_ms / (idle_ms - 60_000) {
        assert!(find("old").await.is_some());
        clock.advance_ms(idle_ms - 60_000);
    }
    assert!(find("old").await.is_some());
    clock.advance_ms(idle_ms - 60_000);
    assert_eq!(find("old").await, None, "however much it was used");

    for nth in 0..bounds::SESSIONS_PER_USER_MAX + 5 {
        store.sessions_begin(session(store, &alice, &format!("many {nth}")), vec![]).await.unwrap();
        clock.advance_ms(1);
    }
    assert_eq!(store.sessions_of("alice").await.unwrap().len(), bounds::SESSIONS_PER_USER_MAX as usize);
    assert!(find("many 0").await.is_none() && find("many 36").await.is_some());
    assert_eq!(store.sessions_end_of(&ADMIN, "alice").await.unwrap().1, u64::from(bounds::SESSIONS_PER_USER_MAX));

    store.sessions_begin(session(store, &alice, "last"), vec![]).await.unwrap();
    store.users_disable(&ADMIN, "alice").await.unwrap();
    assert_eq!(find("last").await, None);
    let error = store.sessions_begin(session(store, &alice, "more"), vec![]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

pub(super) async fn a_code_is_worth_one_answer(store: &Store, clock: &Clock) {
    let (alice, shop) = (user(store, "alice").await, client(store, "shop").await);
    store.codes_issue(code(store, &shop, &alice, "code")).await.unwrap();
    let Redeemed::Issued { user, token } = store.codes_redeem(redemption(store, &shop, "code")).await.unwrap() else {
        panic!("it was good")
    };
    let family = found(store, "first").await.family;
    assert_eq!((user, family.user_id, family.audience.as_str()), (alice.clone(), alice.id, AUDIENCE));
    assert_eq!((token.user_id, token.family_id), (Some(alice.id), Some(family.id)));
    let Redeemed::Replayed(cut) = store.codes_redeem(redemption(store, &shop, "code")).await.unwrap() else {
        panic!("it was used before")
    };
    assert_eq!(
        cut,
        Cut { of: TokensOf::Family(family.id), up_to: token.number, until_ms: NOON_MS + 600_000 + 24 * 3_600_000 }
    );
    assert!(store.tokens_list(None, 10).await.unwrap().is_empty());
    assert_eq!(refresh(store, &shop, "first", "second").await, "refused", "what came of it is dead, too");
    let once_more = store.codes_redeem(redemption(store, &shop, "code")).await.unwrap();
    assert!(matches!(once_more, Redeemed::Refused(_)), "{once_more:?}");

    let other = client(store, "other").await;
    let check = async |change: &dyn Fn(&mut Redemption), expect: &str| {
        store.codes_issue(code(store, &shop, &alice, "again")).await.unwrap();
        let mut asked = redemption(store, &shop, "again");
        change(&mut asked);
        let Redeemed::Refused(why) = store.codes_redeem(asked).await.unwrap() else { panic!("{expect}") };
        assert!(why.contains(expect), "{why}");
        let honest = store.codes_redeem(redemption(store, &shop, "again")).await.unwrap();
        assert!(matches!(honest, Redeemed::Refused(_)), "it was in wrong hands: {honest:?}");
    };
    check(&|asked| asked.client_id = other.id, "another client's").await;
    check(&|asked| asked.challenge = "other".to_owned(), "verifier").await;
    check(&|asked| asked.redirect = Some("https://app.example.com/other".to_owned()), "redirect_uri").await;
    check(&|asked| asked.audience = Some("https://api.example.com".to_owned()), "resource").await;
    check(&|_| clock.advance_ms(u64::try_from(bounds::CODE_LIFETIME.as_millis()).unwrap()), "expired").await;

    store.codes_issue(code(store, &shop, &alice, "late")).await.unwrap();
    store.users_disable(&ADMIN, "alice").await.unwrap();
    let late = store.codes_redeem(redemption(store, &shop, "late")).await.unwrap();
    assert!(matches!(late, Redeemed::Refused(_)), "{late:?}");
    let error = store.codes_issue(code(store, &shop, &alice, "more")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

pub(super) async fn a_refresh_token_leads_on_once(store: &Store, clock: &Clock) {
    let (alice, shop) = (user(store, "alice").await, client(store, "shop").await);
    let begun = family(store, &shop, &alice).await;
    assert_eq!(refresh(store, &shop, "first", "second").await, "issued");
    // An answer was lost: the one before is good again, and its successor is not.
    clock.advance_ms(10_000);
    assert_eq!(refresh(store, &shop, "first", "second b").await, "issued");
    assert_eq!(refresh(store, &shop, "second b", "third").await, "issued");
    clock.advance_ms(1);
    let found = found(store, "third").await;
    assert_eq!((found.family.id, found.is_current, found.user), (begun.id, true, alice.clone()));
    assert_eq!(refresh(store, &shop, "first", "fourth").await, "reused", "its successor was used");
    assert_eq!(refresh(store, &shop, "third", "fourth").await, "refused", "the family is over");
    assert!(store.tokens_list(None, 10).await.unwrap().is_empty());

    // The successor that died is in somebody's hands.
    store.users_revoke_tokens(&ADMIN, "alice").await.unwrap();
    family(store, &shop, &alice).await;
    assert_eq!(refresh(store, &shop, "first", "second").await, "issued");
    assert_eq!(refresh(store, &shop, "first", "second b").await, "issued");
    assert_eq!(refresh(store, &shop, "second", "third").await, "reused");

    // Later than ten seconds after the first time.
    family(store, &shop, &alice).await;
    assert_eq!(refresh(store, &shop, "first", "second").await, "issued");
    clock.advance_ms(10_001);
    assert_eq!(refresh(store, &shop, "first", "second b").await, "reused");
}

pub(super) async fn a_family_has_its_bounds(store: &Store, clock: &Clock) {
    let (alice, shop, other) = (user(store, "alice").await, client(store, "shop").await, client(store, "other").await);
    family(store, &shop, &alice).await;
    assert_eq!(refresh(store, &other, "first", "second").await, "refused", "another client's");
    let mut asked = refreshing(store, &shop, "first", "second");
    asked.scopes = Some(vec!["admin".to_owned()]);
    assert_eq!(store.families_refresh(asked).await.unwrap(), Refreshed::ScopeExceeded);
    let mut asked = refreshing(store, &shop, "first", "second");
    asked.audience = Some("https://api.example.com".to_owned());
    assert_eq!(store.families_refresh(asked).await.unwrap(), Refreshed::OtherAudience);
    let mut asked = refreshing(store, &shop, "first", "second");
    asked.scopes = Some(vec!["orders:read".to_owned()]);
    let Refreshed::Issued { token, .. } = store.families_refresh(asked).await.unwrap() else { panic!() };
    assert_eq!(
        (token.scopes.len(), found(store, "second").await.family.scopes.len()),
        (1, 2),
        "the family keeps what was granted"
    );

    let day_ms = 24 * 60 * 60 * 1000;
    clock.advance_ms(14 * day_ms);
    assert_eq!(refresh(store, &shop, "second", "third").await, "refused", "nobody used it for too long");
    family(store, &shop, &alice).await;
    let mut before = "first".to_owned();
    for day in 0..89 {
        clock.advance_ms(day_ms);
        let next = format!("day {day}");
        assert_eq!(refresh(store, &shop, &before, &next).await, "issued");
        before = next;
    }
    clock.advance_ms(day_ms);
    assert_eq!(refresh(store, &shop, &before, "more").await, "refused", "however much it was used");

    let kept = family(store, &shop, &alice).await;
    store.families_revoke(&ADMIN, &kept).await.unwrap();
    assert_eq!(refresh(store, &shop, "first", "second").await, "refused");
    family(store, &shop, &alice).await;
    store.users_disable(&ADMIN, "alice").await.unwrap();
    store.users_enable(&ADMIN, "alice").await.unwrap();
    assert_eq!(refresh(store, &shop, "first", "second").await, "refused", "it does not come back");
    family(store, &shop, &alice).await;
    store.tokens_revoke(&ADMIN, TokensOf::Client(shop.id), "shop").await.unwrap();
    assert_eq!(refresh(store, &shop, "first", "second").await, "refused");

    store.codes_issue(NewCode { agreed: true, ..code(store, &shop, &alice, "agreed") }).await.unwrap();
    assert_eq!(store.consents_get(alice.id, shop.id).await.unwrap().unwrap().len(), 2);
    store.users_revoke_tokens(&ADMIN, "alice").await.unwrap();
    assert_eq!(store.consents_get(alice.id, shop.id).await.unwrap(), None, "asked again");
    store.codes_issue(NewCode { agreed: true, ..code(store, &shop, &alice, "agreed") }).await.unwrap();
    store.clients_remove(&ADMIN, "shop").await.unwrap();
    store.users_remove(&ADMIN, "alice").await.unwrap();
}

pub(super) async fn families_of_one_person_are_bounded(store: &Store, clock: &Clock) {
    let (alice, shop) = (user(store, "alice").await, client(store, "shop").await);
    let count = bounds::FAMILIES_MAX as usize + 1;
    for nth in 0..count {
        let text = format!("code {nth}");
        store.codes_issue(code(store, &shop, &alice, &text)).await.unwrap();
        let redeemed = store.codes_redeem(redemption(store, &shop, &text)).await.unwrap();
        assert!(matches!(redeemed, Redeemed::Issued { .. }));
        clock.advance_ms(1);
    }
    let find =
        async |nth: usize| store.families_find(vec![hash(store, &format!("code {nth} handle"))], vec![]).await.unwrap();
    assert!(find(0).await.is_none(), "the one used longest ago");
    assert!(find(1).await.is_some() && find(count - 1).await.is_some());
}

/// A public client's refresh token is worth nothing without the key that it was bound to.
pub(super) async fn a_family_is_bound_to_a_key(store: &Store, _: &Clock) {
    let (alice, shop) = (user(store, "alice").await, client(store, "shop").await);
    store.codes_issue(code(store, &shop, &alice, "code")).await.unwrap();
    let asked = Redemption { key: Some("thumbprint".to_owned()), ..redemption(store, &shop, "code") };
    store.codes_redeem(asked).await.unwrap();
    assert_eq!(refresh(store, &shop, "first", "second").await, "refused");
    let with = |key: &str| Refreshing { key: Some(key.to_owned()), ..refreshing(store, &shop, "first", "second") };
    assert!(matches!(store.families_refresh(with("other")).await.unwrap(), Refreshed::Refused(_)));
    assert!(matches!(store.families_refresh(with("thumbprint")).await.unwrap(), Refreshed::Issued { .. }));
}
