//! The commands, one file each.

pub mod admin_tokens;
pub mod ask;
pub mod audit;
pub mod auth;
pub mod backup;
#[cfg(feature = "demo")]
pub mod bookshop;
pub mod call;
pub mod check;
pub mod clients;
pub mod completions;
pub mod consumers;
pub mod curl;
#[cfg(feature = "demo")]
pub mod demo;
pub mod explain;
pub mod guard;
pub mod init;
pub mod issuers;
pub mod keys;
pub mod log;
pub mod man_pages;
pub mod plans;
pub mod reload;
pub mod restore;
mod secret;
pub mod serve;
pub mod signing_keys;
pub mod stats;
pub mod tokens;
pub mod upstreams;
pub mod users;
