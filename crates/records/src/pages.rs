//! The pages of `docs/` that are generated from this crate's tables.

/// `docs/metrics.md`.
#[must_use]
pub fn metrics() -> String {
    crate::metrics::page()
}
