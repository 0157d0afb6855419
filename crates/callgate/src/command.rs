//! The commands, one file each.

pub mod bookshop;
pub mod check;
pub mod guard;
pub mod serve;
