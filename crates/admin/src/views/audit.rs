use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When.
    pub at_ms: i64,
    /// Who: `uid:1000`, `token:ci`, `local`.
    pub actor: String,
    /// What: `consumer.create`, `key.revoke`.
    pub act: String,
    /// To what: a consumer's name, a key's id, a folder.
    pub subject: String,
    /// What else there is to say; never a secret.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
    /// SHA-256 over this entry and the one before, in hex.
    pub hash: String,
}

/// Entries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntries {
    /// The entries.
    pub entries: Vec<AuditEntry>,
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// An act (`key.revoke`) or all on one kind of thing (`key`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// Who, as the log writes it: `uid:1000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What it was done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Not before: `24h` ago, `2027-01-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only entries before this one: where the last page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
    /// At most so many; 100 unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What a walk along the audit chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

impl From<callgate_store::AuditEntry> for AuditEntry {
    fn from(entry: callgate_store::AuditEntry) -> AuditEntry {
        let callgate_store::AuditEntry { seq, at_ms, actor, act, subject, detail, hash } = entry;
        AuditEntry { seq, at_ms, actor, act, subject, detail, hash }
    }
}

impl From<callgate_store::AuditVerdict> for AuditVerdict {
    fn from(verdict: callgate_store::AuditVerdict) -> AuditVerdict {
        match verdict {
            callgate_store::AuditVerdict::Intact { entries, head } => AuditVerdict::Intact { entries, head },
            callgate_store::AuditVerdict::Broken { seq, why } => AuditVerdict::Broken { seq, why },
        }
    }
}
