//! What the soak stands on: a gate, its upstreams, keys, and the file that changes under them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use callgate_testkit::{Authority, GrpcServer, Output, Program, ScriptedUpstream, TestGate};

use crate::counters::{Before, Counts};
use crate::upstream::Echo;

/// The limit of the API `limited`, whose calls are counted against it.
pub(crate) const LIMIT_PER_S: u64 = 20;

/// Everything that callers and changes work with.
pub(crate) struct Ground {
    /// Upgrades put another process in its place.
    gate: RwLock<TestGate>,
    /// The processes that served before, and have not ended yet.
    replaced: Mutex<Vec<Program>>,
    /// What those processes counted.
    pub(crate) before: Before,
    /// How long it all lasts.
    pub(crate) lasts: Duration,
    pub(crate) authority: Authority,
    /// The authority's certificate.
    pub(crate) ca: PathBuf,
    /// The listeners: in the clear, and over TLS.
    pub(crate) clear: SocketAddr,
    pub(crate) secure: SocketAddr,
    pub(crate) health: SocketAddr,
    /// A key that lives as long as the soak.
    pub(crate) key: String,
    pub(crate) over: Over,
    upstreams: Upstreams,
}

struct Upstreams {
    /// Answers always, in the way that a call asks it to.
    steady: Echo,
    /// Comes and goes.
    flaky: Echo,
    /// Sends back what a WebSocket says.
    live: ScriptedUpstream,
    /// Speaks gRPC.
    books: GrpcServer,
}

/// Whether it is over, for everybody who waits for something else.
#[derive(Debug, Default)]
pub(crate) struct Over {
    said: Mutex<bool>,
    heard: Condvar,
}

// === impl Over ===

impl Over {
    /// Says so.
    pub(crate) fn end(&self) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.heard.notify_all();
    }

    /// Rests so long, or until it is over; says whether it is.
    pub(crate) fn after(&self, rest: Duration) -> bool {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (said, _) =
            self.heard.wait_timeout_while(said, rest, |said| !*said).unwrap_or_else(PoisonError::into_inner);
        *said
    }
}

// === impl Ground ===

impl Ground {
    /// Starts upstreams and the gate.
    pub(crate) fn prepare(lasts: Duration) -> Ground {
        let upstreams = Upstreams {
            steady: Echo::start(),
            flaky: Echo::start(),
            live: ScriptedUpstream::echoing_websockets(),
            books: GrpcServer::start(),
        };
        let authority = Authority::new();
        #[expect(clippy::unwrap_used, reason = "no soak without a folder")]
        let folder = tempfile::tempdir().unwrap();
        authority.certificate(&["localhost"]).write(folder.path(), "cert");
        let ca = authority.write(folder.path());
        let gate = TestGate::start_in(folder, &yaml(0, &upstreams));
        let key = gate.new_key("ada").text;
        let listeners = gate.addresses().to_vec();
        let [clear, secure] = *listeners.as_slice() else { unreachable!("the file has two listeners") };
        let health = gate.health();
        let (over, replaced, before) = (Over::default(), Mutex::default(), Before::default());
        let gate = RwLock::new(gate);
        Ground { gate, replaced, before, lasts, authority, ca, clear, secure, health, key, over, upstreams }
    }

    /// The gate, by the process that serves now.
    pub(crate) fn gate(&self) -> RwLockReadGuard<'_, TestGate> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.gate().id()
    }

    /// What comes and goes.
    pub(crate) fn flaky(&self) -> &Echo {
        &self.upstreams.flaky
    }

    /// The file after so many changes.
    pub(crate) fn yaml(&self, change: u64) -> String {
        yaml(change, &self.upstreams)
    }

    /// Has another process take the gate's place, while everything else goes on.
    ///
    /// # Errors
    /// What it said instead.
    pub(crate) fn upgrade(&self) -> Result<(), Output> {
        let counts = Counts::now(self.health);
        let successor = self.gate().successor()?;
        let old = self.gate.write().unwrap_or_else(PoisonError::into_inner).succeeded_by(successor);
        self.before.keep(&counts);
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        for program in replaced.iter_mut() {
            // Asking lets the kernel forget one that has ended.
            let _is_running = program.is_running();
        }
        replaced.push(old);
        Ok(())
    }

    /// The processes that were replaced and have not been looked at since.
    pub(crate) fn replaced(&self) -> Vec<Program> {
        std::mem::take(&mut *self.replaced.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The gate alone, at the end.
    pub(crate) fn into_gate(self) -> TestGate {
        self.gate.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every change adds and removes routes, and moves limits, plans and time bounds; none of them may be felt by a call that
/// the soak counts on.
fn yaml(change: u64, upstreams: &Upstreams) -> String {
    let routes: String =
        (0..change % 7).map(|number| format!("      - GET /extra/{number}/{change}: {{}}\n")).collect();
    let (wide, at_once) = (1_000_000 + change % 5, 900_000 + change % 5);
    let (steady, flaky) = (upstreams.steady.address(), upstreams.flaky.address());
    let (live, books) = (upstreams.live.address(), upstreams.books.url());
    format!(
        "\
version: 1
workers: 2
listen:
  - address: 127.0.0.1:0
  - {{ address: 127.0.0.1:0, tls: {{ certificate: cert.pem, key: cert.key }} }}
health: 127.0.0.1:0
log: {{ access: access.log, rotate: {{ size: 16MiB, keep: 2 }} }}
lockout: off
drain: {{ timeout: 10s }}
plans:
  free: {{ limits: [{wide}/s], quota: 1000000000/day, concurrent: {at_once} }}
  other{change}: {{ limits: [{wide}/h] }}
apis:
  steady:
    path: /steady
    upstream: http://{steady}
    access: key
    limits: [{wide}/s per ip, {wide}/s per key]
    timeout: {timeout}s
    routes:
      - \"* /**\": {{}}
{routes}  chaos:
    path: /chaos
    upstream: http://{steady}
    access: public
  flaky:
    path: /flaky
    upstream: http://{flaky}
    access: public
  limited:
    path: /limited
    upstream: http://{steady}
    access: public
    limits: [\"tight: {LIMIT_PER_S}/s per api\"]
  acts:
    path: /acts
    upstream: http://{steady}
    access: key
  crowd:
    path: /crowd
    upstream: http://{steady}
    access: public
  live:
    path: /live
    upstream: http://{live}
    access: key
    websocket: allow
  books:
    upstream: {{ server: \"{books}\", protocol: http2 }}
    access: key
",
        timeout = 20 + change % 3,
    )
}
