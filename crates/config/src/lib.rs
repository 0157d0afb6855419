//! callgate.yaml: a spanned tree, read into a checked [`Config`], with every mistake named at once.
//!
//! Knows nothing async and opens no socket. Start reading at [`config`], the result.

pub mod config;

pub use config::*;
