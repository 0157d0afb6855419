//! Opening: whose folder it is, who holds it, what lies in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use callgate_model::Clock;
use sqlx::Connection;

use super::{raw, run};
use crate::conformance::{ADMIN, NOON_MS, embedded, new_key};
use crate::{Store, StoreError};

async fn open(folder: &Path) -> Result<Store, StoreError> {
    Store::open(folder, Clock::manual(NOON_MS)).await
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Changes the database of a store that is closed.
async fn edit(folder: &Path, sql: &'static str) {
    let mut connection = raw(folder).await;
    run(&mut connection, sql).await;
    connection.close().await.unwrap();
}

/// Opens a folder that must not open.
async fn check(folder: &Path, expect: &str) -> StoreError {
    let error = open(folder).await.unwrap_err();
    assert!(error.to_string().contains(expect), "{error}");
    error
}

#[tokio::test]
async fn everything_is_for_its_owner_alone() {
    let (_folder, store, _) = embedded().await;
    let data = store.folder();
    let calls = crate::CallsDb::open(data, 1 << 20).await.unwrap();
    calls.find_calls(crate::CallFilter::default()).await.unwrap();
    store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    assert_eq!((mode(data), mode(&data.join("secrets"))), (0o700, 0o700));
    for name in ["callgate.db", "callgate.db-wal", "calls.db", "lock", "secrets/pepper-1"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_second_process_hears_who_holds_the_folder() {
    let (_folder, store, _) = embedded().await;
    let error =
        check(store.folder(), &format!("is held by process {}: stop it, or talk to it", std::process::id())).await;
    assert!(matches!(error, StoreError::Held { pid: Some(_), .. }));
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_drop_and_after_a_close() {
    let (_folder, store, _) = embedded().await;
    let data = store.folder().to_owned();
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    let key = store.keys_insert(&ADMIN, new_key(&store, ann.id, "k1")).await.unwrap();
    drop(store);
    let store = open(&data).await.unwrap();
    assert_eq!(store.keys_list(None).await.unwrap(), [key]);
    assert_eq!(
        new_key(&store, ann.id, "k1").hash,
        store.keys_list(None).await.unwrap()[0].hash,
        "the pepper is the same"
    );
    let other = store.clone();
    store.close().await;
    assert!(matches!(other.consumers_list().await, Err(StoreError::Closed)));
    assert!(matches!(other.consumers_create(&ADMIN, "bob", None).await, Err(StoreError::Closed)));
    assert!(!data.join("callgate.db-wal").exists(), "a clean end leaves one file");
    assert_eq!(open(&data).await.unwrap().consumers_list().await.unwrap(), [ann]);
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash() {
    let (outer, store, _) = embedded().await;
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    store.keys_insert(&ADMIN, new_key(&store, ann.id, "k1")).await.unwrap();
    // What lies on the disk at this moment is what a killed process leaves behind: nothing was closed.
    let crashed = outer.path().join("crashed");
    crate::file::create_folder(&crashed.join("secrets")).unwrap();
    for name in ["callgate.db", "callgate.db-wal", "secrets/pepper-1"] {
        fs::copy(store.folder().join(name), crashed.join(name)).unwrap();
    }
    let found = open(&crashed).await.unwrap();
    assert_eq!(found.keys_list(None).await.unwrap(), store.keys_list(None).await.unwrap());
    let verdict = found.audit_verify().await.unwrap();
    assert!(matches!(verdict, crate::AuditVerdict::Intact { entries: 2, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let (_folder, store, _) = embedded().await;
    let data = store.folder().to_owned();
    store.close().await;
    edit(&data, "PRAGMA user_version = 99").await;
    let before = fs::read(data.join("callgate.db")).unwrap();
    let version = crate::database::MAIN.version();
    let expect = format!("has schema version 99, and this program knows versions up to {version}: run the newer");
    let error = check(&data, &expect).await;
    assert!(matches!(error, StoreError::NewerSchema { found: 99, known, .. } if known == version));
    assert!(fs::read(data.join("callgate.db")).unwrap() == before, "nothing was written");
}

#[tokio::test]
async fn files_that_are_no_store() {
    let folder = tempfile::tempdir().unwrap();
    edit(folder.path(), "CREATE TABLE notes (text)").await;
    let before = fs::read(folder.path().join("callgate.db")).unwrap();
    check(folder.path(), "is a database of another program").await;
    assert!(fs::read(folder.path().join("callgate.db")).unwrap() == before, "nothing was written");

    fs::write(
        folder.path().join("callgate.db"),
        "not a database, but longer than its header is, by some bytes".repeat(9),
    )
    .unwrap();
    let error = check(folder.path(), "is damaged: restore a backup").await;
    assert!(matches!(error, StoreError::Damaged { .. }));

    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = check(&file.join("data"), "could not create `").await;
    assert!(error.to_string().contains("(os error "), "the system's words belong to it: {error}");
}

#[tokio::test]
async fn an_open_folder_is_closed_unless_it_is_somebody_elses() {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    fs::write(folder.path().join("thesis.tex"), "").unwrap();
    check(folder.path(), "holds other files (`thesis.tex`): give the data a folder of its own").await;
    assert_eq!(mode(folder.path()), 0o755, "and nothing was changed");

    fs::remove_file(folder.path().join("thesis.tex")).unwrap();
    open(folder.path()).await.unwrap().close().await;
    assert_eq!(mode(folder.path()), 0o700);

    set_mode(folder.path(), 0o755);
    open(folder.path()).await.unwrap();
    assert_eq!(mode(folder.path()), 0o700, "ours is closed again");
}

#[tokio::test]
async fn a_pepper_is_never_replaced_in_silence() {
    let (_folder, store, _) = embedded().await;
    let data = store.folder().to_owned();
    let pepper = data.join("secrets/pepper-1");
    store.close().await;
    set_mode(&pepper, 0o640);
    check(&data, "can be read by other users (mode 640)").await;

    set_mode(&pepper, 0o600);
    fs::write(&pepper, "short").unwrap();
    check(&data, "does not hold 64 hex digits: restore it from a backup").await;

    fs::remove_file(&pepper).unwrap();
    let store = open(&data).await.unwrap();
    let ann = store.consumers_create(&ADMIN, "ann", None).await.unwrap();
    store.keys_insert(&ADMIN, new_key(&store, ann.id, "k1")).await.unwrap();
    store.close().await;
    fs::remove_file(&pepper).unwrap();
    check(&data, "is missing: restore it from a backup").await;
    assert!(!pepper.exists());
}

#[tokio::test]
async fn the_newest_pepper_is_used_and_older_ones_still_verify() {
    let (_folder, store, _) = embedded().await;
    let data = store.folder().to_owned();
    let made = store.admin_tokens_create(&ADMIN, "old", crate::Role::Read).await.unwrap();
    store.close().await;
    crate::file::write_atomically(&data.join("secrets/pepper-2"), "ab".repeat(32).as_bytes()).unwrap();
    let store = open(&data).await.unwrap();
    assert_eq!((store.peppers().current.id, store.peppers().all.len()), (2, 2));
    assert_eq!(store.admin_tokens_verify(made.text.expose()).await.unwrap(), Some(made.token));
    assert!(!format!("{:?}", store.peppers()).contains("ab"), "a pepper never shows itself");
}

#[tokio::test]
async fn a_lost_database_is_not_a_new_one() {
    let (_folder, store, _) = embedded().await;
    let data = store.folder().to_owned();
    store.close().await;
    let text = std::fs::read(data.join("callgate.db")).unwrap();
    for left in [None, Some(&text[..1]), Some(&text[..0])] {
        for name in ["callgate.db", "callgate.db-wal", "callgate.db-shm"] {
            let _absent = std::fs::remove_file(data.join(name));
        }
        if let Some(left) = left {
            std::fs::write(data.join("callgate.db"), left).unwrap();
        }
        check(&data, "is missing or empty, but secrets of it are here").await;
    }
}
