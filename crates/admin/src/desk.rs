//! What the acts of the admin API work on.

use std::sync::Arc;

use callgate_identity::Registry;
use callgate_store::CallsDb;

use crate::operations::Operations;
use crate::problem::{AdminCode, AdminError};

/// Registry, recent calls and the running gate. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    registry: Registry,
    calls: Option<CallsDb>,
    operations: Arc<dyn Operations>,
}

// === impl Desk ===

impl Desk {
    /// A desk; without `calls`, searches answer that no calls are kept.
    #[must_use]
    pub fn new(registry: Registry, calls: Option<CallsDb>, operations: Arc<dyn Operations>) -> Desk {
        Desk(Arc::new(Inner { registry, calls, operations }))
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn operations(&self) -> &dyn Operations {
        &*self.0.operations
    }

    /// The calls that are kept, with everything written that has ended by now.
    pub(crate) async fn calls(&self) -> Result<&CallsDb, AdminError> {
        self.0.operations.flush().await;
        self.0.calls.as_ref().ok_or_else(|| {
            AdminError::new(
                AdminCode::NotFound,
                "this gate keeps no calls: `calls.db` could not be opened when it started",
            )
        })
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.registry.clock().unix_ms()
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Desk({:?})", self.0.registry)
    }
}
