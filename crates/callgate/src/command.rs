//! The commands, one file each.

#[cfg(feature = "demo")]
pub mod bookshop;
pub mod call;
pub mod check;
pub mod completions;
pub mod curl;
#[cfg(feature = "demo")]
pub mod demo;
pub mod explain;
pub mod guard;
pub mod init;
pub mod serve;
