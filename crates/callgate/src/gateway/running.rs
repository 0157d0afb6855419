//! A running gate: everything that `serve`, `guard` and `demo` start, and stop again in the right order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use callgate_admin::serve::TlsSource;
use callgate_admin::socket::AdminSocket;
use callgate_admin::{Desk, Operations};
use callgate_config::{Config, LogTarget};
use callgate_gateway::health::{self, Probers};
use callgate_gateway::health_checks::HealthChecks;
use callgate_gateway::plane::{Patience, Plane};
use callgate_gateway::quota::Quotas;
use callgate_gateway::{Gate, Snapshot, issuer_keys};
use callgate_identity::Registry;
use callgate_model::{Clock, bounds};
use callgate_records::{Recorder, RecorderConfig, RecorderGuard, Rotation};
use callgate_store::{CallsDb, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::issuer::OwnIssuer;
use super::operations::RunningGate;
use super::sockets::Sockets;
use super::upgrade::{Estate, Heirs};
use super::{Inherited, Predecessor, Reloader};
use crate::service;

/// How often it is written down which keys were used.
const TOUCH_EVERY: Duration = Duration::from_secs(30);
/// How long the recorder may take to write what is left.
const RECORDS_WITHIN: Duration = Duration::from_secs(10);

/// How long the rest of a stop may take: leases, last uses, acts under way.
const LAST_ACTS_WITHIN: Duration = Duration::from_secs(10);

/// A gate that serves.
#[derive(Debug)]
pub struct Running {
    /// What the workers share.
    pub gate: Arc<Gate>,
    /// Acts on consumers and keys.
    pub registry: Registry,
    /// Recent calls and usage.
    pub calls: CallsDb,
    /// Where calls arrive, ports resolved.
    pub listening: Vec<Address>,
    /// Where health answers.
    pub health: Option<SocketAddr>,
    /// Where the admin API answers over TCP.
    pub admin: Option<Address>,
    plane: Plane,
    checks: HealthChecks,
    recorder: RecorderGuard,
    tasks: Vec<JoinHandle<()>>,
    /// Health.
    telling: Option<JoinHandle<()>>,
    /// Who asks for it.
    probers: Probers,
    operations: Arc<RunningGate>,
    /// Ends the admin API when it is dropped.
    ends_admin: watch::Sender<()>,
    /// The admin API, on each of its ways.
    administering: Vec<JoinHandle<()>>,
}

/// How a gate is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// As `drain` of the configuration says: clients and balancers are told before anything closes on them.
    Announced,
    /// Somebody sits and waits: only calls under way are waited for.
    AtOnce,
    /// Another process serves in this one's place: its connections end as they would, and nothing else is answered any more.
    HandedOver,
}

/// One listening address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: SocketAddr,
    /// Over TLS.
    pub tls: bool,
}

// === impl Address ===

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }
}

// === impl Running ===

impl Running {
    /// Starts everything that a configuration asks for. Whatever can be wrong is found before the first call is taken.
    ///
    /// # Errors
    /// What is wrong, in words for people.
    pub async fn start(config: Config) -> Result<Running> {
        Running::start_with(config, Inherited::default(), None).await
    }

    /// The same, on sockets that are open already where there are some, and in the place of a gate that still serves.
    ///
    /// # Errors
    /// What is wrong, in words for people. A predecessor goes on as before then.
    pub async fn start_with(
        config: Config,
        inherited: Inherited,
        mut predecessor: Option<Predecessor>,
    ) -> Result<Running> {
        service::raise_descriptors();
        let clock = Clock::system();
        let config = Arc::new(config);
        let snapshot = Snapshot::compile(Arc::clone(&config), None)?;
        let Sockets { bound, health, admin: over_tcp, passed_on } = Sockets::open(&config, inherited).await?;
        let listening =
            bound.iter().map(|bound| Address { address: bound.listener.address(), tls: bound.tls }).collect();
        let store = match &mut predecessor {
            Some(predecessor) => predecessor.share_store(&config.data_dir, clock.clone()).await?,
            None => Store::open(&config.data_dir, clock.clone()).await?,
        };
        let calls = CallsDb::open(&config.data_dir, bounds::CALLS_DB_BYTES_MAX).await?;
        let registry = Registry::open(store.clone(), clock.clone(), config.key_brand.clone()).await?;
        let records = RecorderConfig::new(clock.clone())
            .log(log_target(&config))
            .rotate(config.log.rotate.map(|rotate| Rotation { size: rotate.size, keep: rotate.keep }))
            .calls(calls.clone());
        let (handle, recorder) = Recorder::start(records)?;
        let (quotas, clerk) = Quotas::new(clock.clone());
        match predecessor {
            Some(_) => quotas.begin_beside_another(),
            None => quotas.recall(&store).await?,
        }
        registry.set_issuer(config.issuer.as_ref().map(|issuer| (issuer.url.as_str(), issuer.algorithm))).await?;
        let gate = Gate::new(snapshot, Arc::clone(registry.table()), quotas, handle, clock.clone());
        let issuer = Arc::new(OwnIssuer::new(registry.clone()));
        let gate = Arc::new(gate.with_issuer(Arc::clone(registry.tokens()), Arc::clone(registry.proofs()), issuer));
        let mut tasks = vec![tokio::spawn(clerk.run(store, clock)), tokio::spawn(touch(registry.clone()))];
        tasks.push(tokio::spawn(super::memory::watch(Arc::clone(&gate))));
        tasks.push(tokio::spawn(issuer_keys::follow(Arc::clone(&gate))));
        let health_address = health.as_ref().map(TcpListener::local_addr).transpose()?;
        let probers = Probers::default();
        let telling = health.map(|listener| tokio::spawn(health::serve(Arc::clone(&gate), listener, probers.clone())));
        let workers = config.workers_or_cores();
        // The admin API is bound before the first call is taken: a socket that somebody holds is a reason not to start.
        let mut socket = match predecessor {
            Some(_) => AdminSocket::bind_beside(&config.data_dir)?,
            None => AdminSocket::bind(&config.data_dir)?,
        };
        let plane = Plane::start(&gate, bound, workers, seed())?;
        let checks = HealthChecks::start(&gate)?;
        super::gauges::register(&gate, &plane.connections);
        let operations = Arc::new(RunningGate {
            gate: Arc::clone(&gate),
            connections: Arc::clone(&plane.connections),
            listening: Vec::clone(&listening),
            workers,
            started_ms: gate.clock.unix_ms(),
            heirs: Heirs::of(Estate { sockets: passed_on, registry: registry.clone() }),
            reloader: Mutex::default(),
        });
        if let Some(predecessor) = predecessor {
            predecessor.dismiss(&registry, &mut socket).await?;
        }
        let desk = Desk::new(registry.clone(), Some(calls.clone()), Arc::clone(&operations) as Arc<dyn Operations>);
        let (admin, ended) = watch::channel(());
        let mut administering =
            vec![tokio::spawn(callgate_admin::serve::socket(socket, desk.clone(), until(ended.clone())))];
        let mut admin_address = None;
        if let Some(listener) = over_tcp {
            let tls = admin_tls(&gate);
            admin_address = Some(Address { address: listener.local_addr()?, tls: tls.is_some() });
            administering.push(tokio::spawn(callgate_admin::serve::tcp(listener, tls, desk, until(ended))));
        }
        Ok(Running {
            gate,
            registry,
            calls,
            listening,
            health: health_address,
            admin: admin_address,
            plane,
            checks,
            recorder,
            tasks,
            telling,
            probers,
            operations,
            ends_admin: admin,
            administering,
        })
    }

    /// Lets the admin API reload the configuration.
    pub fn follow(&self, reloader: &Reloader) {
        *self.operations.reloader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reloader.clone());
    }

    /// Waits until another process serves in this one's place.
    pub async fn handed_over(&self) {
        self.operations.heirs.handed_over().await;
    }

    /// How long a stop may take.
    #[must_use]
    pub fn stops_within(&self) -> Duration {
        let drain = self.gate.snapshot().config.drain;
        drain.delay + drain.timeout + RECORDS_WITHIN + LAST_ACTS_WITHIN
    }

    /// Stops in order: readiness goes, then no new connection is taken, connections and their calls end, and everything
    /// that is kept of them is written.
    pub async fn stop(self, leave: Leave) {
        self.operations.heirs.end();
        let mut ends_admin = Some(self.ends_admin);
        if leave == Leave::HandedOver {
            // The new process answers on the same sockets.
            self.gate.hand_over();
            self.telling.iter().for_each(JoinHandle::abort);
            ends_admin.take();
        } else {
            self.gate.begin_drain();
        }
        let drain = self.gate.snapshot().config.drain;
        if leave == Leave::Announced && !drain.delay.is_zero() {
            tracing::info!(
                "stopping: not ready any more; calls are taken for another {:?}, so that balancers notice",
                drain.delay
            );
            tokio::time::sleep(drain.delay).await;
        }
        let connections = self.plane.connections.counts().open;
        if connections > 0 {
            tracing::info!(
                "stopping: {connections} connections are open, with {} calls under way, and get at most {:?}; a second \
                 signal ends at once",
                self.gate.in_flight(),
                drain.timeout
            );
        }
        let patience = Patience { within: drain.timeout, leaves_idle: leave != Leave::AtOnce };
        let (plane, checks) = (self.plane, self.checks);
        let stop = move || {
            plane.stop(patience);
            checks.stop();
        };
        let stopping = tokio::task::spawn_blocking(stop);
        if leave == Leave::HandedOver {
            // Their connections too end with the next answer, and whoever is about to ask must not find it cut.
            let _in_time = tokio::time::timeout(drain.timeout, self.probers.gone()).await;
        }
        let stopped = stopping.await;
        if stopped.is_err() {
            tracing::error!("the workers could not be waited for");
        }
        if leave == Leave::HandedOver {
            // A process before this one that has not ended hears of acts through it.
            self.registry.predecessors_ended().await;
        }
        self.gate.quotas.return_all(self.registry.store()).await;
        if let Err(error) = self.registry.write_touched().await {
            tracing::warn!(%error, "the last use of some keys was not written");
        }
        if !self.recorder.stop(RECORDS_WITHIN).await {
            tracing::warn!("the recorder did not end in time; some records are lost");
        }
        for task in self.tasks.into_iter().chain(self.telling) {
            task.abort();
        }
        // The recorder has ended, and with it whatever was followed: what is left are acts under way. They are waited for
        // within the admin API's own bound.
        drop(ends_admin);
        for serving in self.administering {
            if serving.await.is_err() {
                tracing::error!("the admin API broke off");
            }
        }
        self.calls.close().await;
    }
}

/// What the handshakes of the administration API are made by; none where it speaks in the clear.
fn admin_tls(gate: &Arc<Gate>) -> Option<TlsSource> {
    let first = Arc::clone(&gate.snapshot().admin.as_ref()?.config);
    let gate = Arc::clone(gate);
    // A file that has no `tls` here any more needs a restart; until then the first one stays.
    let current = move || gate.snapshot().admin.as_ref().map_or_else(|| first.clone(), |tls| tls.config.clone());
    Some(Arc::new(current))
}

async fn until(mut ended: watch::Receiver<()>) {
    // An error is the end: the sender is dropped.
    while ended.changed().await.is_ok() {}
}

fn log_target(config: &Config) -> callgate_records::LogTarget {
    match &config.log.access {
        LogTarget::Off => callgate_records::LogTarget::Off,
        LogTarget::Stdout => callgate_records::LogTarget::Stdout,
        LogTarget::File(path) => callgate_records::LogTarget::File(PathBuf::clone(path)),
    }
}

async fn touch(registry: Registry) {
    loop {
        tokio::time::sleep(TOUCH_EVERY).await;
        if let Err(error) = registry.write_touched().await {
            tracing::warn!(%error, "the last use of some keys was not written");
        }
    }
}

/// Differs between runs and machines: call ids are made from it.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}
