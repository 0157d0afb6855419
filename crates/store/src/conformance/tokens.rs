//! Clients, tokens, revocations, signing keys.

use callgate_model::{Clock, Grant, Secret, TokensOf, bounds};

use super::{ADMIN, NOON_MS};
use crate::{KeyRole, NewClient, NewSigningKey, NewToken, Rotation, Store, StoreError, pepper};

fn new_client(store: &Store, name: &str) -> NewClient {
    let pepper = &store.peppers().current;
    NewClient {
        name: name.to_owned(),
        consumer: None,
        secret_hash: pepper::hash(pepper, name),
        pepper_id: pepper.id,
        grants: vec![Grant::ClientCredentials],
        scopes: vec!["orders:read".to_owned()],
        redirects: vec![],
        public: false,
    }
}

fn new_token(client_id: i64, expires_ms: i64) -> NewToken {
    NewToken { client_id, user_and_family: None, scopes: Vec::new(), audience: "https://a.test".to_owned(), expires_ms }
}

async fn live(store: &Store) -> Vec<i64> {
    store.tokens_list(None, 100).await.unwrap().into_iter().map(|token| token.number).collect()
}

pub(super) async fn clients_come_and_go_with_their_consumers(store: &Store, _: &Clock) {
    let (shop, consumer) = store.clients_create(&ADMIN, new_client(store, "shop")).await.unwrap();
    assert_eq!((consumer.name.as_str(), consumer.id), ("shop", shop.consumer_id));
    let other = NewClient { consumer: Some("shop".to_owned()), ..new_client(store, "app") };
    let (app, same) = store.clients_create(&ADMIN, other).await.unwrap();
    assert_eq!(same, consumer, "a consumer that is there is taken");
    let mistyped = NewClient { consumer: Some("shpo".to_owned()), ..new_client(store, "third") };
    let error = store.clients_create(&ADMIN, mistyped).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no consumer `shpo`", "a named one is not made by a mistake");
    assert_eq!(store.clients_list().await.unwrap(), [app.clone(), shop.clone()]);
    let error = store.clients_create(&ADMIN, new_client(store, "shop")).await.unwrap_err();
    assert!(error.to_string().starts_with("the client `shop` exists already"), "{error}");

    let renewed = store.clients_set_secret(&ADMIN, "shop", [7; 32], shop.pepper_id).await.unwrap();
    assert_eq!(store.clients_get("shop").await.unwrap(), renewed);
    store.clients_remove(&ADMIN, "app").await.unwrap();
    let removed = store.consumers_remove(&ADMIN, "shop").await.unwrap();
    assert_eq!(removed.clients, ["shop"]);
    assert_eq!(removed.cuts.iter().map(|cut| cut.of).collect::<Vec<_>>(), [TokensOf::Client(shop.id)]);
    assert!(matches!(store.clients_get("shop").await, Err(StoreError::NotFound { .. })));
}

pub(super) async fn clients_that_can_not_be_kept(store: &Store, _: &Clock) {
    let check = async |change: fn(&mut NewClient), expect: &str| {
        let mut new = new_client(store, "shop");
        change(&mut new);
        let error = store.clients_create(&ADMIN, new).await.unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    check(|new| new.name = "a b".to_owned(), "client name `a b`").await;
    check(|new| new.grants.clear(), "client_credentials").await;
    check(|new| new.scopes = vec!["a\"b".to_owned()], "scope").await;
    check(|new| new.scopes = vec!["a".to_owned(); 65], "up to 64").await;
    let back = || "https://app.example.com/back".to_owned();
    check(|new| new.grants = vec![Grant::AuthorizationCode], "at least one redirect").await;
    check(|new| new.redirects = vec!["https://app.example.com/back".to_owned()], "only a client with the grant").await;
    check(|new| new.grants.push(Grant::RefreshToken), "goes together with authorization_code").await;
    check(|new| new.public = true, "needs a secret").await;
    for (redirects, expect) in [
        (vec![back(); bounds::REDIRECTS_MAX + 1], "up to 16"),
        (vec![back(), "http://app.example.com/back".to_owned()], "write https://"),
    ] {
        let grants = vec![Grant::AuthorizationCode];
        let new = NewClient { grants, redirects, ..new_client(store, "shop") };
        let error = store.clients_create(&ADMIN, new).await.unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }
    assert!(store.consumers_list().await.unwrap().is_empty(), "nothing half done");
}

pub(super) async fn a_revocation_is_a_number(store: &Store, clock: &Clock) {
    let (shop, _) = store.clients_create(&ADMIN, new_client(store, "shop")).await.unwrap();
    let (app, _) = store.clients_create(&ADMIN, new_client(store, "app")).await.unwrap();
    let expires_ms = NOON_MS + 600_000;
    for client in [&shop, &shop, &app, &shop] {
        store.tokens_issue(new_token(client.id, expires_ms)).await.unwrap();
    }
    assert_eq!(live(store).await, [4, 3, 2, 1]);
    let cut = store.tokens_revoke(&ADMIN, TokensOf::Token(2), "shop").await.unwrap();
    assert_eq!((cut.up_to, live(store).await), (2, vec![4, 3, 1]));
    let cut = store.tokens_revoke(&ADMIN, TokensOf::Client(shop.id), "shop").await.unwrap();
    assert_eq!((cut.up_to, live(store).await), (4, vec![3]));
    store.tokens_issue(new_token(shop.id, expires_ms)).await.unwrap();
    assert_eq!(live(store).await, [5, 3], "a later one is alive");
    assert_eq!(store.tokens_list(Some(app.id), 100).await.unwrap().len(), 1);
    assert_eq!(store.cuts_all().await.unwrap().len(), 2);

    clock.advance_ms(600_000);
    assert_eq!(live(store).await, [0; 0]);
    assert_eq!(store.cuts_all().await.unwrap().len(), 2, "the clock may jump back");
    clock.advance_ms(24 * 3_600_000);
    assert!(store.cuts_all().await.unwrap().is_empty(), "a cut is kept as long as it can reach a token");
    store.clients_remove(&ADMIN, "shop").await.unwrap();
    let (again, _) = store.clients_create(&ADMIN, new_client(store, "shop")).await.unwrap();
    assert_eq!(again.tokens_after, 5, "older tokens of this name are not its own");
    let error = store.tokens_issue(new_token(shop.id, expires_ms)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("there is no client `{}`", shop.id));
}

fn new_signing_key(id: &str) -> NewSigningKey {
    let (algorithm, private_key) = ("ES256".to_owned(), Secret::new(format!("private {id}")));
    NewSigningKey { id: id.to_owned(), algorithm, public_key: vec![4; 65], private_key }
}

pub(super) async fn signing_keys_move_on_one_by_one(store: &Store, clock: &Clock) {
    let check = async |id: &str, how: Rotation, expect: &[(&str, KeyRole)]| {
        let (mut keys, cuts) = store.signing_keys_rotate(&ADMIN, new_signing_key(id), how).await.unwrap();
        keys.sort_by_key(|key| (key.role.name(), key.id.clone()));
        let got: Vec<_> = keys.iter().map(|key| (key.id.as_str(), key.role)).collect();
        assert_eq!(got, expect);
        let private = |key: &crate::SigningKey| key.private_key.expose() == format!("private {}", key.id);
        assert!(keys.iter().all(|key| private(key) == (key.role != KeyRole::Previous)));
        cuts.len()
    };
    use KeyRole::{Current, Next, Previous};
    let (shop, _) = store.clients_create(&ADMIN, new_client(store, "shop")).await.unwrap();
    let token = store.tokens_issue(new_token(shop.id, clock.unix_ms() + 599_000)).await.unwrap();
    check("a", Rotation::Step, &[("a", Current)]).await;
    check("b", Rotation::Step, &[("a", Current), ("b", Next)]).await;
    check("c", Rotation::Step, &[("b", Current), ("c", Next), ("a", Previous)]).await;
    check("d", Rotation::Step, &[("c", Current), ("d", Next), ("a", Previous), ("b", Previous)]).await;
    check("e", Rotation::Replace, &[("e", Current), ("a", Previous), ("b", Previous), ("c", Previous)]).await;
    clock.advance_ms(598_000);
    assert_eq!(live(store).await, [token.number]);
    let cuts =
        check("f", Rotation::Step, &[("e", Current), ("f", Next), ("a", Previous), ("b", Previous), ("c", Previous)]);
    assert_eq!(cuts.await, 0);
    let cuts = check("g", Rotation::AtOnce, &[("g", Current)]).await;
    assert_eq!((cuts, live(store).await), (1, vec![]), "every token is revoked, whoever verified it before");
    check("h", Rotation::Step, &[("g", Current), ("h", Next)]).await;
    check("i", Rotation::Step, &[("h", Current), ("i", Next), ("g", Previous)]).await;
    clock.advance_ms(600_000);
    check("j", Rotation::Step, &[("i", Current), ("j", Next), ("h", Previous)]).await;
    check("k", Rotation::AtOnce, &[("k", Current)]).await;
    let mut files: Vec<_> = std::fs::read_dir(store.folder().join("secrets")).unwrap().collect();
    files.retain(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("signing-"));
    assert_eq!(files.len(), 1, "the files of keys that were given up are gone");
    let text = format!("{:?}", store.signing_keys().await.unwrap());
    assert!(!text.contains("private k"), "{text}");
}
