//! The tree into a [`Config`]: one file a section, in the order of the table of settings.

mod api;
mod certificates;
mod cors;
mod effect;
mod gate;
mod guards;
mod headers;
mod issuer;
mod issuers;
mod limits;
mod listen;
mod plan;
mod reach;
mod route;
mod upstream;
mod websocket;

pub(crate) use gate::config;
pub(crate) use guards::is_media_type;
pub use issuers::known_issuer;
pub(crate) use upstream::is_upstream;
