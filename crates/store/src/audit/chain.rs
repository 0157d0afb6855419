//! The hash chain: how an entry is hashed, and the walk that finds the first broken one.

use aws_lc_rs::digest;
use sqlx::{Connection, Row, SqliteConnection};

use crate::error::{Fault, StoreError};
use crate::hex;
use crate::store::Store;

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum AuditVerdict {
    /// Every entry is as it was written, and none is missing.
    Intact {
        /// How many there are.
        entries: u64,
        /// The hash of the last: noted elsewhere, it proves later that nothing before it changed.
        head: String,
    },
    /// Something was changed from outside.
    Broken {
        /// The first entry that is not as it was written, or is missing.
        seq: i64,
        /// What is wrong with it.
        why: String,
    },
}

/// What the hash of an entry covers.
pub(super) struct Link<'a> {
    pub(super) prev_hash: [u8; 32],
    pub(super) seq: i64,
    pub(super) at_ms: i64,
    pub(super) actor: &'a str,
    pub(super) act: &'a str,
    pub(super) subject: &'a str,
    pub(super) detail: &'a str,
}

/// What the first entry has for the hash of the one before.
pub(super) const BEGINNING: [u8; 32] = [0; 32];
/// Entries read at a time: a long log is never in memory whole.
const PAGE: i64 = 1000;

// === impl Link ===

impl Link<'_> {
    /// SHA-256 over every field behind its length, so that no two different entries have the same encoding.
    pub(super) fn hash(&self) -> [u8; 32] {
        let (seq, at_ms) = (self.seq.to_be_bytes(), self.at_ms.to_be_bytes());
        let texts = [self.actor, self.act, self.subject, self.detail].map(str::as_bytes);
        let mut context = digest::Context::new(&digest::SHA256);
        let fields = [b"callgate audit 1".as_slice(), &self.prev_hash, &seq, &at_ms].into_iter().chain(texts);
        for field in fields {
            context.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(field);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

// === impl Store ===

impl Store {
    /// Walks the whole chain.
    ///
    /// # Errors
    /// Only when the log can't be read; what it finds there is the verdict.
    pub async fn audit_verify(&self) -> Result<AuditVerdict, StoreError> {
        self.main
            .read(|connection| {
                Box::pin(async move {
                    // One moment for all pages and the head: the gate may be writing.
                    let mut moment = connection.begin().await?;
                    walk(&mut moment).await
                })
            })
            .await
    }
}

/// Notes the last entry, in the transaction that wrote it.
pub(super) async fn set_head(connection: &mut SqliteConnection, seq: i64, hash: &str) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO meta (name, value) VALUES ('audit_head', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sqlx::query(sql).bind(format!("{seq} {hash}")).execute(connection).await.map(drop)
}

async fn walk(connection: &mut SqliteConnection) -> Result<AuditVerdict, Fault> {
    let (mut seq, mut hash) = (0_i64, BEGINNING);
    loop {
        let sql = "SELECT seq, at_ms, actor, act, subject, detail, prev_hash, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?";
        let page = sqlx::query(sql).bind(seq).bind(PAGE).fetch_all(&mut *connection).await?;
        for row in &page {
            seq = seq.saturating_add(1);
            match check(row, seq, hash)? {
                Ok(next) => hash = next,
                Err(why) => return Ok(AuditVerdict::Broken { seq, why }),
            }
        }
        if page.is_empty() {
            return end(connection, seq, &hex::write(&hash)).await;
        }
    }
}

/// The hash of this entry, or what is wrong with it.
fn check(
    row: &sqlx::sqlite::SqliteRow,
    seq: i64,
    prev_hash: [u8; 32],
) -> Result<Result<[u8; 32], String>, sqlx::Error> {
    let found: i64 = row.try_get("seq")?;
    if found != seq {
        return Ok(Err(format!("the entry is missing: the next one there is {found}")));
    }
    let link = Link {
        prev_hash,
        seq,
        at_ms: row.try_get("at_ms")?,
        actor: row.try_get("actor")?,
        act: row.try_get("act")?,
        subject: row.try_get("subject")?,
        detail: row.try_get("detail")?,
    };
    let (before, stored): (&[u8], &[u8]) = (row.try_get("prev_hash")?, row.try_get("hash")?);
    let hash = link.hash();
    Ok(if before != prev_hash {
        Err("the entry does not follow the one before it".to_owned())
    } else if stored != hash {
        Err("the entry is not as it was written".to_owned())
    } else {
        Ok(hash)
    })
}

/// The last check: what `meta` says the head is. A cut tail leaves a chain that is sound but too short.
async fn end(connection: &mut SqliteConnection, seq: i64, hash: &str) -> Result<AuditVerdict, Fault> {
    let row = sqlx::query("SELECT value FROM meta WHERE name = 'audit_head'").fetch_optional(connection).await?;
    let head: String = row.map_or(Ok(String::new()), |row| row.try_get(0))?;
    let (head_seq, head_hash) = head.split_once(' ').unwrap_or(("0", ""));
    let head_seq: i64 = head_seq.parse().unwrap_or(0);
    let intact = if seq == 0 { head.is_empty() } else { head_seq == seq && head_hash == hash };
    Ok(if intact {
        AuditVerdict::Intact { entries: u64::try_from(seq).unwrap_or(0), head: hash.to_owned() }
    } else if head_seq > seq {
        AuditVerdict::Broken {
            seq: seq.saturating_add(1),
            why: format!("entries {} to {head_seq} are missing", seq.saturating_add(1)),
        }
    } else {
        AuditVerdict::Broken { seq, why: format!("the noted head is entry {head_seq}, not this one") }
    })
}
