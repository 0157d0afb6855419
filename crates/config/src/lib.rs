//! callgate.yaml: a spanned tree, read into a checked [`Config`], with every mistake named at once.
//!
//! Knows nothing async and opens no socket. Start reading at [`config`], the result, then [`settings`], the table of what
//! may be written; `read/` turns the one into the other, section by section, through the collecting [`walk`].

pub mod config;
mod diagnostic;
mod load;
mod pattern;
mod read;
mod render;
pub mod settings;
mod suggest;
pub mod tree;
mod walk;
mod yaml;

pub use config::*;
pub use diagnostic::{Diagnostic, Report, Severity};
pub use load::{Loaded, load, parse};
pub use yaml::parse as parse_tree;
