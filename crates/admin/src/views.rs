//! What goes over the wire: requests and answers, the same for `--json`, for the socket, and for TCP. Moments are Unix
//! milliseconds and end in `_ms`; moments that a person writes are texts (`30d`, `2027-01-31`).

mod admin_tokens;
mod audit;
mod calls;
mod clients;
mod consumers;
mod gate;
mod issuers;
mod keys;
mod signing_keys;
mod tokens;
mod upstreams;
mod users;

pub use admin_tokens::{AdminToken, AdminTokenCreate, AdminTokenCreated, AdminTokenRole, AdminTokens};
pub use audit::{AuditEntries, AuditEntry, AuditQuery, AuditVerdict};
pub use calls::{
    CallFound, Calls, CallsQuery, Followed, Lost, Stats, StatsQuery, StatsRow, Usage, UsageQuery, UsageRow,
};
pub use clients::{Client, ClientCreate, ClientCreated, ClientGrant, Clients};
pub use consumers::{Consumer, ConsumerCreate, ConsumerPlan, ConsumerRemoved, Consumers};
pub use gate::{ApiSummary, Backup, BackupFile, BackupTo, GateSummary, Plan, Plans, Reloaded, Status};
pub use issuers::{Issuer, IssuerKey, Issuers};
pub use keys::{Key, KeyCreate, KeyCreated, KeyImport, KeyKind, KeyRotate, Keys, KeysQuery, Standing};
pub use signing_keys::{SigningKey, SigningKeyRole, SigningKeys, SigningKeysRotate};
pub use tokens::{
    Token, TokenInspect, TokenInspected, TokenSays, TokenStanding, Tokens, TokensQuery, TokensRevoke, TokensRevoked,
};
pub use upstreams::{ServerState, UpstreamServer, Upstreams};
pub use users::{Session, Sessions, SignedOut, User, UserCreate, UserPassword, Users};

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A secret that is shown in one answer and never again; not in a log, not in a debug print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct ShownOnce(pub String);

impl fmt::Debug for ShownOnce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}
