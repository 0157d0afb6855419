//! Backup and restore.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use callgate_model::{Clock, Secret};

use crate::conformance::{ADMIN, NOON_MS, embedded, new_key};
use crate::{Actor, AuditFilter, AuditVerdict, CallsDb, NewSession, NewSigningKey, Rotation, Store, StoreError};

async fn restore(from: &Path, to: &Path) -> Result<(), StoreError> {
    Store::restore(&Actor::Local, from, to, Clock::manual(NOON_MS)).await.map(drop)
}

async fn refuses(from: &Path, to: &Path, expect: &str) {
    let error = restore(from, to).await.unwrap_err();
    assert!(error.to_string().contains(expect), "{error}");
}

/// A backup of a store with one consumer and one key, made in a temporary folder as `backup`.
async fn backed_up() -> (tempfile::TempDir, Store) {
    let (folder, store, _) = embedded().await;
    let ann = store.consumers_create(&ADMIN, "ann", Some("gold")).await.unwrap();
    store.keys_insert(&ADMIN, new_key(&store, ann.id, "k1")).await.unwrap();
    let calls = CallsDb::open(store.folder(), 1 << 20).await.unwrap();
    store.backup(&ADMIN, &folder.path().join("backup")).await.unwrap();
    calls.close().await;
    (folder, store)
}

#[tokio::test]
async fn what_was_backed_up_comes_back() {
    let (folder, store) = backed_up().await;
    let (backup, target) = (folder.path().join("backup"), folder.path().join("restored"));
    let mut names: Vec<_> = fs::read_dir(&backup).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["callgate.db", "calls.db", "manifest.json", "secrets"]);
    for name in ["callgate.db", "calls.db", "manifest.json", "secrets/pepper-1"] {
        assert_eq!(fs::metadata(backup.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    store.consumers_create(&ADMIN, "later", None).await.unwrap();

    restore(&backup, &target).await.unwrap();
    let restored = Store::open(&target, Clock::manual(NOON_MS)).await.unwrap();
    let consumers = restored.consumers_list().await.unwrap();
    assert_eq!(consumers.iter().map(|consumer| consumer.name.as_str()).collect::<Vec<_>>(), ["ann"]);
    assert_eq!(restored.keys_list(None).await.unwrap(), store.keys_list(None).await.unwrap());
    assert_eq!(new_key(&restored, 1, "k1").hash, new_key(&store, 1, "k1").hash, "the pepper came along");
    CallsDb::open(&target, 1 << 20).await.unwrap();
    let acts: Vec<String> =
        restored.audit_list(&AuditFilter::default()).await.unwrap().into_iter().map(|entry| entry.act).collect();
    assert_eq!(acts, ["restore", "backup", "key.create", "consumer.create"]);
    assert!(matches!(restored.audit_verify().await.unwrap(), AuditVerdict::Intact { entries: 4, .. }));
}

#[tokio::test]
async fn signing_keys_do_not_come_back() {
    let (folder, store, _) = embedded().await;
    let new = NewSigningKey {
        id: "k-1_x".to_owned(),
        algorithm: "ES256".to_owned(),
        public_key: vec![4; 65],
        private_key: Secret::new("private"),
    };
    store.signing_keys_rotate(&ADMIN, new, Rotation::Step).await.unwrap();
    let (backup, target) = (folder.path().join("backup"), folder.path().join("restored"));
    store.backup(&ADMIN, &backup).await.unwrap();
    restore(&backup, &target).await.unwrap();
    let restored = Store::open(&target, Clock::manual(NOON_MS)).await.unwrap();
    assert!(restored.signing_keys().await.unwrap().is_empty());
    assert!(!target.join("secrets/signing-k-1_x").exists());
}

/// What a backup knows of them was true once: since then somebody may have signed out, or a family have been revoked.
#[tokio::test]
async fn nobody_is_signed_in_after_a_restore() {
    let (folder, store, _) = embedded().await;
    let alice = store.users_create(&ADMIN, "alice", Secret::new("$argon2id$…")).await.unwrap();
    let (address, agent) = ("192.0.2.1".to_owned(), String::new());
    let new = NewSession { hash: [7; 32], user_id: alice.id, address, agent };
    store.sessions_begin(new, vec![]).await.unwrap();
    let (backup, target) = (folder.path().join("backup"), folder.path().join("restored"));
    store.backup(&ADMIN, &backup).await.unwrap();
    restore(&backup, &target).await.unwrap();
    let restored = Store::open(&target, Clock::manual(NOON_MS)).await.unwrap();
    assert_eq!(restored.users_get("alice").await.unwrap(), alice);
    assert!(restored.sessions_of("alice").await.unwrap().is_empty());
    assert_eq!(store.sessions_of("alice").await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_backup_is_sound_while_the_store_is_busy() {
    let (folder, store, _) = embedded().await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..300 {
        let store = store.clone();
        writing.spawn(async move { store.consumers_create(&ADMIN, &format!("c{number}"), None).await.unwrap() });
    }
    let backup = folder.path().join("backup");
    store.backup(&ADMIN, &backup).await.unwrap();
    writing.join_all().await;
    restore(&backup, &folder.path().join("restored")).await.unwrap();
    let restored = Store::open(&folder.path().join("restored"), Clock::manual(NOON_MS)).await.unwrap();
    let verdict = restored.audit_verify().await.unwrap();
    let acts = restored.consumers_list().await.unwrap().len() as u64 + 2;
    assert!(matches!(verdict, AuditVerdict::Intact { entries, .. } if entries == acts), "{verdict:?}, {acts} acts");
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let (folder, store) = backed_up().await;
    let backup = folder.path().join("backup");
    let error = store.backup(&ADMIN, &backup).await.unwrap_err();
    assert!(error.to_string().contains("is not empty (`callgate.db`): a backup goes into a folder"), "{error}");
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(target.join("mine"), "").unwrap();
    refuses(&backup, &target, "is not empty (`mine`)").await;
    refuses(&backup, store.folder(), &format!("is held by process {}", std::process::id())).await;
    assert!(target.join("mine").exists());
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused() {
    let (folder, _store) = backed_up().await;
    let backup = folder.path().join("backup");
    let target = |name: &str| folder.path().join(name);
    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    refuses(folder.path(), &target("a"), "is no whole backup: it has no `manifest.json`").await;

    let write = |text: &str| fs::write(backup.join("manifest.json"), text).unwrap();
    write(&manifest.replace("secrets/pepper-1", "secrets/../../etc/passwd"));
    refuses(&backup, &target("b"), "is in the manifest but no part of a backup").await;
    write(&manifest.replace("secrets/pepper-1", "elsewhere/pepper-1"));
    refuses(&backup, &target("b"), "is in the manifest but no part of a backup").await;
    write(&manifest.replace("secrets/pepper-1", "/etc/passwd"));
    refuses(&backup, &target("b"), "is in the manifest but no part of a backup").await;
    write(&manifest.replace("\"format\": 1", "\"format\": 2"));
    refuses(&backup, &target("b"), "has format 2").await;
    write(&manifest.replace("\"schema\": 1", "\"schema\": 7"));
    refuses(&backup, &target("b"), "has schema version 7").await;
    write("{");
    refuses(&backup, &target("b"), "is no manifest of a backup").await;
    assert!(!target("b").exists(), "nothing was made for a backup that can't be restored");

    write(&manifest);
    fs::write(backup.join("secrets/pepper-1"), "x").unwrap();
    refuses(&backup, &target("c"), "is not what the manifest says").await;
    let error = Store::open(&target("c"), Clock::manual(NOON_MS)).await.unwrap_err();
    assert!(error.to_string().contains("holds half of a restore"), "{error}");
}
