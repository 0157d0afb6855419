mod people;
mod tokens;

use callgate_store::AuditFilter;
use tempfile::TempDir;

use super::*;

const ACTOR: Actor = Actor::Uid(1000);
const DAY_MS: i64 = 86_400_000;

struct House {
    registry: Registry,
    clock: Clock,
    _folder: TempDir,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(1_000_000_000_000);
    let store = Store::open(&folder.path().join("data"), clock.clone()).await.unwrap();
    let registry = Registry::open(store, clock.clone(), "cg").await.unwrap();
    registry.create_consumer(&ACTOR, "acme", Some("free")).await.unwrap();
    House { registry, clock, _folder: folder }
}

fn for_acme() -> KeyRequest {
    KeyRequest { consumer: "acme".to_owned(), scopes: vec!["orders:read".to_owned()], ..KeyRequest::default() }
}

// === impl House ===

impl House {
    fn check(&self, text: &str, expect: &str) {
        let got = match self.registry.table().verify(text, self.clock.unix_ms()) {
            Ok(entry) => format!("{} {:?} {}", entry.consumer.name, entry.consumer.plan(), entry.grants.scopes_text),
            Err(KeyFault::Garbage) => "garbage".to_owned(),
            Err(KeyFault::Unknown) => "unknown".to_owned(),
            Err(KeyFault::Revoked(_)) => "revoked".to_owned(),
            Err(KeyFault::NotYetValid(_)) => "not yet".to_owned(),
            Err(KeyFault::Expired(_)) => "expired".to_owned(),
        };
        assert_eq!(got, expect);
    }

    async fn reopened(self) -> House {
        let store = self.registry.store().clone();
        let path = store.folder().to_owned();
        store.close().await;
        drop(self.registry);
        let store = Store::open(&path, self.clock.clone()).await.unwrap();
        let registry = Registry::open(store, self.clock.clone(), "cg").await.unwrap();
        House { registry, ..self }
    }
}

#[tokio::test]
async fn a_created_key_works_at_once_and_a_revoked_one_does_not() {
    let house = house().await;
    let (key, text) = house.registry.create_key(&ACTOR, for_acme()).await.unwrap();
    house.check(&text, "acme Some(\"free\") orders:read");
    house.registry.set_plan(&ACTOR, "acme", Some("gold")).await.unwrap();
    house.check(&text, "acme Some(\"gold\") orders:read");
    let revoked = house.registry.revoke_key(&ACTOR, key.id).await.unwrap();
    assert_eq!(revoked.revoked_ms, Some(house.clock.unix_ms()));
    house.check(&text, "revoked");
    let house = house.reopened().await;
    house.check(&text, "revoked");
    let acts: Vec<_> = house.registry.store().audit_list(&AuditFilter::default()).await.unwrap();
    let acts: Vec<_> = acts.iter().rev().map(|entry| format!("{} {}", entry.actor, entry.act)).collect();
    assert_eq!(
        acts,
        ["uid:1000 consumer.create", "uid:1000 key.create", "uid:1000 consumer.plan", "uid:1000 key.revoke"]
    );
}

#[tokio::test]
async fn rotation_lets_both_work_until_the_overlap_ends_and_keeps_the_lifetime() {
    let house = house().await;
    let request = KeyRequest { expires: Some("10d".to_owned()), label: Some("shop".to_owned()), ..for_acme() };
    let (old, old_text) = house.registry.create_key(&ACTOR, request).await.unwrap();
    house.clock.advance_ms(4 * DAY_MS as u64);
    let overlap = Duration::from_secs(3600);
    let (new, new_text) = house.registry.rotate_key(&ACTOR, old.id, overlap, None, Kind::Live).await.unwrap();
    assert_eq!(new.expires_ms, Some(house.clock.unix_ms() + 10 * DAY_MS));
    assert_eq!((new.label.as_deref(), &new.scopes), (Some("shop"), &old.scopes));
    house.check(&old_text, "acme Some(\"free\") orders:read");
    house.check(&new_text, "acme Some(\"free\") orders:read");
    house.clock.advance_ms(3_600_000);
    house.check(&old_text, "expired");
    house.check(&new_text, "acme Some(\"free\") orders:read");
    assert_eq!(house.registry.key(old.id).await.unwrap().successor, Some(new.id));
    let again = house.registry.rotate_key(&ACTOR, old.id, overlap, None, Kind::Live).await.unwrap_err();
    assert!(again.to_string().contains(new.id.as_str()), "{again}");
}

#[tokio::test]
async fn an_imported_key_works_until_revoked_and_is_taken_once() {
    let house = house().await;
    let foreign = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
    house.check(foreign, "garbage");
    let key = house.registry.import_key(&ACTOR, for_acme(), Secret::new(foreign)).await.unwrap();
    house.check(foreign, "acme Some(\"free\") orders:read");
    house.registry.revoke_key(&ACTOR, key.id).await.unwrap();
    let house = house.reopened().await;
    house.check(foreign, "revoked");
    let again = house.registry.import_key(&ACTOR, for_acme(), Secret::new(foreign)).await.unwrap_err();
    assert_eq!(again.to_string(), format!("this key is already here, as {} of `acme` (revoked)", key.id));
}

#[tokio::test]
async fn a_removed_consumer_takes_its_keys_along() {
    let house = house().await;
    let (_, text) = house.registry.create_key(&ACTOR, for_acme()).await.unwrap();
    let held = house.registry.table().verify(&text, 0).unwrap();
    let removed = house.registry.remove_consumer(&ACTOR, "acme").await.unwrap();
    assert_eq!(removed.key_ids, [held.id]);
    house.check(&text, "unknown");
    assert!(held.is_revoked(), "an open stream that holds the key must end");
    let error = house.registry.create_key(&ACTOR, for_acme()).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no consumer `acme`");
}

#[tokio::test]
async fn every_problem_of_a_request_is_told_and_nothing_is_stored() {
    let house = house().await;
    let request = KeyRequest { expires: Some("soon".to_owned()), ips: vec!["here".to_owned()], ..for_acme() };
    let Err(RegistryError::Request { problems }) = house.registry.create_key(&ACTOR, request).await else {
        panic!("it must be refused");
    };
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(house.registry.keys(Some("acme")).await.unwrap().is_empty() && house.registry.table().is_empty());
}

#[tokio::test]
async fn the_last_use_is_known_at_once_and_after_a_restart() {
    let house = house().await;
    let (key, text) = house.registry.create_key(&ACTOR, for_acme()).await.unwrap();
    house.registry.table().verify(&text, house.clock.unix_ms()).unwrap();
    let minute_ms = house.clock.unix_ms() / 60_000 * 60_000;
    assert_eq!(house.registry.key(key.id).await.unwrap().last_used_ms, Some(minute_ms));
    house.registry.write_touched().await.unwrap();
    let house = house.reopened().await;
    assert_eq!(house.registry.keys(None).await.unwrap()[0].last_used_ms, Some(minute_ms));
}

/// Whoever asked goes away between commit and apply: what the store knows, the table must know.
#[tokio::test]
async fn an_act_whose_asker_went_away_is_still_applied() {
    let house = house().await;
    let (key, text) = house.registry.create_key(&ACTOR, for_acme()).await.unwrap();
    let mut act = Box::pin(house.registry.revoke_key(&ACTOR, key.id));
    let polled_once = std::future::poll_fn(|context| std::task::Poll::Ready(act.as_mut().poll(context))).await;
    assert!(polled_once.is_pending());
    drop(act);
    // Acts run one after another, so when this one answers the other is done.
    house.registry.create_consumer(&ACTOR, "other", None).await.unwrap();
    house.check(&text, "revoked");
}
