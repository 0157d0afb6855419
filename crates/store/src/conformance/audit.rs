//! The audit log: an entry for every act and for nothing else.

use std::time::Duration;

use callgate_model::Clock;

use super::{ADMIN, NOON_MS, key_id, new_key};
use crate::{Actor, AuditFilter, AuditVerdict, NewKey, Role, Store};

async fn do_one_of_each(store: &Store, clock: &Clock) {
    let token = Actor::Token("ci".to_owned());
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    store.consumers_set_plan(&token, "ann", Some("gold")).await.unwrap();
    clock.advance_ms(1000);
    store.keys_insert(&token, new_key(store, ann.id, "k1")).await.unwrap();
    store.keys_insert(&ADMIN, NewKey { imported: true, ..new_key(store, ann.id, "k2") }).await.unwrap();
    store.keys_rotate(&ADMIN, key_id("k1"), new_key(store, ann.id, "k3"), Duration::ZERO).await.unwrap();
    store.keys_revoke(&ADMIN, key_id("k2")).await.unwrap();
    store.admin_tokens_create(&Actor::Local, "ci", Role::Write).await.unwrap();
    store.admin_tokens_remove(&Actor::Local, "ci").await.unwrap();
    store.consumers_remove(&ADMIN, "ann").await.unwrap();
}

pub(super) async fn every_act_leaves_one_entry(store: &Store, clock: &Clock) {
    do_one_of_each(store, clock).await;
    let mut lines: Vec<String> = Vec::new();
    for entry in store.audit_list(&AuditFilter::default()).await.unwrap() {
        let after_ms = entry.at_ms - NOON_MS;
        lines.push(format!("{} +{after_ms} {} {} {}", entry.seq, entry.actor, entry.act, entry.subject));
    }
    lines.reverse();
    let expect = [
        "1 +0 uid:1000 consumer.create ann",
        "2 +0 token:ci consumer.plan ann",
        "3 +1000 token:ci key.create 000000k1",
        "4 +1000 uid:1000 key.import 000000k2",
        "5 +1000 uid:1000 key.rotate 000000k1",
        "6 +1000 uid:1000 key.revoke 000000k2",
        "7 +1000 local admin_token.create ci",
        "8 +1000 local admin_token.remove ci",
        "9 +1000 uid:1000 consumer.remove ann",
    ];
    assert_eq!(lines, expect);
    let verdict = store.audit_verify().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Intact { entries: 9, .. }), "{verdict:?}");
}

pub(super) async fn refused_acts_leave_none(store: &Store, _: &Clock) {
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    store.keys_insert(&ADMIN, new_key(store, ann.id, "k1")).await.unwrap();
    store.keys_revoke(&ADMIN, key_id("k1")).await.unwrap();
    store.keys_revoke(&ADMIN, key_id("k1")).await.unwrap();
    store.consumers_create(&ADMIN, "ann", None).await.unwrap_err();
    store.keys_insert(&ADMIN, new_key(store, ann.id, "k1")).await.unwrap_err();
    store.consumers_remove(&ADMIN, "nobody").await.unwrap_err();
    assert_eq!(store.audit_list(&AuditFilter::default()).await.unwrap().len(), 3);
}

pub(super) async fn listings_are_filtered(store: &Store, clock: &Clock) {
    do_one_of_each(store, clock).await;
    let check = async |filter: AuditFilter, expect: &[i64]| {
        let found: Vec<i64> = store.audit_list(&filter).await.unwrap().iter().map(|entry| entry.seq).collect();
        assert_eq!(found, expect, "{filter:?}");
    };
    let none = AuditFilter::default;
    check(AuditFilter { act: Some("key".to_owned()), ..none() }, &[6, 5, 4, 3]).await;
    check(AuditFilter { act: Some("key.revoke".to_owned()), ..none() }, &[6]).await;
    check(AuditFilter { act: Some("ke".to_owned()), ..none() }, &[]).await;
    check(AuditFilter { actor: Some("token:ci".to_owned()), ..none() }, &[3, 2]).await;
    check(AuditFilter { subject: Some("ann".to_owned()), ..none() }, &[9, 2, 1]).await;
    check(AuditFilter { since_ms: Some(NOON_MS + 1000), limit: Some(2), ..none() }, &[9, 8]).await;
    check(AuditFilter { before_seq: Some(3), ..none() }, &[2, 1]).await;
}

pub(super) async fn no_secret_is_written_down(store: &Store, _: &Clock) {
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    let key = store.keys_insert(&ADMIN, new_key(store, ann.id, "k1")).await.unwrap();
    let made = store.admin_tokens_create(&ADMIN, "ci", Role::Read).await.unwrap();
    let log = format!("{:?}", store.audit_list(&AuditFilter::default()).await.unwrap());
    assert!(!log.contains(made.text.expose()) && !log.contains(&crate::hex::write(&key.hash)), "{log}");
    assert!(!format!("{store:?}{made:?}").contains(made.text.expose()));
}
