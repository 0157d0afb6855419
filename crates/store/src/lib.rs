//! What must outlive a restart: SQLite behind one writer, leases of quota, the audit chain.
//!
//! Two files in one private folder: `callgate.db` holds what the gate issued, and its answers are promises
//! (`synchronous=FULL`, an answer comes after the commit); `calls.db` holds what it saw, and may lose its last second in a
//! power cut. Every administrative act writes its audit entry in the same transaction. This crate never knows HTTP, the
//! configuration, or what a key's text looks like; the way of a call never waits for it. Start reading at [`Store`], then
//! `database/writer.rs` for how acts are grouped into commits, and [`audit`] for the chain.

mod admin_tokens;
pub mod audit;
mod backup;
mod calls;
mod clients;
mod consumers;
mod database;
mod error;
mod file;
mod folder;
mod grants;
mod hex;
mod keys;
pub mod pepper;
mod quotas;
mod row;
mod sessions;
mod signing_keys;
mod store;
mod tokens;
mod users;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod embedded_tests;

pub use admin_tokens::{AdminToken, NewAdminToken, Role};
pub use audit::{Actor, AuditEntry, AuditFilter, AuditVerdict};
pub use backup::{Manifest, ManifestFile};
pub use calls::{CallFilter, CallsDb, StoredCall, UsageFilter, UsageRow};
pub use clients::{NewClient, RemovedClient};
pub use consumers::RemovedConsumer;
pub use error::{Said, StoreError};
pub use file::FileError;
pub use grants::{FoundFamily, NewCode, Redeemed, Redemption, Refreshed, Refreshing};
pub use keys::NewKey;
pub use pepper::{Pepper, Peppers};
pub use quotas::{Lease, QuotaUsage};
pub use sessions::NewSession;
pub use signing_keys::{KeyRole, NewSigningKey, Rotation, SigningKey};
pub use store::Store;
pub use tokens::NewToken;

/// The file of what the gate issued.
const MAIN_FILE: &str = "callgate.db";
/// The file of what the gate saw.
const CALLS_FILE: &str = "calls.db";
/// The folder of peppers and signing keys.
const SECRETS_FOLDER: &str = "secrets";
