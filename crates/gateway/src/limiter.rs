//! How fast calls may come: cells, and charging several of them as one.
//!
//! A cell is one atomic, the theoretical arrival time of GCRA ([`callgate_model::gcra`]). Keys, consumers, APIs and routes
//! own theirs; addresses and header values share a bounded table ([`addresses`]).

pub mod addresses;
mod charges;
mod concurrency;

pub use addresses::Addresses;
pub use charges::{Cell, Charges};
pub use concurrency::{Counter, Permit};
