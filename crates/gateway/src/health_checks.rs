//! Health checks of upstream servers: one after the other for each server, whatever the number of workers.
//!
//! They run on a thread of their own: a handshake with a server takes more of a processor than a call does, and neither calls
//! nor administration should wait for it. What they find goes to the server's standing, where every call sees it. A check
//! that no server of an upstream has ever passed is not heeded: it says more about the file than about the servers
//! (decision 0011).

mod verdict;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use callgate_model::bounds;
use callgate_transport::upstream::{Member, Server, Standing};
use http::HeaderValue;
use tokio::runtime;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::Instant;

use crate::Gate;
use crate::chain::chain;
use crate::snapshot::{Api, Health, Snapshot};
use verdict::{Row, Turn};

/// The checks of a running gate.
#[derive(Debug)]
pub struct HealthChecks {
    /// Ends them when it is dropped.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Whom checks are made of, and how.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    api: Arc<str>,
    name: Arc<str>,
    server: Server,
    host: HeaderValue,
    health: Health,
}

/// A server under check.
struct Watched {
    /// Taken up by the next check: connection settings that are the same may still be others than before a reload.
    target: Rc<RefCell<Target>>,
    standing: Arc<Standing>,
    task: AbortHandle,
}

/// Whether any server of an upstream has passed its check since this was written as it is.
type Proven = Rc<Cell<bool>>;

/// Everybody under check, by how they stand: a server of an API keeps its standing over reloads.
struct Round {
    gate: Arc<Gate>,
    watched: HashMap<usize, Watched>,
    proven: HashMap<Arc<str>, (Health, Proven)>,
    turns: Rc<Semaphore>,
}

// === impl HealthChecks ===

impl HealthChecks {
    /// Starts what the gate's configuration asks for, and follows its reloads.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start(gate: &Arc<Gate>) -> std::io::Result<HealthChecks> {
        let gate = Arc::clone(gate);
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let run = move || LocalSet::new().block_on(&runtime, follow(gate, stopped));
        let thread = std::thread::Builder::new().name("health-checks".to_owned()).spawn(run)?;
        Ok(HealthChecks { stop, thread })
    }

    /// Ends them, checks under way included.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("health checks ended by a panic; this is a defect");
        }
    }
}

async fn follow(gate: Arc<Gate>, mut stopped: oneshot::Receiver<()>) {
    let mut reloads = gate.reloads();
    let turns = Rc::new(Semaphore::new(bounds::HEALTH_CHECKS_MAX));
    let mut round = Round { gate, watched: HashMap::new(), proven: HashMap::new(), turns };
    loop {
        let snapshot = round.gate.snapshot();
        round.take(&snapshot);
        drop(snapshot);
        tokio::select! {
            // The gate is held here, so nothing but a reload ends this.
            _reloaded = reloads.changed() => {}
            _ended = &mut stopped => return,
        }
    }
}

// === impl Round ===

impl Round {
    /// Begins with whom this configuration names, and ends with whom it does not name any more.
    fn take(&mut self, snapshot: &Snapshot) {
        let mut before = std::mem::take(&mut self.watched);
        let mut proven = HashMap::new();
        for api in snapshot.hosts.apis() {
            let Some(health) = &api.health else { continue };
            let known = self.proven.remove(&api.name).filter(|(known, _)| known == health);
            let (_, passed) =
                proven.entry(Arc::clone(&api.name)).or_insert(known.unwrap_or((health.clone(), Proven::default())));
            for member in &api.servers {
                let place = Arc::as_ptr(&member.standing).addr();
                let target = Target::new(api, member, health);
                let known = before.remove(&place);
                let watched = match known {
                    Some(known) if known.target.borrow().health == *health => {
                        known.target.replace(target);
                        known
                    }
                    other => {
                        other.inspect(|other| other.task.abort());
                        self.begin(target, &member.standing, Rc::clone(passed))
                    }
                };
                self.watched.insert(place, watched);
            }
        }
        for gone in before.into_values() {
            gone.task.abort();
            gone.standing.end_checks(self.gate.clock.mono_ns());
        }
        self.proven = proven;
    }

    fn begin(&self, target: Target, standing: &Arc<Standing>, proven: Proven) -> Watched {
        let target = Rc::new(RefCell::new(target));
        let (gate, turns) = (Arc::clone(&self.gate), Rc::clone(&self.turns));
        let watching = watch(gate, Rc::clone(&target), Arc::clone(standing), proven, turns);
        let task = tokio::task::spawn_local(watching).abort_handle();
        Watched { target, standing: Arc::clone(standing), task }
    }
}

/// Checks one server, until it is aborted.
async fn watch(
    gate: Arc<Gate>,
    target: Rc<RefCell<Target>>,
    standing: Arc<Standing>,
    proven: Proven,
    turns: Rc<Semaphore>,
) {
    let Health { check, every, rise, fall } = target.borrow().health.clone();
    let mut row = Row::new(rise, fall);
    // Not all servers of a file at one moment, nor all nodes that were started together.
    let mut next = Instant::now() + every.mul_f64(share());
    loop {
        tokio::time::sleep_until(next).await;
        let Ok(turn) = turns.acquire().await else { return };
        next = Instant::now() + every.mul_f64(0.9 + share() / 5.0);
        let Target { api, name, server, host, .. } = target.borrow().clone();
        let made = Box::pin(check.make(&server, &host)).await;
        drop(turn);
        let turn = match &made {
            Err(fault) if !fault.is_the_servers() => continue,
            Err(_) => row.failed(),
            Ok(()) => row.passed(),
        };
        if made.is_ok() {
            proven.set(true);
        }
        let why = made.err().map(|fault| chain(&fault)).unwrap_or_default();
        let (api, server) = (&*api, &*name);
        match turn {
            Some(Turn::In) if standing.let_in_by_checks(gate.clock.mono_ns()) => {
                tracing::info!(api, server, "a server that was left out passes its health checks");
            }
            Some(Turn::Out) if proven.get() && standing.leave_out_by_checks(gate.clock.mono_ns()) => {
                tracing::warn!(api, server, "a server is left out: its health checks fail: {why}");
            }
            Some(Turn::Out) if !proven.get() && row.is_just_out() => tracing::warn!(
                api,
                server,
                "a server fails its health checks, and gets calls all the same: no server of this API has passed one yet \
                 ({why})"
            ),
            _ => {}
        }
    }
}

// === impl Target ===

impl Target {
    fn new(api: &Api, member: &Member, health: &Health) -> Target {
        Target {
            api: Arc::clone(&api.name),
            name: Arc::clone(&member.name),
            server: member.server.clone(),
            host: member.host.clone(),
            health: health.clone(),
        }
    }
}

/// A number from 0 to 1, by chance.
fn share() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
