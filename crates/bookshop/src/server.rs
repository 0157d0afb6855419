//! The listener and its connections: HTTP/1.1 with keep-alive on the runtime of whoever starts it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::route;
use crate::shop::Shop;

/// Connections at one time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1_024;
/// Until a whole head has come; also how long a connection may stay without a call.
const HEAD_TIME_MAX: Duration = Duration::from_secs(75);
/// After an accept that failed (out of descriptors, most often): trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The sample API.
#[derive(Debug)]
pub struct Bookshop;

/// A bookshop that serves until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, port 0 resolved.
    pub addr: SocketAddr,
    /// Dropping it ends the accepting and, after the calls in flight, every connection.
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

// === impl Bookshop ===

impl Bookshop {
    /// Listens and serves, on the current tokio runtime. Fails when the address can't be listened on.
    pub async fn start(addr: SocketAddr) -> io::Result<Running> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let accepting = tokio::spawn(accept(listener, Arc::new(Shop::open()), stopped));
        Ok(Running { addr, stop, accepting })
    }
}

// === impl Running ===

impl Running {
    /// `http://ADDRESS`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Takes no more connections, lets the calls in flight end, and returns when the listener is closed.
    pub async fn stop(self) {
        drop(self.stop);
        // The task ends by itself; that it panicked is nothing the caller could mend.
        drop(self.accepting.await);
    }

    /// Waits for ever: the bookshop alone, in the foreground.
    pub async fn serve(self) {
        drop(self.accepting.await);
    }
}

async fn accept(listener: TcpListener, shop: Arc<Shop>, stopped: watch::Receiver<()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = stopped.clone();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let (shop, stopped) = (Arc::clone(&shop), stopped.clone());
                tokio::spawn(async move {
                    converse(stream, shop, stopped).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One connection, call after call.
async fn converse(stream: TcpStream, shop: Arc<Shop>, mut stopped: watch::Receiver<()>) {
    // Small answers must not wait for the acknowledgement of the one before; failing costs only time.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let shop = Arc::clone(&shop);
        async move { Ok::<_, Infallible>(route::serve(&shop, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A connection that ends in an error is the peer's doing; there is nobody left to tell.
        _ = &mut connection => return,
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}
