//! Limits of one place in the configuration, compiled: what they are called, where their cells are.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use callgate_model::refusal::Refused;
use callgate_model::{Code, Limit, Refusal, Subject};

/// One limit, ready to be charged.
#[derive(Debug)]
pub struct LimitPolicy {
    /// As written.
    pub limit: Limit,
    /// Which limit this is, across reloads: what it is about, name, rate and subject. A limit whose numbers changed starts
    /// anew.
    pub fingerprint: u64,
    /// The cell of limits per api and per route.
    pub own: Option<Arc<AtomicU64>>,
    /// `apis.bookshop.limits[0]`
    place: String,
}

// === impl LimitPolicy ===

impl LimitPolicy {
    /// Compiles one limit of whatever `identity` names. `cell` finds the cell of an earlier snapshot, so that a reload
    /// forgets nothing.
    pub fn compile(
        limit: &Limit,
        place: String,
        identity: &str,
        cell: &mut dyn FnMut(u64) -> Arc<AtomicU64>,
    ) -> LimitPolicy {
        let fingerprint = fingerprint(&(identity, "limits", &limit.name, limit.rate, &limit.per));
        let own = matches!(limit.per, Subject::Api | Subject::Route).then(|| cell(fingerprint));
        LimitPolicy { limit: limit.clone(), fingerprint, own, place }
    }

    /// The refusal when this limit does not let a call pass for another `wait_ns`.
    #[must_use]
    pub fn refusal(&self, wait_ns: u64) -> Refused {
        let Limit { name, text, per, .. } = &self.limit;
        Refusal::new(
            Code::RateLimited,
            format!("Limit `{name}` ({text}), counted per {per}, has no call left for you."),
        )
        .rule(self.place.clone())
        .gate_side(format!("`{text}` is counted per {per}; the next call fits in {} ms", wait_ns.div_ceil(1_000_000)))
        .retry_after_ns(wait_ns)
    }
}

/// A hash that is the same within one run of the program.
pub fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
