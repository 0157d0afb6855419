//! Consumers, keys, admin tokens.

use std::time::Duration;

use callgate_model::Clock;

use super::{ADMIN, NOON_MS, key_id, new_key};
use crate::{NewKey, Role, Store, StoreError};

pub(super) async fn consumers_come_and_go(store: &Store, clock: &Clock) {
    let bob = store.consumers_create(&ADMIN, "bob", None).await.unwrap();
    clock.advance_ms(5);
    let ann = store.consumers_create(&ADMIN, "ann", Some("free")).await.unwrap();
    assert_eq!((ann.created_ms, ann.plan.as_deref()), (NOON_MS + 5, Some("free")));
    assert_eq!(store.consumers_list().await.unwrap(), [ann.clone(), bob.clone()]);
    assert_eq!(store.consumers_set_plan(&ADMIN, "bob", Some("gold")).await.unwrap().plan.as_deref(), Some("gold"));
    assert_eq!(store.consumers_get("bob").await.unwrap().plan.as_deref(), Some("gold"));
    assert_eq!(store.consumers_set_plan(&ADMIN, "bob", None).await.unwrap().plan, None);

    store.keys_insert(&ADMIN, new_key(store, ann.id, "a1")).await.unwrap();
    store.keys_insert(&ADMIN, new_key(store, ann.id, "a2")).await.unwrap();
    store.keys_insert(&ADMIN, new_key(store, bob.id, "b1")).await.unwrap();
    store.keys_rotate(&ADMIN, key_id("a1"), new_key(store, ann.id, "a3"), Duration::ZERO).await.unwrap();
    let removed = store.consumers_remove(&ADMIN, "ann").await.unwrap();
    assert_eq!(removed.key_ids, [key_id("a1"), key_id("a2"), key_id("a3")]);
    assert_eq!(store.keys_list(None).await.unwrap().len(), 1, "bob's key stays");
    let again = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    assert!(again.id > ann.id, "a number is never given twice");
}

pub(super) async fn names_are_checked_and_unique(store: &Store, _: &Clock) {
    store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    let check = async |name: &str, expect: &str| {
        let error = store.consumers_create(&ADMIN, name, None).await.unwrap_err();
        assert!(error.to_string().starts_with(expect), "{name}: {error}");
    };
    check("ann", "the consumer `ann` exists already").await;
    check("", "consumer name ``: write 1 to 64").await;
    check("-x", "consumer name `-x`: write 1 to 64").await;
    check("a b", "consumer name `a b`: write 1 to 64").await;
    let error = store.consumers_set_plan(&ADMIN, "nobody", None).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no consumer `nobody`");
    let error = store.consumers_create(&ADMIN, "bob", Some("a/b")).await.unwrap_err();
    assert!(error.to_string().starts_with("plan `a/b`"), "{error}");
}

pub(super) async fn a_key_is_kept_as_given(store: &Store, _: &Clock) {
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    let new = NewKey {
        label: Some("laptop".to_owned()),
        imported: true,
        scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        apis: vec!["bookshop".to_owned()],
        ips: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        not_before_ms: Some(NOON_MS),
        expires_ms: Some(NOON_MS + 1),
        ..new_key(store, ann.id, "k1")
    };
    let key = store.keys_insert(&ADMIN, new.clone()).await.unwrap();
    assert_eq!(store.keys_get(key.id).await.unwrap(), key);
    assert_eq!(store.keys_list(None).await.unwrap(), std::slice::from_ref(&key));
    assert_eq!(store.keys_list(Some(ann.id + 1)).await.unwrap(), []);
    let kept = (key.label, key.imported, key.scopes, key.apis, key.ips, key.not_before_ms, key.expires_ms);
    assert_eq!(kept, (new.label, new.imported, new.scopes, new.apis, new.ips, new.not_before_ms, new.expires_ms));
    assert_eq!((key.hash, key.pepper_id), (new.hash, new.pepper_id));
    assert_eq!((key.created_ms, key.revoked_ms, key.last_used_ms, key.successor), (NOON_MS, None, None, None));
}

pub(super) async fn keys_that_can_not_be_kept(store: &Store, _: &Clock) {
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    let good = new_key(store, ann.id, "k1");
    store.keys_insert(&ADMIN, good.clone()).await.unwrap();
    let check = async |new: NewKey, expect: &str| {
        let error = store.keys_insert(&ADMIN, new).await.unwrap_err();
        assert!(error.to_string().starts_with(expect), "{error}");
    };
    let other = || new_key(store, ann.id, "k2");
    check(NewKey { hash: [7; 32], ..good.clone() }, "the key `000000k1` exists already").await;
    check(NewKey { hash: good.hash, ..other() }, "the key `000000k2` is in this store already").await;
    check(NewKey { consumer_id: 99, ..other() }, "there is no consumer `99`").await;
    check(NewKey { scopes: vec!["a b".to_owned()], ..other() }, "scope `a b`").await;
    check(NewKey { apis: vec!["/".to_owned()], ..other() }, "api `/`").await;
    check(NewKey { label: Some("a\nb".to_owned()), ..other() }, "label").await;
    check(NewKey { pepper_id: 9, ..other() }, "pepper `9`").await;
    check(NewKey { not_before_ms: Some(2), expires_ms: Some(2), ..other() }, "expiry `2`").await;
    check(NewKey { scopes: vec!["s".to_owned(); 257], ..other() }, "scopes `257`").await;
    assert_eq!(store.keys_list(None).await.unwrap().len(), 1);
}

pub(super) async fn revoking_twice_answers_the_first_time(store: &Store, clock: &Clock) {
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    let key = store.keys_insert(&ADMIN, new_key(store, ann.id, "k1")).await.unwrap();
    let first = store.keys_revoke(&ADMIN, key.id).await.unwrap();
    clock.advance_ms(1000);
    let second = store.keys_revoke(&ADMIN, key.id).await.unwrap();
    assert_eq!((first.revoked_ms, second.revoked_ms), (Some(NOON_MS), Some(NOON_MS)));
    assert_eq!(store.keys_get(key.id).await.unwrap(), first);
    let error = store.keys_revoke(&ADMIN, key_id("none")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { what: "key", .. }), "{error}");
}

pub(super) async fn rotation_overlaps_and_names_the_successor(store: &Store, clock: &Clock) {
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    let bob = store.consumers_create(&ADMIN, "bob", None).await.unwrap();
    let day = Duration::from_secs(86_400);
    store.keys_insert(&ADMIN, new_key(store, ann.id, "k1")).await.unwrap();
    clock.advance_ms(10);
    let new = store.keys_rotate(&ADMIN, key_id("k1"), new_key(store, ann.id, "k2"), day).await.unwrap();
    let old = store.keys_get(key_id("k1")).await.unwrap();
    assert_eq!((old.expires_ms, old.successor), (Some(NOON_MS + 10 + 86_400_000), Some(new.id)));

    let soon = NewKey { expires_ms: Some(NOON_MS + 500), ..new_key(store, ann.id, "k3") };
    store.keys_insert(&ADMIN, soon).await.unwrap();
    store.keys_rotate(&ADMIN, key_id("k3"), new_key(store, ann.id, "k4"), day).await.unwrap();
    let old = store.keys_get(key_id("k3")).await.unwrap();
    assert_eq!(old.expires_ms, Some(NOON_MS + 500), "an overlap never makes a key live longer");

    store.keys_revoke(&ADMIN, key_id("k4")).await.unwrap();
    let check = async |old: &str, new: NewKey, expect: &str| {
        let error = store.keys_rotate(&ADMIN, key_id(old), new, day).await.unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    check("k1", new_key(store, ann.id, "k5"), "rotate its successor `000000k2`").await;
    check("k4", new_key(store, ann.id, "k5"), "`000000k4` is revoked").await;
    check("k2", new_key(store, bob.id, "k5"), "belongs to another consumer").await;
    check("k9", new_key(store, ann.id, "k5"), "there is no key `000000k9`").await;
    check("k2", NewKey { hash: [7; 32], ..new_key(store, ann.id, "k1") }, "`000000k1` exists already").await;
    assert_eq!(store.keys_get(key_id("k2")).await.unwrap().successor, None, "a refused rotation changes nothing");
}

pub(super) async fn touching_only_moves_forward(store: &Store, _: &Clock) {
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    store.keys_insert(&ADMIN, new_key(store, ann.id, "k1")).await.unwrap();
    store.keys_touch(vec![(key_id("k1"), NOON_MS), (key_id("none"), 1)]).await.unwrap();
    store.keys_touch(vec![(key_id("k1"), NOON_MS - 1)]).await.unwrap();
    assert_eq!(store.keys_get(key_id("k1")).await.unwrap().last_used_ms, Some(NOON_MS));
}

pub(super) async fn admin_tokens_are_verified_by_their_text(store: &Store, _: &Clock) {
    let made = store.admin_tokens_create(&ADMIN, "ci", Role::Read).await.unwrap();
    let text = made.text.expose().to_owned();
    assert_eq!(store.admin_tokens_verify(&text).await.unwrap(), Some(made.token.clone()));
    assert_eq!(store.admin_tokens_list().await.unwrap(), [made.token]);
    for wrong in
        ["", "cga_", text.trim_end_matches(char::is_alphanumeric), &format!("{text}0"), &text.replace("cga_", "cgb_")]
    {
        assert_eq!(store.admin_tokens_verify(wrong).await.unwrap(), None, "{wrong}");
    }
    let error = store.admin_tokens_create(&ADMIN, "ci", Role::Write).await.unwrap_err();
    assert!(error.to_string().starts_with("the admin token `ci` exists already"), "{error}");
    store.admin_tokens_remove(&ADMIN, "ci").await.unwrap();
    assert_eq!(store.admin_tokens_verify(&text).await.unwrap(), None, "a removed token opens nothing");
    let again = store.admin_tokens_create(&ADMIN, "ci", Role::Write).await.unwrap();
    assert_eq!(again.token.role, Role::Write);
    let error = store.admin_tokens_remove(&ADMIN, "nobody").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no admin token `nobody`");
}
