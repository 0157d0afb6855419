//! From method and path to the routes that match: by specificity, not order, and every match counts.

mod tree;

pub use tree::{Found, Tree};
