//! What only the running gate can do; the binary wires it, so that this crate never knows the gate's inside.

use std::pin::Pin;

use callgate_records::Follow;
use callgate_store::CallFilter;
use tokio::net::UnixStream;

use crate::problem::{AdminCode, AdminError};
use crate::views::{GateSummary, Issuer, Lost, Plan, Reloaded, UpstreamServer};

/// A future that the trait can hand out.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Hands the gate over to the process at the other end of a connection.
pub type Handover = Box<dyn FnOnce(UnixStream) -> Boxed<'static, ()> + Send>;

/// The running gate, as the admin API sees it.
pub trait Operations: Send + Sync + 'static {
    /// What runs, in numbers and names; nothing when no gate runs.
    fn summary(&self) -> Option<GateSummary>;

    /// The plans of the configuration. New consumers and changes of plan are held against them.
    fn plans(&self) -> Vec<Plan>;

    /// The names of the configuration's APIs. New keys are held against them.
    fn apis(&self) -> Vec<String>;

    /// The issuers beside the gate's own whose tokens the configuration takes.
    fn issuers(&self) -> Vec<Issuer> {
        Vec::new()
    }

    /// Reads the configuration file again and takes it over, whole or not at all.
    fn reload(&self) -> Boxed<'_, Result<Reloaded, AdminError>>;

    /// Waits until every call that has ended is in the store, so that a search finds it.
    fn flush(&self) -> Boxed<'_, ()>;

    /// What the gate could not keep; nothing where no gate runs.
    fn lost(&self) -> Option<Lost> {
        None
    }

    /// The servers that calls go to, and how each stands; nothing where no gate runs.
    fn upstreams(&self) -> Option<Vec<UpstreamServer>> {
        None
    }

    /// Begins to hand the gate over to another process. Dropping what this gives ends it again.
    ///
    /// # Errors
    /// No gate runs, it is stopping, or it is being handed over already.
    fn begin_handover(&self) -> Result<Handover, AdminError> {
        Err(AdminError::new(AdminCode::NotRunning, "no gate is running here: start one with `callgate serve`"))
    }

    /// Calls as they end, from now on; nothing where no gate runs.
    fn follow(&self, filter: CallFilter) -> Option<Follow> {
        drop(filter);
        None
    }
}

/// No gate: what the configuration file says, and nothing that runs.
#[derive(Debug, Clone, Default)]
pub struct NoGate {
    plans: Vec<Plan>,
    apis: Vec<String>,
    issuers: Vec<Issuer>,
}

// === impl NoGate ===

impl NoGate {
    /// Takes plans and APIs from a configuration.
    #[must_use]
    pub fn of(config: &callgate_config::Config) -> NoGate {
        NoGate {
            plans: config.plans.iter().map(|(name, plan)| Plan::of(name, plan)).collect(),
            apis: config.apis.iter().map(|api| api.name.clone()).collect(),
            issuers: config.issuers.iter().map(|known| Issuer::of(known, config)).collect(),
        }
    }
}

impl Operations for NoGate {
    fn summary(&self) -> Option<GateSummary> {
        None
    }

    fn plans(&self) -> Vec<Plan> {
        self.plans.clone()
    }

    fn apis(&self) -> Vec<String> {
        self.apis.clone()
    }

    fn issuers(&self) -> Vec<Issuer> {
        self.issuers.clone()
    }

    fn reload(&self) -> Boxed<'_, Result<Reloaded, AdminError>> {
        let error = AdminError::new(
            AdminCode::NotRunning,
            "no gate is running on this data folder, so there is nothing to reload: `callgate serve` reads the file when it starts",
        );
        Box::pin(std::future::ready(Err(error)))
    }

    fn flush(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
