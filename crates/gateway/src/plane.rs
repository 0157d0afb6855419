//! The data plane as a whole: its threads, and how they stop.
//!
//! Each worker is an OS thread with a current-thread runtime; a connection stays on the worker that accepted it. The
//! kernel gives a connection to whichever worker asks first, which is one that is not busy.

mod relay;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use callgate_transport::Timing;
use callgate_transport::gauge::Connections;
use callgate_transport::greet::{self, Greeted};
use callgate_transport::http1::Inspected;
use callgate_transport::listen::{self, Listener, LocalListener};
use callgate_transport::serve::{Drain, Server};
use http::Request;
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::body::ClientBody;
use crate::call::{self, Arrival};
use crate::worker::Worker;
use crate::{Gate, refused};

/// The running data plane.
#[derive(Debug)]
pub struct Plane {
    stop: watch::Sender<Option<Duration>>,
    threads: Vec<JoinHandle<()>>,
    /// Connections of all workers, for metrics.
    pub connections: Arc<Connections>,
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
        let connections = Connections::new(listen_bounds());
        let (stop, stopped) = watch::channel(None);
        let bound = Arc::new(bound);
        let threads = (0..workers.max(1)).map(|index| {
            let (gate, bound, connections, stopped) =
                (Arc::clone(gate), Arc::clone(&bound), Arc::clone(&connections), stopped.clone());
            let seed = seed ^ (index as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
            let run = move || {
                if let Err(error) = run(&gate, bound, &connections, stopped, seed) {
                    tracing::error!(%error, "a worker could not start");
                }
            };
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(run)
        });
        let threads = threads.collect::<Result<Vec<_>, _>>()?;
        Ok(Plane { stop, threads, connections })
    }

    /// Stops accepting, lets calls under way end within this time, and waits for the workers.
    pub fn stop(self, within: Duration) {
        // Fails only when every worker has ended already.
        let _ended = self.stop.send(Some(within));
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended by a panic; this is a defect");
            }
        }
    }
}

fn listen_bounds() -> callgate_transport::gauge::ConnectionBounds {
    callgate_transport::gauge::ConnectionBounds::default()
}

fn run(
    gate: &Arc<Gate>,
    bound: Arc<Vec<Bound>>,
    connections: &Arc<Connections>,
    mut stopped: watch::Receiver<Option<Duration>>,
    seed: u64,
) -> std::io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let worker = Worker::new(Arc::clone(gate), seed);
        let server = Rc::new(Server::new(Timing::default()));
        let drain = Rc::new(Drain::new());
        let mut accepting = Vec::new();
        for bound in bound.iter() {
            let local = bound.listener.local(Arc::clone(connections), !bound.tls)?;
            let name = bound.listener.address().to_string().into();
            let door = Door { index: bound.index, tls: bound.tls, name, relay: None };
            let task = accept(local, door, Rc::clone(&worker), Rc::clone(&server), Rc::clone(&drain));
            accepting.push(tokio::task::spawn_local(task));
        }
        // The last holder of a socket closes it: from the moment that no worker accepts, the kernel must not take
        // connections in either, or clients would wait for a gate that is going away.
        drop(bound);
        // An error means that the plane itself is gone, which is a reason to stop too.
        let within = stopped.wait_for(Option::is_some).await.ok().and_then(|within| *within).unwrap_or_default();
        for task in accepting {
            task.abort();
        }
        drain.begin();
        if tokio::time::timeout(within, drain.finished()).await.is_err() {
            tracing::warn!(
                open = drain.open(),
                "calls were still under way when the drain's time was over; they are cut"
            );
        }
        Ok(())
    })
}

async fn accept(listener: LocalListener, door: Door, worker: Rc<Worker>, server: Rc<Server>, drain: Rc<Drain>) {
    loop {
        let relayed = || worker.snapshot().listeners.get(door.index).is_some_and(|listener| listener.relayed);
        let mut arrival = listener.accept(relayed).await;
        let (mut door, worker, server) = (door.clone(), Rc::clone(&worker), Rc::clone(&server));
        let drain = Rc::clone(&drain);
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
            // In memory of its own: what a handshake needs is not held by every connection to its end.
            match Box::pin(greet::greet(socket, tls, &Timing::default())).await {
                Ok(greeted) => serve(greeted, peer.ip(), door, worker, &server, &drain).await,
                Err(error) => tracing::debug!(%peer, %error, "a connection never came to its first call"),
            }
        });
    }
}

/// Serves one greeted connection to its end. Open for the instruction counts of `bench/hot`.
#[doc(hidden)]
pub async fn serve<IO>(
    greeted: Greeted<IO>,
    peer: IpAddr,
    door: Door,
    worker: Rc<Worker>,
    server: &Server,
    drain: &Drain,
) where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let arrival = Arrival {
        listener: door.index,
        listener_name: door.name,
        peer,
        relay: door.relay,
        tls: door.tls,
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
    if let Err(error) = server.serve(greeted, drain, each).await {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}
