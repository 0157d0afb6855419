//! The check of a presented key, as the identify phase does it.

use std::hint::black_box;

use anyhow::{Result, ensure};
use callgate_identity::KeyTable;
use callgate_model::key::{Kind, mint};
use callgate_model::{Consumer, Key, KeyId};
use callgate_store::pepper::{self, Pepper, Peppers};

/// As many as in the bench's `guarded`.
const KEYS: usize = 10_000;
/// Consumers, each with ten of the keys.
const CONSUMERS: usize = KEYS / 10;
/// A moment within the life of every key, Unix milliseconds.
const NOW_MS: i64 = 1_772_366_400_000;

/// A table of keys with the texts that callers present.
pub(crate) struct Keys {
    /// The table.
    pub(crate) table: KeyTable,
    /// Each key's text, in no order that the table has.
    pub(crate) texts: Vec<String>,
}

/// Verifies `times` keys, each time another.
pub(crate) fn run(times: u64) -> Result<()> {
    let keys = Keys::make(None);
    for text in keys.texts.iter().cycle().take(usize::try_from(times)?) {
        let entry = keys.table.verify(black_box(text), NOW_MS);
        ensure!(entry.is_ok(), "a key that was made here was refused: {entry:?}");
    }
    Ok(())
}

// === impl Keys ===

impl Keys {
    /// Ten thousand keys of a thousand consumers, all on this plan. The same keys in every run: a table that is laid out
    /// otherwise costs otherwise.
    pub(crate) fn make(plan: Option<&str>) -> Keys {
        let peppers = {
            let current = Pepper::new(1, &[0x5a; 32]);
            Peppers { all: [(1, current.clone())].into(), current }
        };
        let consumers: Vec<Consumer> = (1..=CONSUMERS).map(|number| consumer(number, plan)).collect();
        let mut random = numbers();
        let minted: Vec<(KeyId, String)> = (0..KEYS).map(|_| mint("cg", Kind::Live, &mut random)).collect();
        let ids = minted.iter().zip(consumers.iter().cycle());
        let keys: Vec<Key> =
            ids.map(|((id, text), owner)| key(*id, pepper::hash(&peppers.current, text), owner)).collect();
        let table = KeyTable::new(peppers, &consumers, keys);
        Keys { table, texts: minted.into_iter().map(|(_, text)| text).collect() }
    }
}

/// Bytes for minting that are the same in every run: xorshift64 (Marsaglia 2003). These keys guard nothing.
pub(crate) fn numbers() -> impl FnMut() -> u8 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    }
}

fn consumer(number: usize, plan: Option<&str>) -> Consumer {
    let id = i64::try_from(number).unwrap_or(i64::MAX);
    Consumer { id, name: format!("consumer-{number}"), plan: plan.map(str::to_owned), created_ms: 0 }
}

fn key(id: KeyId, hash: [u8; 32], owner: &Consumer) -> Key {
    Key {
        id,
        consumer_id: owner.id,
        label: None,
        hash,
        pepper_id: 1,
        imported: false,
        scopes: Vec::new(),
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
