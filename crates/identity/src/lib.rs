//! Who is calling: API keys and access tokens, from the text in a header to a consumer on a plan.
//!
//! The gate asks one question here on every call, [`KeyTable::verify`] or [`TokenTable::verify`]; people and programs ask for changes
//! through one door, [`Registry`], which commits in the store, then applies to the tables, then answers. Beside them stands
//! [`Lockout`], which remembers addresses that guess. This crate knows no sockets, no HTTP and no configuration file.
//! Start reading at [`table`]; [`registry`] is the other half.

pub mod cells;
pub mod entry;
pub mod foreign;
pub mod lockout;
mod people;
mod random;
pub mod registry;
mod remembered;
pub mod request;
mod shards;
pub mod table;
pub mod tokens;
pub mod when;

pub use cells::CellSet;
pub use entry::{ConsumerEntry, Grants, KeyEntry};
pub use foreign::{ForeignFault, ForeignIssuer, ForeignToken, ForeignTokens};
pub use lockout::{Lockout, LockoutRule};
pub use registry::{
    ClientRequest, GrantFault, Grantable, Granted, Issued, Presented, Registry, RegistryError, Revoked, SignIn,
    SignInFault, TokenRequest,
};
pub use request::KeyRequest;
pub use table::{KeyFault, KeyTable, NameDigest};
pub use tokens::{Bound, ClientEntry, ProofFault, ProofOf, Proofs, TokenEntry, TokenFault, TokenTable};
