//! The audit log: who did what to what, in a chain that shows any later change.
//!
//! An entry is written in the same transaction as its act, so neither exists without the other. Each carries the hash of
//! the one before; `meta` holds the head, so that cutting off the tail shows too. The chain proves that the log was not
//! edited by someone who could not rewrite all of it; to be safe from them as well, keep a head hash (`audit verify`
//! prints it) somewhere else.

mod chain;
mod list;

use std::fmt;

use sqlx::{Row, SqliteConnection};

use crate::error::Fault;
use crate::{hex, row};

pub use chain::AuditVerdict;
pub use list::AuditFilter;

/// Who does an administrative act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user of this machine: the peer of the admin socket, or whoever ran the command line.
    Uid(u32),
    /// The holder of an admin token, by its name.
    Token(String),
    /// An OAuth client, by its name: it may revoke its own tokens.
    Client(String),
    /// A person with an account, by its name: signs in, agrees.
    User(String),
    /// The program on its own account: `guard`, `demo`.
    Local,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditEntry {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When, Unix milliseconds.
    pub at_ms: i64,
    /// `uid:1000`, `token:ci`, `client:shop`, `user:alice`, `local`.
    pub actor: String,
    /// `consumer.create`, `key.revoke`, …
    pub act: String,
    /// What it was done to: a consumer's name, a key's id, a folder.
    pub subject: String,
    /// What else there is to say; never a secret.
    pub detail: serde_json::Value,
    /// SHA-256 over this entry and the one before, in hex.
    pub hash: String,
}

/// An act about to be written down.
#[derive(Debug)]
pub(crate) struct Act {
    pub(crate) actor: Actor,
    pub(crate) act: &'static str,
    pub(crate) subject: String,
    pub(crate) detail: serde_json::Value,
    pub(crate) at_ms: i64,
}

// === impl Actor ===

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Uid(uid) => write!(formatter, "uid:{uid}"),
            Actor::Token(name) => write!(formatter, "token:{name}"),
            Actor::Client(name) => write!(formatter, "client:{name}"),
            Actor::User(name) => write!(formatter, "user:{name}"),
            Actor::Local => formatter.write_str("local"),
        }
    }
}

// === impl Act ===

impl Act {
    /// Appends the entry to the chain, inside the transaction of its act.
    pub(crate) async fn write(self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        let (actor, detail) = (self.actor.to_string(), self.detail.to_string());
        let (last_seq, prev_hash) = last(connection).await?;
        let link = chain::Link {
            prev_hash,
            seq: last_seq.saturating_add(1),
            at_ms: self.at_ms,
            actor: &actor,
            act: self.act,
            subject: &self.subject,
            detail: &detail,
        };
        let hash = link.hash();
        sqlx::query(
            "INSERT INTO audit (seq, at_ms, actor, act, subject, detail, prev_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(link.seq)
        .bind(link.at_ms)
        .bind(link.actor)
        .bind(link.act)
        .bind(link.subject)
        .bind(link.detail)
        .bind(prev_hash.as_slice())
        .bind(hash.as_slice())
        .execute(&mut *connection)
        .await?;
        chain::set_head(connection, link.seq, &hex::write(&hash)).await?;
        Ok(())
    }
}

/// The last entry's number and hash; the chain begins with 0 and zeros.
async fn last(connection: &mut SqliteConnection) -> Result<(i64, [u8; 32]), sqlx::Error> {
    let row = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(connection).await?;
    row.map_or(Ok((0, chain::BEGINNING)), |row| Ok((row.try_get("seq")?, row::bytes_32(&row, "hash")?)))
}
