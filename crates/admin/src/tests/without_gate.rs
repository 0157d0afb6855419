//! The same acts with no gate running.

use callgate_model::Clock;
use callgate_store::Store;

use super::house::{House, NOW_MS};
use crate::views::{AuditQuery, KeyCreate};
use crate::{AdminCode, Door, NoGate};

#[tokio::test]
async fn an_act_without_a_gate_is_there_when_the_gate_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let clock = Clock::manual(NOW_MS);
    let door = Door::open(&data_dir, clock.clone(), "cg", NoGate::default()).await.unwrap();
    assert_eq!(door.notice().unwrap(), format!("no gate is running: done in `{}` directly", data_dir.display()));
    door.consumers_create("acme", None).await.unwrap();
    let made = door.keys_create(&KeyCreate { consumer: "acme".to_owned(), ..KeyCreate::default() }).await.unwrap();
    assert!(!door.status().await.unwrap().running);
    let error = door.reload().await.unwrap_err();
    assert_eq!(error.code, AdminCode::NotRunning, "{error}");
    assert!(door.audit_list(&AuditQuery::default()).await.unwrap().entries[0].actor.starts_with("uid:"));
    door.close().await;

    let store = Store::open(&data_dir, clock.clone()).await.unwrap();
    let registry = callgate_identity::Registry::open(store, clock, "cg").await.unwrap();
    assert_eq!(registry.table().verify(&made.key.0, NOW_MS).unwrap().id, made.record.id);
}

/// The gate ends; the next command finds no gate, and takes the folder.
#[tokio::test]
async fn after_a_clean_stop_the_folder_is_free() {
    let house = House::new().await;
    house.door().await.consumers_create("acme", None).await.unwrap();
    let (folder, clock) = house.stop().await;
    let data_dir = folder.path().join("data");
    assert!(!data_dir.join("admin/sock").exists());
    let door = Door::open(&data_dir, clock, "cg", NoGate::default()).await.unwrap();
    assert!(matches!(door, Door::Store(_)));
    assert_eq!(door.consumers_list().await.unwrap().consumers.len(), 1);
    door.close().await;
}

#[tokio::test]
async fn a_folder_held_by_a_process_that_does_not_answer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let _held = Store::open(folder.path(), clock.clone()).await.unwrap();
    let error = Door::open(folder.path(), clock, "cg", NoGate::default()).await.unwrap_err();
    assert_eq!(error.code, AdminCode::StoreUnavailable);
    assert!(error.detail.contains(&format!("process {}", std::process::id())), "{error}");
}
