//! A lock that somebody else keeps, a disk that is full, an act that fails among others.

use std::time::Duration;

use callgate_model::Clock;
use tokio::task::JoinSet;

use super::{raw, run};
use crate::conformance::{ADMIN, NOON_MS, embedded};
use crate::{AuditVerdict, Store, StoreError};

#[tokio::test]
async fn a_lock_is_waited_out() {
    let (_folder, store, _) = embedded().await;
    let mut other = raw(store.folder()).await;
    run(&mut other, "BEGIN IMMEDIATE").await;
    let asked = tokio::spawn({
        let store = store.clone();
        async move { store.consumers_create(&ADMIN, "ann", None).await }
    });
    // More than the pool has, so that some connect anew while the lock is held.
    let mut reading = JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        reading.spawn(async move { store.consumers_list().await.unwrap().len() });
    }
    assert_eq!(reading.join_all().await, [0; 8], "readers don't wait for writers");
    run(&mut other, "COMMIT").await;
    assert_eq!(asked.await.unwrap().unwrap().name, "ann");
}

#[tokio::test]
async fn a_lock_for_too_long_is_its_own_error_and_no_harm_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(50);
    let store = Store::open_patiently(folder.path(), Clock::manual(NOON_MS), patience).await.unwrap();
    let mut other = raw(folder.path()).await;
    run(&mut other, "BEGIN IMMEDIATE").await;
    let error = store.consumers_create(&ADMIN, "ann", None).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error:?}");
    assert!(error.to_string().contains("callgate.db` stayed locked by another process"), "{error}");
    run(&mut other, "COMMIT").await;
    assert_eq!(store.consumers_list().await.unwrap(), []);
    store.consumers_create(&ADMIN, "ann", None).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_undoes_the_act_and_room_lets_it_through() {
    let (_folder, store, _) = embedded().await;
    // SQLite answers a file that may not grow exactly as a disk that can't.
    let limit = |sql: &'static str| {
        let main = store.main.clone();
        async move {
            main.act(move |connection| {
                Box::pin(async move { Ok(sqlx::raw_sql(sql).execute(connection).await.map(drop)?) })
            })
            .await
            .unwrap();
        }
    };
    limit("PRAGMA max_page_count = 1").await;
    let mut created = 0;
    let error = loop {
        match store.consumers_create(&ADMIN, &format!("c{created}"), None).await {
            Ok(_) => created += 1,
            Err(error) => break error,
        }
        assert!(created < 10_000, "the disk never filled up");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("the disk of `"), "{error}");
    assert_eq!(store.consumers_list().await.unwrap().len(), created, "the one that failed is not there");
    let verdict = store.audit_verify().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Intact { entries, .. } if entries == created as u64), "{verdict:?}");
    limit("PRAGMA max_page_count = 100000").await;
    store.consumers_create(&ADMIN, "after", None).await.unwrap();
}

#[tokio::test]
async fn an_act_that_fails_halfway_leaves_nothing_behind() {
    let (_folder, store, _) = embedded().await;
    let halfway = store.main.act(|connection| {
        Box::pin(async move {
            run(connection, "INSERT INTO meta VALUES ('half', 'done')").await;
            Err::<(), _>(StoreError::Closed.into())
        })
    });
    let whole = store.consumers_create(&ADMIN, "ann", None);
    let (halfway, whole) = tokio::join!(halfway, whole);
    halfway.unwrap_err();
    whole.unwrap();
    let mut other = raw(store.folder()).await;
    let rows = sqlx::query("SELECT 1 FROM meta WHERE name = 'half'").fetch_all(&mut other).await.unwrap();
    assert_eq!(rows.len(), 0);
}

#[tokio::test]
async fn acts_that_fail_take_no_others_with_them() {
    let (_folder, store, _) = embedded().await;
    let mut asking = JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        // Every name is asked for twice: one of each pair must be refused, in whatever group they meet.
        asking.spawn(async move { store.consumers_create(&ADMIN, &format!("c{}", number / 2), None).await.is_ok() });
    }
    let created = asking.join_all().await.into_iter().filter(|done| *done).count();
    assert_eq!(created, 100);
    assert_eq!(store.consumers_list().await.unwrap().len(), 100);
    let verdict = store.audit_verify().await.unwrap();
    assert!(matches!(verdict, AuditVerdict::Intact { entries: 100, .. }), "{verdict:?}");
}

#[tokio::test]
async fn an_act_stands_when_whoever_asked_went_away() {
    let (_folder, store, _) = embedded().await;
    let mut other = raw(store.folder()).await;
    run(&mut other, "BEGIN IMMEDIATE").await;
    let asked = tokio::time::timeout(Duration::from_millis(50), store.consumers_create(&ADMIN, "ann", None));
    assert!(asked.await.is_err(), "it was held up");
    run(&mut other, "COMMIT").await;
    // The writer works in order, so the answer to this comes after that.
    store.consumers_create(&ADMIN, "bob", None).await.unwrap();
    assert_eq!(store.consumers_list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_store_outlives_the_runtime_that_opened_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let opened = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Store::open(&path, Clock::manual(NOON_MS))).unwrap()
    });
    let store = tokio::task::spawn_blocking(move || opened.join().unwrap()).await.unwrap();
    store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    assert_eq!(store.consumers_list().await.unwrap().len(), 1);
}
