//! The commands, one file each.

#[cfg(feature = "demo")]
pub mod bookshop;
pub mod check;
pub mod completions;
#[cfg(feature = "demo")]
pub mod demo;
pub mod guard;
pub mod init;
pub mod serve;
