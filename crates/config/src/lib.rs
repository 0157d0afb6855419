//! callgate.yaml: a spanned tree, read into a checked [`Config`], with every mistake named at once.
//!
//! Knows nothing async and opens no socket. Start reading at [`config`], the result, then [`settings`], the table of what
//! may be written; `read/` turns the one into the other, section by section, through the collecting [`walk`].

pub mod access;
pub mod config;
mod contents;
mod diagnostic;
pub mod issuer;
mod load;
mod mapping;
mod openapi;
mod pattern;
mod place;
mod read;
pub mod reference;
mod render;
pub mod schema;
mod security;
pub mod settings;
mod suggest;
pub mod tree;
mod walk;
pub mod write;
mod yaml;

pub use access::{Access, Credential};
pub use config::*;
pub use diagnostic::{Diagnostic, Report, Severity};
pub use issuer::{ISSUER_API, ISSUER_PATHS, Issuer, resource_metadata_path};
pub use load::{Loaded, load, parse};
pub use mapping::{Line, mapping};
pub use openapi::{from_openapi, from_openapi_text};
pub use read::known_issuer;
pub use security::{Weakness, security};
pub use yaml::parse as parse_tree;
