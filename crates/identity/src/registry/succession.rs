//! One process takes the place of another over the same store: the old one does no more acts, and hears of those that the new
//! one does until it has ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

use super::{Registry, RegistryError};

/// Changes of the store, each with the word that it was taken in.
pub type Changes = mpsc::Receiver<oneshot::Sender<()>>;

/// While it lives, acts wait.
#[derive(Debug)]
pub struct Paused {
    _acts: OwnedMutexGuard<()>,
}

/// An act is answered when the processes that still serve by the old table have taken it in. One that does not is not waited
/// for longer than this, nor asked again.
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(2);

/// What this process shares with others over the same store.
#[derive(Debug, Default)]
pub(super) struct Succession {
    handed_over: AtomicBool,
    /// Processes before this one that have not ended.
    predecessors: Mutex<Vec<mpsc::Sender<oneshot::Sender<()>>>>,
}

// === impl Registry ===

impl Registry {
    /// Lets acts wait, after those that run.
    pub async fn pause(&self) -> Paused {
        Paused { _acts: Arc::clone(&self.0.acts).lock_owned().await }
    }

    /// From here on no act is done here: those that wait are told so.
    pub fn hand_over(&self, paused: Paused) {
        self.0.succession.handed_over.store(true, Ordering::Release);
        self.0.proofs.hand_over();
        drop(paused);
    }

    /// The acts from now on, for a process that still serves. Each is answered when it was taken in there.
    #[must_use]
    pub fn changes(&self) -> Changes {
        // One at a time: acts are.
        let (sender, changes) = mpsc::channel(1);
        self.0.succession.predecessors.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        changes
    }

    /// Waits until no process before this one is left.
    pub async fn predecessors_ended(&self) {
        let predecessors = self.0.succession.predecessors();
        for predecessor in predecessors {
            predecessor.closed().await;
        }
    }

    /// Takes in what another process did over the same store, and lets those before this one do so too.
    ///
    /// # Errors
    /// What the store says.
    pub async fn take_in(&self) -> Result<(), RegistryError> {
        // Clients before consumers: one that is made in between has no client among these.
        let clients = self.0.store.clients_list().await?;
        let (cuts, signing_keys) = (self.0.store.cuts_all().await?, self.0.store.signing_keys().await?);
        let now_ms = self.0.clock.unix_ms();
        self.0.table.take_over(&self.0.store, now_ms).await?;
        let of = |number| self.0.table.consumer_numbered(number);
        self.0.tokens.take_over(&clients, &cuts, &signing_keys, of, now_ms)?;
        self.0.succession.tell().await;
        Ok(())
    }
}

// === impl Succession ===

impl Succession {
    fn predecessors(&self) -> Vec<mpsc::Sender<oneshot::Sender<()>>> {
        self.predecessors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn check(&self) -> Result<(), RegistryError> {
        if self.handed_over.load(Ordering::Acquire) { Err(RegistryError::HandedOver) } else { Ok(()) }
    }

    /// Tells the processes before this one that the store has changed, and waits until they have taken it in.
    pub(super) async fn tell(&self) {
        let predecessors = self.predecessors();
        let mut gone = false;
        for predecessor in predecessors {
            let (taken_in, word) = oneshot::channel();
            let told = async { predecessor.send(taken_in).await.is_ok() && word.await.is_ok() };
            match tokio::time::timeout(TAKEN_IN_WITHIN, told).await {
                Ok(true) => {}
                Ok(false) => gone = true,
                Err(_) => tracing::warn!(
                    "the process before this one did not take an act in within {TAKEN_IN_WITHIN:?}: until it has ended, calls on \
                     connections that it still has are judged without it"
                ),
            }
        }
        if gone {
            let mut predecessors = self.predecessors.lock().unwrap_or_else(PoisonError::into_inner);
            predecessors.retain(|predecessor| !predecessor.is_closed());
        }
    }
}
