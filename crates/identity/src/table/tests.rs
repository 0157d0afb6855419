use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use callgate_model::key::Kind;
use callgate_store::Pepper;
use proptest::prelude::*;

use super::*;

fn peppers() -> Peppers {
    let (old, current) = (Pepper::new(0, &[3; 32]), Pepper::new(1, &[7; 32]));
    Peppers { current: current.clone(), all: BTreeMap::from([(0, old), (1, current)]) }
}

fn empty() -> KeyTable {
    KeyTable::new(peppers(), &[], [])
}

fn consumer(id: i64) -> Consumer {
    Consumer { id, name: format!("consumer-{id}"), plan: Some("free".to_owned()), created_ms: 0 }
}

/// Every number gives a key of its own, always the same.
fn minted(number: u64) -> (KeyId, String) {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    key::mint("cg", Kind::Live, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

fn record(id: KeyId, text: &str, pepper_id: u32, consumer_id: i64) -> Key {
    Key {
        id,
        consumer_id,
        label: None,
        hash: pepper::hash(peppers().get(pepper_id).unwrap(), text),
        pepper_id,
        imported: false,
        scopes: vec!["orders:read".to_owned()],
        apis: Vec::new(),
        ips: Vec::new(),
        not_before_ms: None,
        expires_ms: None,
        revoked_ms: None,
        created_ms: 0,
        last_used_ms: None,
        successor: None,
    }
}

#[test]
fn a_consumer_is_found_by_its_name_until_it_is_removed() {
    let table = KeyTable::new(peppers(), &[consumer(1)], []);
    let find = |name: &str| table.consumer_named(&NameDigest::of(name)).map(|found| found.id);
    assert_eq!((find("consumer-1"), find("consumer-2"), find("Consumer-1")), (Some(1), None, None));
    table.put_consumer(&consumer(2));
    assert_eq!(find("consumer-2"), Some(2));
    table.remove_consumer(1, 0);
    assert_eq!((find("consumer-1"), find("consumer-2")), (None, Some(2)));
}

fn answer(verdict: &Result<Arc<KeyEntry>, KeyFault>) -> String {
    match verdict {
        Ok(entry) => format!("good {}", entry.id),
        Err(KeyFault::Garbage) => "garbage".to_owned(),
        Err(KeyFault::Unknown) => "unknown".to_owned(),
        Err(KeyFault::Revoked(entry)) => format!("revoked {}", entry.id),
        Err(KeyFault::NotYetValid(entry)) => format!("not yet {}", entry.id),
        Err(KeyFault::Expired(entry)) => format!("expired {}", entry.id),
    }
}

fn check(table: &KeyTable, presented: &str, now_ms: i64, expect: &str) {
    assert_eq!(answer(&table.verify(presented, now_ms)), expect, "{presented:?} at {now_ms}");
}

/// The last six characters made to fit again, as an attacker who knows our sources would.
fn with_fitting_checksum(text: &str) -> String {
    let (signed, _) = text.split_at(text.len() - key::CHECKSUM_CHARS);
    let mut rest = crc32(signed.as_bytes());
    let digits: Vec<char> = (0..6)
        .map(|_| {
            let digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(rest % 62) as usize];
            rest /= 62;
            char::from(digit)
        })
        .collect();
    format!("{signed}{}", digits.iter().rev().collect::<String>())
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn wrong_secret(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let place = bytes.len() - key::CHECKSUM_CHARS - 1;
    bytes[place] = if bytes[place] == b'a' { b'b' } else { b'a' };
    with_fitting_checksum(std::str::from_utf8(&bytes).unwrap())
}

#[test]
fn a_wrong_secret_and_an_unknown_id_are_the_same() {
    let table = empty();
    table.put_consumer(&consumer(1));
    let (id, text) = minted(1);
    table.put_key(&record(id, &text, 1, 1));
    check(&table, &text, 0, &format!("good {id}"));
    check(&table, &wrong_secret(&text), 0, "unknown");
    check(&table, &minted(2).1, 0, "unknown");
    check(&table, &text.replace("cg_", "zz_"), 0, "garbage");
}

#[test]
fn a_foreign_text_is_garbage_until_one_is_imported() {
    let table = empty();
    table.put_consumer(&consumer(1));
    let foreign = "legacy-key-0123456789";
    check(&table, foreign, 0, "garbage");
    let (id, _) = minted(7);
    table.put_key(&Key { imported: true, ..record(id, foreign, 0, 1) });
    check(&table, foreign, 0, &format!("good {id}"));
    check(&table, "legacy-key-0123456780", 0, "unknown");
    check(&table, &minted(3).1.replace("cg_", "zz_"), 0, "garbage");
    check(&table, &"x".repeat(bounds::CREDENTIAL_BYTES_MAX + 1), 0, "garbage");
    check(&table, &"x".repeat(bounds::CREDENTIAL_BYTES_MAX), 0, "unknown");
    table.remove_consumer(1, 0);
    check(&table, foreign, 0, "garbage");
}

/// A key that comes from another Callgate has our shape, and an id that we did not give.
#[test]
fn an_imported_key_of_our_own_shape_is_found() {
    let table = empty();
    table.put_consumer(&consumer(1));
    let ((_, text), (id, _)) = (minted(1), minted(2));
    table.put_key(&Key { imported: true, ..record(id, &text, 1, 1) });
    check(&table, &text, 0, &format!("good {id}"));
}

#[test]
fn a_pepper_that_is_gone_fails_closed() {
    let (id, text) = minted(1);
    let key = Key { pepper_id: 9, ..record(id, &text, 1, 1) };
    let zeros = Key { hash: [0; 32], ..key.clone() };
    for key in [key, zeros] {
        let table = KeyTable::new(peppers(), &[consumer(1)], [key]);
        check(&table, &text, 0, "unknown");
    }
}

#[test]
fn revoked_is_said_before_not_yet_valid_and_expired() {
    let (id, text) = minted(1);
    let key = Key { not_before_ms: Some(10), expires_ms: Some(20), ..record(id, &text, 1, 1) };
    let table = KeyTable::new(peppers(), &[consumer(1)], [key.clone()]);
    check(&table, &text, 9, &format!("not yet {id}"));
    check(&table, &text, 10, &format!("good {id}"));
    check(&table, &text, 20, &format!("expired {id}"));
    table.put_key(&Key { revoked_ms: Some(5), ..key.clone() });
    for now_ms in [0, 15, 30] {
        check(&table, &text, now_ms, &format!("revoked {id}"));
    }
    table.put_key(&key);
    check(&table, &text, 15, &format!("revoked {id}"));
}

#[test]
fn cells_and_plan_survive_a_new_record() {
    let (id, text) = minted(1);
    let key = record(id, &text, 1, 1);
    let table = KeyTable::new(peppers(), &[consumer(1)], [key.clone()]);
    let held = table.verify(&text, 0).unwrap();
    held.cells.cell(42).store(7, Ordering::Relaxed);
    held.consumer.cells.cell(43).store(8, Ordering::Relaxed);
    table.put_key(&Key { expires_ms: Some(1_000), ..key });
    table.put_consumer(&Consumer { plan: Some("gold".to_owned()), ..consumer(1) });
    let entry = table.verify(&text, 0).unwrap();
    assert_eq!(entry.cells.cell(42).load(Ordering::Relaxed), 7);
    assert_eq!(entry.consumer.cells.cell(43).load(Ordering::Relaxed), 8);
    assert_eq!((held.expires_ms(), held.consumer.plan().as_deref()), (Some(1_000), Some("gold")));
}

#[test]
fn a_use_is_queued_once_a_minute() {
    let (id, text) = minted(1);
    let table = KeyTable::new(peppers(), &[consumer(1)], [record(id, &text, 1, 1)]);
    for now_ms in [60_001, 60_002, 119_999] {
        table.verify(&text, now_ms).unwrap();
    }
    table.judge(&text, 600_000).unwrap();
    assert_eq!(table.drain_touched(), [(id, 60_000)]);
    assert_eq!(table.drain_touched(), []);
    table.verify(&text, 120_000).unwrap();
    table.verify(&text, 180_000).unwrap();
    table.verify(&text, 61_000).unwrap();
    assert_eq!(table.drain_touched(), [(id, 180_000)], "once in the queue, with the latest minute");
}

/// After the act has come back, no verification that begins later may succeed; and the keys beside it never fail.
#[test]
fn a_revocation_holds_from_the_moment_it_returns() {
    let keys: Vec<_> = (0..200).map(minted).collect();
    let table = KeyTable::new(peppers(), &[consumer(1)], keys.iter().map(|(id, text)| record(*id, text, 1, 1)));
    let (stays_id, stays) = minted(1_000);
    table.put_key(&record(stays_id, &stays, 1, 1));
    let revoked: Vec<AtomicBool> = keys.iter().map(|_| AtomicBool::new(false)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (table, keys, revoked, done, stays) = (&table, &keys, &revoked, &done, &stays);
            scope.spawn(move || {
                let mut turn = reader;
                while !done.load(Ordering::Acquire) {
                    turn = (turn + 1) % keys.len();
                    let must_fail = revoked[turn].load(Ordering::Acquire);
                    let verdict = table.verify(&keys[turn].1, 0);
                    assert!(!must_fail || matches!(verdict, Err(KeyFault::Revoked(_))), "{verdict:?}");
                    table.verify(stays, 0).unwrap();
                }
            });
        }
        for (number, (id, text)) in keys.iter().enumerate() {
            table.put_key(&Key { revoked_ms: Some(1), ..record(*id, text, 1, 1) });
            revoked[number].store(true, Ordering::Release);
            // Shards change under the readers, too.
            let (id, text) = minted(2_000 + number as u64);
            table.put_key(&record(id, &text, 1, 1));
        }
        done.store(true, Ordering::Release);
    });
}

/// What DESIGN asks for a million keys, measured: resident bytes per key, from the process itself.
#[test]
#[cfg(target_os = "linux")]
fn a_million_keys_fit_into_200_mib() {
    const KEYS: u64 = 200_000;
    const BYTES_PER_KEY_MAX: u64 = 200 * 1024 * 1024 / 1_000_000;
    let consumers: Vec<_> = (0..KEYS as i64 / 10).map(consumer).collect();
    let template = record(minted(1).0, "text", 1, 0);
    let before = resident_bytes();
    let table = KeyTable::new(
        peppers(),
        &consumers,
        (0..KEYS).map(|number| {
            let id = KeyId::parse(&format!("{number:08}")).unwrap();
            Key { id, consumer_id: number as i64 / 10, ..template.clone() }
        }),
    );
    let per_key = (resident_bytes() - before) / KEYS;
    assert_eq!(table.len(), KEYS as usize);
    assert!(per_key <= BYTES_PER_KEY_MAX, "{per_key} bytes per key, {} in an entry", size_of::<KeyEntry>());
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

// === the twin: a list of records, read from the front, against the table ===

#[derive(Debug, Clone)]
enum Act {
    PutConsumer(u8),
    PutKey { number: u8, consumer: u8, foreign: bool, old_pepper: bool, not_before: Option<u8>, expires: Option<u8> },
    Revoke(u8),
    Expire(u8, Option<u8>),
    RemoveConsumer(u8),
    Verify { number: u8, how: u8, at: u8 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (small, moment) = (0_u8..6, proptest::option::of(0_u8..20));
    let act = prop_oneof![
        1 => small.clone().prop_map(Act::PutConsumer),
        4 => (small.clone(), 0_u8..3, any::<bool>(), any::<bool>(), moment.clone(), moment.clone()).prop_map(
            |(number, consumer, foreign, old_pepper, not_before, expires)| Act::PutKey {
                number, consumer, foreign, old_pepper, not_before, expires,
            }
        ),
        1 => small.clone().prop_map(Act::Revoke),
        1 => (small.clone(), moment).prop_map(|(number, expires)| Act::Expire(number, expires)),
        1 => (0_u8..3).prop_map(Act::RemoveConsumer),
        8 => (small, 0_u8..6, 0_u8..20).prop_map(|(number, how, at)| Act::Verify { number, how, at }),
    ];
    proptest::collection::vec(act, 1..120)
}

#[derive(Default)]
struct Twin {
    consumers: BTreeMap<i64, ()>,
    keys: Vec<(String, Key)>,
}

impl Twin {
    fn verify(&self, presented: &str, now_ms: i64) -> String {
        let Some((_, key)) = self.keys.iter().find(|(text, _)| text == presented) else {
            let imported = self.keys.iter().any(|(_, key)| key.imported);
            let looked_up = match key::inspect(presented) {
                Ok(_) => true,
                Err(NotAKey::Checksum) => false,
                Err(NotAKey::Shape) => imported,
            };
            return if looked_up { "unknown" } else { "garbage" }.to_owned();
        };
        let word = if key.revoked_ms.is_some() {
            "revoked"
        } else if key.not_before_ms.is_some_and(|from| now_ms < from) {
            "not yet"
        } else if key.expires_ms.is_some_and(|from| now_ms >= from) {
            "expired"
        } else {
            "good"
        };
        format!("{word} {}", key.id)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn the_table_says_what_a_list_would(acts in acts()) {
        let (table, mut twin) = (empty(), Twin::default());
        for act in acts {
            match act {
                Act::PutConsumer(number) => {
                    table.put_consumer(&consumer(number.into()));
                    twin.consumers.insert(number.into(), ());
                }
                Act::PutKey { number, consumer, foreign, old_pepper, not_before, expires } => {
                    let (id, own_text) = minted(number.into());
                    let text = if foreign { format!("foreign-text-{number}") } else { own_text };
                    let key = Key {
                        imported: foreign,
                        not_before_ms: not_before.map(Into::into),
                        expires_ms: expires.map(Into::into),
                        ..record(id, &text, u32::from(!old_pepper), consumer.into())
                    };
                    // The store never gives an id twice, so neither does the test.
                    if !twin.keys.iter().any(|(_, known)| known.id == id) {
                        table.put_key(&key);
                        if twin.consumers.contains_key(&key.consumer_id) {
                            twin.keys.push((text, key));
                        }
                    }
                }
                Act::Revoke(number) => {
                    if let Some((_, key)) = twin.keys.iter_mut().find(|(_, key)| key.id == minted(number.into()).0) {
                        key.revoked_ms = Some(3);
                        table.put_key(key);
                    }
                }
                Act::Expire(number, at) => {
                    if let Some((_, key)) = twin.keys.iter_mut().find(|(_, key)| key.id == minted(number.into()).0) {
                        key.expires_ms = at.map(Into::into);
                        table.put_key(key);
                    }
                }
                Act::RemoveConsumer(number) => {
                    table.remove_consumer(number.into(), 3);
                    twin.consumers.remove(&number.into());
                    twin.keys.retain(|(_, key)| key.consumer_id != i64::from(number));
                }
                Act::Verify { number, how, at } => {
                    let text = minted(number.into()).1;
                    let presented = match how {
                        0 | 1 => text,
                        2 => format!("foreign-text-{number}"),
                        3 => wrong_secret(&text),
                        4 => text.split_at(text.len() - 1).0.to_owned(),
                        _ => text.replace("cg_live", "cg_test"),
                    };
                    let got = answer(&table.verify(&presented, at.into()));
                    prop_assert_eq!(got, twin.verify(&presented, at.into()), "{}", presented);
                }
            }
        }
        prop_assert_eq!(table.len(), twin.keys.len());
    }
}
