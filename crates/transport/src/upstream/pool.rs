//! The connections of one worker to all its upstream servers.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::{Rc, Weak};
use std::time::Duration;

use callgate_model::bounds;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connect::{self, Addresses, Connected};
use super::connection::Connection;
use super::error::UpstreamError;
use super::lease::{Lease, UpstreamBody};
use super::server::Server;
use crate::BoxError;

/// Kept connections that a request is tried on before a fresh one is opened for it. After a restart of the server all of
/// them are dead, and each try costs a wake-up.
const KEPT_TRIES_MAX: u32 = 3;
/// Header fields of a response. hyper's 100 are few for a response that sets many cookies.
const RESPONSE_FIELDS_MAX: usize = 256;
/// A connection that was kept this long may have been closed without the runtime having heard of it: it is asked first.
pub(super) const RESTED: Duration = Duration::from_millis(1);
/// How often connections that were kept long enough are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The connections of one worker. `B` is the type of the bodies it sends.
pub struct Pool<B> {
    inner: Rc<Inner<B>>,
}

struct Inner<B> {
    slots: RefCell<Slots<B>>,
    counts: Rc<Counts>,
    /// Whether a task closes what was kept long enough.
    sweeping: Cell<bool>,
}

type Slots<B> = HashMap<Server, Rc<Slot<B>>, BuildHasherDefault<HashedAlready>>;

/// What is kept for one server.
pub(super) struct Slot<B> {
    server: Server,
    addresses: Addresses,
    /// The most recently used is at the back, and is used first, so that the others can age.
    kept: RefCell<VecDeque<Kept<B>>>,
    pool: Weak<Inner<B>>,
    counts: Rc<Counts>,
}

struct Kept<B> {
    connection: Connection<B>,
    until: Instant,
}

#[derive(Debug, Default)]
struct Counts {
    open: Cell<usize>,
    kept: Cell<usize>,
    opened: Cell<u64>,
    reused: Cell<u64>,
}

/// How a pool is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Connections open now.
    pub open: usize,
    /// Those of them that wait for a call.
    pub idle: usize,
    /// Connections opened so far.
    pub opened: u64,
    /// Calls sent over a kept connection so far.
    pub reused: u64,
}

/// A call that has its response's head.
#[derive(Debug)]
pub struct Sent<B> {
    /// The response.
    pub response: Response<UpstreamBody<B>>,
    /// Whether it came over a kept connection.
    pub reused: bool,
    /// Connections that were tried, at least one.
    pub attempts: u32,
}

/// Passes on a hash that was made before; see [`Server`].
#[derive(Debug, Default)]
struct HashedAlready(u64);

/// Counts a connection as open while it lives.
struct OpenConnection(Rc<Counts>);

// === impl Pool ===

impl<B> Pool<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// An empty one. Must live inside the worker's `LocalSet`.
    #[must_use]
    pub fn new() -> Pool<B> {
        Pool { inner: Rc::new(Inner { slots: RefCell::default(), counts: Rc::default(), sweeping: Cell::new(false) }) }
    }

    /// Sends a request and waits for the response's head. The request's target must be in origin form, and it must have
    /// its `Host` and no connection-specific fields. There is no bound on the time but for connecting; drop the future to
    /// give the call, and its connection, up.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub async fn send(&self, server: &Server, mut request: Request<B>) -> Result<Sent<B>, UpstreamError> {
        let slot = self.slot(server);
        let mut attempts = 0;
        loop {
            let kept = if attempts < KEPT_TRIES_MAX { slot.take_asked().await } else { None };
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => slot.open().await?,
            };
            attempts += 1;
            match connection.sender.try_send_request(request).await {
                Ok(response) => {
                    if reused {
                        slot.counts.reused.set(slot.counts.reused.get() + 1);
                    }
                    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                        return Err(UpstreamError::switched());
                    }
                    let response = response.map(|incoming| UpstreamBody::new(incoming, Lease { connection, slot }));
                    return Ok(Sent { response, reused, attempts });
                }
                Err(mut failed) => match failed.take_message() {
                    // The server had closed a kept connection; hyper had not begun to write.
                    Some(unsent) if reused => request = unsent,
                    unsent => return Err(UpstreamError::exchange(failed.into_error(), unsent.is_some(), reused)),
                },
            }
        }
    }

    /// How the pool is used.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let counts = &self.inner.counts;
        PoolStats {
            open: counts.open.get(),
            idle: counts.kept.get(),
            opened: counts.opened.get(),
            reused: counts.reused.get(),
        }
    }

    fn slot(&self, server: &Server) -> Rc<Slot<B>> {
        if let Some(slot) = self.inner.slots.borrow().get(server) {
            return slot.clone();
        }
        let slot = Rc::new(Slot {
            server: server.clone(),
            addresses: Addresses::default(),
            kept: RefCell::default(),
            pool: Rc::downgrade(&self.inner),
            counts: self.inner.counts.clone(),
        });
        self.inner.slots.borrow_mut().insert(server.clone(), slot.clone());
        slot
    }
}

impl<B> Default for Pool<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn default() -> Pool<B> {
        Pool::new()
    }
}

impl<B> Clone for Pool<B> {
    fn clone(&self) -> Pool<B> {
        Pool { inner: self.inner.clone() }
    }
}

impl<B> fmt::Debug for Pool<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").field("counts", &self.inner.counts).finish_non_exhaustive()
    }
}

// === impl Slot ===

impl<B> Slot<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn open(&self) -> Result<Connection<B>, UpstreamError> {
        match connect::connect(&self.server, &self.addresses).await? {
            Connected::Plain(io) => self.begin(io).await,
            Connected::Tls(io) => self.begin(io).await,
        }
    }

    async fn begin<IO>(&self, io: IO) -> Result<Connection<B>, UpstreamError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(bounds::UPSTREAM_HEAD_BYTES_MAX).max_headers(RESPONSE_FIELDS_MAX);
        let begun = builder.handshake(TokioIo::new(io)).await;
        let (sender, connection) = begun.map_err(|error| UpstreamError::exchange(error, true, false))?;
        let open = OpenConnection::new(self.counts.clone());
        let server = self.server.clone();
        let task = tokio::task::spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%server, %error, "a connection to an upstream ended with an error");
            }
            drop(open);
        });
        Ok(Connection { sender, task: task.abort_handle() })
    }
}

impl<B: 'static> Slot<B> {
    /// The connection that was used last, if it is still open as far as the kernel knows.
    async fn take_asked(&self) -> Option<Connection<B>> {
        loop {
            let (connection, rested) = self.take()?;
            if rested < RESTED {
                return Some(connection);
            }
            // Between two looks at the kernel's events a worker may run for a millisecond, and a server that closes in
            // that time would get the request and drop it, which nobody may repeat. Yielding makes the runtime look; then
            // either the connection ends before this goes on, or hyper sees its end before it writes the request.
            tokio::task::yield_now().await;
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
    }

    /// The connection that was used last, if it still may be used, and how long it was kept.
    fn take(&self) -> Option<(Connection<B>, Duration)> {
        let mut kept = self.kept.borrow_mut();
        let now = Instant::now();
        while let Some(last) = kept.pop_back() {
            self.counts.kept.set(self.counts.kept.get() - 1);
            if last.until > now && last.connection.sender.is_ready() {
                let rested = self.server.idle().saturating_sub(last.until - now);
                return Some((last.connection, rested));
            }
        }
        None
    }

    pub(super) fn keep(slot: &Rc<Self>, connection: Connection<B>) {
        // The pool is gone: the worker stops.
        let Some(pool) = slot.pool.upgrade() else { return };
        let mut kept = slot.kept.borrow_mut();
        if kept.len() >= bounds::UPSTREAM_IDLE_CONNECTIONS_MAX {
            return;
        }
        kept.push_back(Kept { connection, until: Instant::now() + slot.server.idle() });
        slot.counts.kept.set(slot.counts.kept.get() + 1);
        if !pool.sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(&pool)));
        }
    }

    fn drop_expired(&self, now: Instant) {
        let mut kept = self.kept.borrow_mut();
        let before = kept.len();
        kept.retain(|one| one.until > now && !one.connection.sender.is_closed());
        self.counts.kept.set(self.counts.kept.get() - (before - kept.len()));
    }
}

/// Closes what was kept long enough, and forgets servers without connections, until nothing is kept.
async fn sweep<B: 'static>(pool: Weak<Inner<B>>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        pool.slots.borrow_mut().retain(|_, slot| {
            slot.drop_expired(now);
            Rc::strong_count(slot) > 1 || !slot.kept.borrow().is_empty()
        });
        if pool.counts.kept.get() == 0 {
            pool.sweeping.set(false);
            return;
        }
    }
}

// === impl HashedAlready ===

impl Hasher for HashedAlready {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is used; this keeps the hash right should that change.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

// === impl OpenConnection ===

impl OpenConnection {
    fn new(counts: Rc<Counts>) -> OpenConnection {
        counts.open.set(counts.open.get() + 1);
        counts.opened.set(counts.opened.get() + 1);
        OpenConnection(counts)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}
