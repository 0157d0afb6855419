//! What the soak stands on: a gate, its upstreams, keys, and the file that changes under them.

use std::net::SocketAddr;
use std::sync::Condvar;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use callgate_testkit::{Authority, TestGate};

use crate::upstream::Echo;

/// The limit of the API `limited`, whose calls are counted against it.
pub(crate) const LIMIT_PER_S: u64 = 20;

/// Everything that callers and changes work with.
pub(crate) struct Ground {
    pub(crate) gate: TestGate,
    pub(crate) authority: Authority,
    /// The listeners: in the clear, and over TLS.
    pub(crate) clear: SocketAddr,
    pub(crate) secure: SocketAddr,
    pub(crate) health: SocketAddr,
    /// A key that lives as long as the soak.
    pub(crate) key: String,
    pub(crate) over: Over,
    /// Answers always, in the way that a call asks it to.
    pub(crate) steady: Echo,
    /// Comes and goes.
    pub(crate) flaky: Echo,
    id: u32,
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
    pub(crate) fn prepare() -> Ground {
        let (steady, flaky) = (Echo::start(), Echo::start());
        let authority = Authority::new();
        #[expect(clippy::unwrap_used, reason = "no soak without a folder")]
        let folder = tempfile::tempdir().unwrap();
        authority.certificate(&["localhost"]).write(folder.path(), "cert");
        let mut gate = TestGate::start_in(folder, &yaml(0, &steady, &flaky));
        let key = gate.new_key("ada").text;
        let id = gate.program().id();
        let listeners = gate.addresses().to_vec();
        let [clear, secure] = *listeners.as_slice() else { unreachable!("the file has two listeners") };
        let health = gate.health();
        Ground { gate, authority, clear, secure, health, key, over: Over::default(), steady, flaky, id }
    }

    /// The gate's process.
    pub(crate) fn process(&self) -> u32 {
        self.id
    }

    /// The file after so many changes.
    pub(crate) fn yaml(&self, change: u64) -> String {
        yaml(change, &self.steady, &self.flaky)
    }
}

/// Every change adds and removes routes, and moves limits, plans and time bounds; none of them may be felt by a call that
/// the soak counts on.
fn yaml(change: u64, steady: &Echo, flaky: &Echo) -> String {
    let routes: String =
        (0..change % 7).map(|number| format!("      - GET /extra/{number}/{change}: {{}}\n")).collect();
    let (wide, at_once) = (1_000_000 + change % 5, 900_000 + change % 5);
    let (steady, flaky) = (steady.address(), flaky.address());
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
",
        timeout = 20 + change % 3,
    )
}
