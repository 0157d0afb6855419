//! What all workers share: the snapshot they read, and the state that must outlive it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::ArcSwap;
use callgate_config::Config;
use callgate_identity::{ForeignTokens, KeyTable, Lockout, LockoutRule, Proofs, TokenTable};
use callgate_model::{Clock, bounds};
use callgate_records::RecorderHandle;
use tokio::sync::watch;

use crate::limiter::Addresses;
use crate::local::Local;
use crate::memory::Memory;
use crate::quota::Quotas;
use crate::snapshot::{CompileError, Snapshot, same_sockets};

/// The gate: one per process, shared by its workers.
#[derive(Debug)]
pub struct Gate {
    /// The compiled configuration; swapped whole.
    snapshot: ArcSwap<Snapshot>,
    /// Told of each reload, for whoever does something by the configuration without a call.
    reloaded: watch::Sender<()>,
    /// Who may call. Not in the snapshot: keys change one by one.
    pub keys: Arc<KeyTable>,
    /// Whose tokens count; none takes none.
    pub tokens: Option<Arc<TokenTable>>,
    /// Which proofs of possession were used.
    pub proofs: Option<Arc<Proofs>>,
    /// Verified tokens of other issuers.
    pub foreign: ForeignTokens,
    /// Answers calls of the gate's own API.
    pub local: Option<Arc<dyn Local>>,
    /// Addresses that guess.
    pub lockout: Lockout,
    /// Limit cells of addresses and header values.
    pub addresses: Addresses,
    /// Quota cells.
    pub quotas: Arc<Quotas>,
    /// How much memory is in use, and whether that is too much.
    pub memory: Memory,
    /// Where records go.
    pub recorder: RecorderHandle,
    /// The time.
    pub clock: Clock,
    /// Every snapshot that somebody may still hold.
    snapshots: Mutex<Vec<Weak<Snapshot>>>,
    draining: AtomicBool,
    /// Another process serves in this one's place.
    handed_over: AtomicBool,
    /// The configuration it was started with: what needs a restart is what differs from it.
    started: Arc<Config>,
    /// Calls under way, one counter a worker: a shared one would be a line that all workers fight for.
    running: Mutex<Vec<Arc<AtomicU64>>>,
}

/// What a reload changed, for the log and the admin API.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReloadReport {
    /// The new snapshot's number.
    pub generation: u64,
    /// Routes that are new.
    pub routes_added: usize,
    /// Routes that are gone.
    pub routes_removed: usize,
    /// Changed settings that only a restart takes up.
    pub needs_restart: Vec<String>,
}

// === impl Gate ===

impl Gate {
    /// A gate over its first snapshot.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        keys: Arc<KeyTable>,
        quotas: Arc<Quotas>,
        recorder: RecorderHandle,
        clock: Clock,
    ) -> Gate {
        let lockout = Lockout::new(snapshot.lockout.map(lockout_rule));
        let started = Arc::clone(&snapshot.config);
        recorder.set_config_generation(snapshot.generation);
        let snapshot = Arc::new(snapshot);
        Gate {
            snapshots: Mutex::new(vec![Arc::downgrade(&snapshot)]),
            snapshot: ArcSwap::new(snapshot),
            reloaded: watch::Sender::new(()),
            keys,
            tokens: None,
            proofs: None,
            foreign: ForeignTokens::new(),
            local: None,
            lockout,
            addresses: Addresses::new(bounds::ADDRESS_CELLS_MAX),
            quotas,
            memory: Memory::default(),
            recorder,
            clock,
            draining: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            started,
            running: Mutex::default(),
        }
    }

    /// The same with tokens, and with somebody who issues them.
    #[must_use]
    pub fn with_issuer(self, tokens: Arc<TokenTable>, proofs: Arc<Proofs>, local: Arc<dyn Local>) -> Gate {
        Gate { tokens: Some(tokens), proofs: Some(proofs), local: Some(local), ..self }
    }

    /// The configuration that a call beginning now is judged by.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Whether a worker's cached snapshot is still the one.
    #[must_use]
    pub fn is_current(&self, cached: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot.load(), cached)
    }

    /// Takes over another configuration: wholly, or not at all. Calls under way end by the one they began with.
    ///
    /// # Errors
    /// Why it does not compile; the last good one stays.
    pub fn reload(&self, config: Arc<Config>) -> Result<ReloadReport, CompileError> {
        let before = self.snapshot();
        let after = Snapshot::compile(config, Some(&before))?;
        let report = ReloadReport {
            generation: after.generation,
            routes_added: routes(&after).difference(&routes(&before)).count(),
            routes_removed: routes(&before).difference(&routes(&after)).count(),
            needs_restart: needs_restart(&self.started, &after.config),
        };
        self.lockout.set_rule(after.lockout.map(lockout_rule));
        let after = Arc::new(after);
        self.held().push(Arc::downgrade(&after));
        self.snapshot.store(after);
        self.reloaded.send_replace(());
        Ok(report)
    }

    /// Changes with each reload from now on.
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<()> {
        self.reloaded.subscribe()
    }

    /// How many configurations are in memory: the one for new calls, what workers saw last, and what calls under way began
    /// with.
    #[must_use]
    pub fn snapshots(&self) -> usize {
        self.held().len()
    }

    fn held(&self) -> MutexGuard<'_, Vec<Weak<Snapshot>>> {
        let mut held = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|snapshot| snapshot.strong_count() > 0);
        held
    }

    /// Calls under way on all workers.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().map(|worker| worker.load(Ordering::Relaxed)).sum()
    }

    /// A new worker's counter of calls under way.
    pub(crate) fn running_counter(&self) -> Arc<AtomicU64> {
        let counter = Arc::<AtomicU64>::default();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counter));
        counter
    }

    /// From here on readiness says no, and connections close after their call.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// From here on another process says whether the gate is ready, on the same address.
    pub fn hand_over(&self) {
        self.handed_over.store(true, Ordering::Release);
    }

    /// Whether another process serves in this one's place.
    #[must_use]
    pub fn is_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Acquire)
    }

    /// Whether the gate is on its way down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

fn lockout_rule(lockout: callgate_config::Lockout) -> LockoutRule {
    LockoutRule { failures: lockout.failures, within: lockout.within, lasts: lockout.for_ }
}

fn routes(snapshot: &Snapshot) -> HashSet<(&str, Option<&str>, &str)> {
    let apis = snapshot.config.apis.iter();
    let routes = apis.flat_map(|api| {
        api.routes.iter().map(|route| (api.name.as_str(), route.method.as_deref(), route.pattern.text.as_str()))
    });
    routes.collect()
}

fn needs_restart(before: &Config, after: &Config) -> Vec<String> {
    let mut settings = Vec::new();
    let mut compare = |name: &str, same: bool| {
        if !same {
            settings.push(name.to_owned());
        }
    };
    // Rules and certificates of a listener are taken over at once; only its socket is not.
    compare("listen", same_sockets(&before.listen, &after.listen));
    compare("health", before.health == after.health);
    compare("data_dir", before.data_dir == after.data_dir);
    compare("workers", before.workers == after.workers);
    compare("log", before.log == after.log);
    // Its certificate is taken over at once too.
    let admin = |config: &Config| config.admin.as_ref().map(|admin| (admin.address, admin.tls.is_some()));
    compare("admin", admin(before) == admin(after));
    settings
}
