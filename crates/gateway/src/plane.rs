//! The data plane as a whole: its threads, and how they stop.
//!
//! Each worker is an OS thread with a current-thread runtime; a connection stays on the worker that accepted it. The
//! kernel gives a connection to whichever worker asks first, which is one that is not busy.

mod relay;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use callgate_transport::Timing;
use callgate_transport::gauge::{ConnectionBounds, Connections};
use callgate_transport::greet::{self, Greeted};
use callgate_transport::http1::Inspected;
use callgate_transport::listen::{self, Listener, LocalListener};
use callgate_transport::serve::{Drain, Entered, Server};
use http::Request;
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::body::ClientBody;
use crate::call::{self, Arrival, Shown};
use crate::worker::Worker;
use crate::{Gate, refused};

/// After the drain's time: for silent connections to be closed in order, with TLS's own last word.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// The running data plane.
#[derive(Debug)]
pub struct Plane {
    stop: watch::Sender<Option<Patience>>,
    threads: Vec<JoinHandle<()>>,
    /// Connections of all workers, for metrics.
    pub connections: Arc<Connections>,
}

/// How long a stop waits, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For connections to end, with their calls.
    pub within: Duration,
    /// Also for connections without a call: the client of each may be sending one.
    pub leaves_idle: bool,
}

/// One bound listener, with the place of its rules in the configuration.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub listener: Listener,
    /// Its place in `listen`.
    pub index: usize,
    /// Over TLS.
    pub tls: bool,
}

/// The sockets that all workers accept from. Whoever lets go of them last closes them, and the others hear of it.
#[derive(Debug)]
struct Sockets {
    sockets: Vec<Bound>,
    _open: watch::Sender<()>,
}

/// A worker's hold on the sockets.
#[derive(Debug, Clone)]
struct Listening {
    bound: Arc<Sockets>,
    /// Ends with the sockets.
    closed: watch::Receiver<()>,
    /// Workers whose connections go on as if nothing was said.
    unaware: Arc<AtomicUsize>,
}

/// What a connection needs to know of where it came in. Open for the instruction counts of `bench/hot`.
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Door {
    pub index: usize,
    pub tls: bool,
    pub name: Arc<str>,
    /// The proxy that relays the connection, where it begins with a PROXY header.
    pub relay: Option<IpAddr>,
}

// === impl Plane ===

impl Plane {
    /// Starts the workers. `seed` makes call ids differ between runs.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start(gate: &Arc<Gate>, bound: Vec<Bound>, workers: usize, seed: u64) -> std::io::Result<Plane> {
        let connections = Connections::new(ConnectionBounds::of_this_process());
        let (stop, stopped) = watch::channel(None);
        let (open, closed) = watch::channel(());
        let (bound, workers) = (Arc::new(Sockets { sockets: bound, _open: open }), workers.max(1));
        let listening = Listening { bound, closed, unaware: Arc::new(AtomicUsize::new(workers)) };
        let threads = (0..workers).map(|index| {
            let (gate, listening, connections, stopped) =
                (Arc::clone(gate), listening.clone(), Arc::clone(&connections), stopped.clone());
            let seed = seed ^ (index as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
            let run = move || {
                if let Err(error) = run(&gate, listening, &connections, stopped, seed) {
                    tracing::error!(%error, "a worker could not start");
                }
            };
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(run)
        });
        let threads = threads.collect::<Result<Vec<_>, _>>()?;
        Ok(Plane { stop, threads, connections })
    }

    /// Stops accepting, tells connections to end and lets them do so, and waits for the workers.
    pub fn stop(self, patience: Patience) {
        // Fails only when every worker has ended already.
        let _ended = self.stop.send(Some(patience));
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended by a panic; this is a defect");
            }
        }
    }
}

fn run(
    gate: &Arc<Gate>,
    listening: Listening,
    connections: &Arc<Connections>,
    mut stopped: watch::Receiver<Option<Patience>>,
    seed: u64,
) -> std::io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let worker = Worker::new(Arc::clone(gate), seed);
        let server = Rc::new(Server::new(Timing::default()));
        let drain = Drain::new();
        let (mut accepting, mut doors) = (Vec::new(), Vec::new());
        for bound in &listening.bound.sockets {
            let local = bound.listener.local(Arc::clone(connections), !bound.tls)?;
            let name = bound.listener.address().to_string().into();
            let door = Door { index: bound.index, tls: bound.tls, name, relay: None };
            doors.push(door.clone());
            let task = accept(local, door, Rc::clone(&worker), Rc::clone(&server), drain.clone());
            accepting.push(tokio::task::spawn_local(task));
        }
        // An error means that the plane itself is gone, which is a reason to stop too.
        let patience = stopped.wait_for(Option::is_some).await.ok().and_then(|patience| *patience);
        let patience = patience.unwrap_or(Patience { within: Duration::ZERO, leaves_idle: false });
        for task in &accepting {
            task.abort();
        }
        for task in accepting {
            // It was told to end; only its end is waited for, because it holds the socket too.
            let _ended = task.await;
        }
        let Listening { bound, mut closed, unaware } = listening;
        // The last holder of the sockets closes them, with nobody left in the kernel's queue whom that would reset.
        if let Some(bound) = Arc::into_inner(bound) {
            for (bound, door) in bound.sockets.iter().zip(&doors) {
                let relayed = is_relayed(&worker, door);
                while let Some(arrival) = bound.listener.waiting(relayed, connections, !bound.tls) {
                    take_in(arrival, door, &worker, &server, &drain);
                }
            }
        }
        // Only now is a client told to leave: it may come again at once, and must not find a socket that is about to close.
        // An error is what is waited for: the sockets' owner is gone.
        while closed.changed().await.is_ok() {}
        drain.begin();
        if unaware.fetch_sub(1, Ordering::AcqRel) == 1 {
            tracing::info!("no new connection is taken, and each that is open ends with its next answer");
        }
        if !patience.leaves_idle {
            drain.close_idle();
        }
        if tokio::time::timeout(patience.within, drain.finished()).await.is_err() {
            drain.close_idle();
            if tokio::time::timeout(LAST_WORDS, drain.finished()).await.is_err() {
                let (open, calls) = (drain.open(), gate.in_flight());
                tracing::warn!(open, calls, "connections were still open when the drain's time was over; they are cut");
                call::cut_what_is_left();
            }
        }
        Ok(())
    })
}

async fn accept(listener: LocalListener, door: Door, worker: Rc<Worker>, server: Rc<Server>, drain: Drain) {
    loop {
        let arrival = listener.accept(|| is_relayed(&worker, &door)).await;
        take_in(arrival, &door, &worker, &server, &drain);
    }
}

fn is_relayed(worker: &Worker, door: &Door) -> bool {
    worker.snapshot().listeners.get(door.index).is_some_and(|listener| listener.relayed)
}

/// Serves a connection that was let in, in a task of its own.
fn take_in(mut arrival: listen::Arrival, door: &Door, worker: &Rc<Worker>, server: &Rc<Server>, drain: &Drain) {
    let (mut door, worker, server) = (door.clone(), Rc::clone(worker), Rc::clone(server));
    // Counted from its first moment, which is not the first of its task: a drain must not end between a client's handshake and
    // its first call.
    let mut entered = drain.enter();
    tokio::task::spawn_local(async move {
        // What a header needs is not held by every connection to its end either.
        if arrival.relayed && !Box::pin(relay::unfold(&mut arrival, &mut door, &worker)).await {
            return;
        }
        let listen::Arrival { socket, peer, permit: _permit, .. } = arrival;
        let tls = worker.snapshot().listeners.get(door.index).and_then(|listener| listener.tls.clone());
        // A TLS listener never falls back to clear text, whatever a reload did to its certificates.
        if door.tls && tls.is_none() {
            return;
        }
        let tls = tls.filter(|_| door.tls);
        let greeted = tokio::select! {
            // In memory of its own: what a handshake needs is not held by every connection to its end.
            greeted = Box::pin(async move { greet::greet(socket, tls, &Timing::default()).await }) => greeted,
            () = entered.closed() => return,
        };
        match greeted {
            Ok(greeted) => serve(greeted, peer.ip(), door, worker, &server, entered).await,
            Err(error) => tracing::debug!(%peer, %error, "a connection never came to its first call"),
        }
    });
}

/// Serves one greeted connection to its end. Open for the instruction counts of `bench/hot`.
#[doc(hidden)]
pub async fn serve<IO>(
    greeted: Greeted<IO>,
    peer: IpAddr,
    door: Door,
    worker: Rc<Worker>,
    server: &Server,
    entered: Entered,
) where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let arrival = Arrival {
        listener: door.index,
        listener_name: door.name,
        peer,
        relay: door.relay,
        tls: door.tls,
        certificate: greeted
            .tls
            .as_ref()
            .and_then(|facts| facts.certificate.clone())
            .map(|one| Rc::new(Shown::new(one))),
        server_name: greeted.tls.as_ref().and_then(|facts| facts.server_name.clone()),
        refused: None,
    };
    let each = move |request: Request<ClientBody>, inspected| {
        let mut arrival = arrival.clone();
        arrival.refused = match inspected {
            Inspected::Whole => None,
            Inspected::Fault(fault) => Some(refused::head(fault)),
            Inspected::TooSlow => Some(refused::head_too_slow()),
        };
        let worker = Rc::clone(&worker);
        async move { Ok(call::serve(worker, arrival, request).await) }
    };
    if let Err(error) = server.serve(greeted, entered, each).await {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}
