//! The command line's one way to an administrative act.
//!
//! With a gate running, its admin socket is asked. With none, the data folder is taken (nobody else can have it then), and
//! the very same router does the act inside this process; so both ways check, audit and answer alike. The command says
//! which of the two it was.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use axum::Extension;
use callgate_identity::Registry;
use callgate_model::{Clock, bounds};
use callgate_store::{Actor, CallsDb, Store, StoreError};

use crate::access::Peer;
use crate::client::AdminClient;
use crate::desk::Desk;
use crate::operations::NoGate;
use crate::problem::{AdminCode, AdminError};
use crate::router::router;
use crate::socket;

/// A way to administer; every act is a method of [`AdminClient`], to which it leads.
#[derive(Debug)]
pub enum Door {
    /// A running gate does the acts.
    Gate(AdminClient),
    /// The acts are done in this process, which holds the data folder until [`Door::close`].
    Store(OpenStore),
}

/// The store of a data folder that no gate holds.
#[derive(Debug)]
pub struct OpenStore {
    client: AdminClient,
    registry: Registry,
    calls: CallsDb,
}

// === impl Door ===

impl Door {
    /// The gate that runs on this data folder, or else the store itself. `brand` begins the text of new keys, as the
    /// configuration says.
    ///
    /// # Errors
    /// Another process holds the folder and answers on no socket; or what the store says.
    pub async fn open(data_dir: &Path, clock: Clock, brand: &str, no_gate: NoGate) -> Result<Door, AdminError> {
        if let Some(client) = AdminClient::over_socket(data_dir).await? {
            return Ok(Door::Gate(client));
        }
        let held = match Store::open(data_dir, clock.clone()).await {
            Ok(store) => return OpenStore::new(store, clock, brand, no_gate).await.map(Door::Store),
            Err(held @ StoreError::Held { .. }) => held,
            Err(error) => return Err(error.into()),
        };
        // Waiting for the folder took a moment: a gate that was just starting answers now.
        match AdminClient::over_socket(data_dir).await? {
            Some(client) => Ok(Door::Gate(client)),
            None => {
                let detail = format!("{held}; it answers on no admin socket, so wait until it is up or has ended");
                Err(AdminError::new(AdminCode::StoreUnavailable, detail))
            }
        }
    }

    /// What a person should know of the way their act went: nothing for a running gate.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        match self {
            Door::Gate(_) => None,
            Door::Store(open) => {
                let folder = open.registry.store().folder().display();
                Some(format!("no gate is running: done in `{folder}` directly"))
            }
        }
    }

    /// Lets the data folder go, with everything written.
    pub async fn close(self) {
        if let Door::Store(OpenStore { client, registry, calls }) = self {
            drop(client);
            calls.close().await;
            registry.store().clone().close().await;
        }
    }
}

impl Deref for Door {
    type Target = AdminClient;

    fn deref(&self) -> &AdminClient {
        match self {
            Door::Gate(client) => client,
            Door::Store(open) => &open.client,
        }
    }
}

// === impl OpenStore ===

impl OpenStore {
    async fn new(store: Store, clock: Clock, brand: &str, no_gate: NoGate) -> Result<OpenStore, AdminError> {
        let calls = CallsDb::open(store.folder(), bounds::CALLS_DB_BYTES_MAX).await?;
        let registry = Registry::open(store, clock, brand).await?;
        let uid = socket::own_uid().map_err(|error| {
            AdminError::new(AdminCode::Internal, format!("the audit log needs to know who you are: {error}"))
        })?;
        let desk = Desk::new(registry.clone(), Some(calls.clone()), Arc::new(no_gate));
        let router = router(desk).layer(Extension(Peer::Inside(Actor::Uid(uid))));
        Ok(OpenStore { client: AdminClient::inside(router), registry, calls })
    }
}
