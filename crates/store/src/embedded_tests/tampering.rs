//! Somebody edits the audit log behind the store's back.

use super::{raw, run};
use crate::AuditVerdict;
use crate::conformance::{ADMIN, embedded};

/// Writes five entries, lets the SQL loose on them, and compares the verdict.
async fn check(sql: &'static str, expect_seq: i64, expect_why: &str) {
    let (_folder, store, _) = embedded().await;
    for name in ["a", "b", "c", "d", "e"] {
        store.consumers_create(&ADMIN, name, None).await.unwrap();
    }
    let mut connection = raw(store.folder()).await;
    run(&mut connection, "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_removed;").await;
    run(&mut connection, sql).await;
    let verdict = store.audit_verify().await.unwrap();
    let AuditVerdict::Broken { seq, why } = verdict else { panic!("{sql}: {verdict:?}") };
    assert_eq!((seq, why.as_str()), (expect_seq, expect_why), "{sql}");
}

#[tokio::test]
async fn an_edited_entry_is_named() {
    let why = "the entry is not as it was written";
    check("UPDATE audit SET actor = 'uid:0' WHERE seq = 3", 3, why).await;
    check("UPDATE audit SET detail = '{}' WHERE seq = 1", 1, why).await;
    check("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 5", 5, why).await;
    check("UPDATE audit SET hash = zeroblob(32) WHERE seq = 2", 2, why).await;
    // Moving text from one field to its neighbour keeps the sum of the characters, not the hash.
    check("UPDATE audit SET act = 'consumer', subject = '.createb' WHERE seq = 2", 2, why).await;
}

#[tokio::test]
async fn a_missing_entry_is_named() {
    check("DELETE FROM audit WHERE seq = 1", 1, "the entry is missing: the next one there is 2").await;
    check("DELETE FROM audit WHERE seq = 3", 3, "the entry is missing: the next one there is 4").await;
    let renumbered = "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5";
    check(renumbered, 3, "the entry does not follow the one before it").await;
}

#[tokio::test]
async fn a_cut_tail_is_named() {
    check("DELETE FROM audit WHERE seq > 3", 4, "entries 4 to 5 are missing").await;
    check("DELETE FROM audit", 1, "entries 1 to 5 are missing").await;
    check("DELETE FROM meta", 5, "the noted head is entry 0, not this one").await;
}

#[tokio::test]
async fn the_triggers_stop_a_mistake() {
    let (_folder, store, _) = embedded().await;
    store.consumers_create(&ADMIN, "a", None).await.unwrap();
    let mut connection = raw(store.folder()).await;
    for sql in ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"] {
        let error = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn a_long_chain_is_walked_in_pages() {
    let (_folder, store, _) = embedded().await;
    let mut creating = tokio::task::JoinSet::new();
    for number in 0..2500 {
        let store = store.clone();
        creating.spawn(async move { store.consumers_create(&ADMIN, &format!("c{number}"), None).await.unwrap() });
    }
    creating.join_all().await;
    let verdict = store.audit_verify().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Intact { entries: 2500, .. }), "{verdict:?}");
}
