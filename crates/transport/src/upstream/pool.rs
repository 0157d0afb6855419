//! The connections of one worker to all its upstream servers.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::{Rc, Weak};
use std::time::Duration;

use callgate_model::bounds;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use super::body::{Lease, Rest, UpstreamBody};
use super::connect::{self, Addresses};
use super::connection::Connection;
use super::decode::Decoder;
use super::error::UpstreamError;
use super::exchange::Exchange;
use super::head::Head;
use super::http2::{self, Outcome};
use super::io::{HTTP1, Io};
use super::server::{Protocol, Server};
use crate::BoxError;
use crate::switch::Offer;

/// Kept connections that a request is tried on before a fresh one is opened for it. After a restart of the server all of
/// them are dead, and each try costs a wake-up.
const KEPT_TRIES_MAX: u32 = 3;
/// A connection that was kept this long may have been closed without the runtime having heard of it: it is asked first.
pub(super) const RESTED: Duration = Duration::from_millis(1);
/// How often connections that were kept long enough are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The connections of one worker.
#[derive(Clone, Default)]
pub struct Pool {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    slots: RefCell<Slots>,
    counts: Rc<Counts>,
    /// Whether a task closes what was kept long enough.
    sweeping: Cell<bool>,
}

type Slots = HashMap<Server, Rc<Slot>, BuildHasherDefault<HashedAlready>>;

/// What is kept for one server.
pub(super) struct Slot {
    server: Server,
    addresses: Addresses,
    /// The most recently used is at the back, and is used first, so that the others can age.
    kept: RefCell<VecDeque<Kept>>,
    /// Connections that calls share.
    pub(super) http2: http2::Group,
    pool: Weak<Inner>,
    counts: Rc<Counts>,
}

struct Kept {
    connection: Box<Connection>,
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

/// A call that has none.
#[derive(Debug)]
pub struct Failure<B> {
    /// Why.
    pub error: UpstreamError,
    /// The request, if it is as it was given. [`UpstreamError::retry_safe`] says whether the server may have seen it.
    pub request: Option<Request<B>>,
}

/// Passes on a hash that was made before; see [`Server`].
#[derive(Debug, Default)]
struct HashedAlready(u64);

/// Counts a connection as open while it lives.
pub(super) struct OpenConnection(Rc<Counts>);

/// Counts a shared connection as idle while it has no call.
pub(super) struct RestingConnection(Rc<Counts>);

// === impl Pool ===

impl Pool {
    /// An empty one. Must live inside the worker's `LocalSet`.
    #[must_use]
    pub fn new() -> Pool {
        Pool::default()
    }

    /// Sends a request and waits for the response's head. The request's target must be in origin form, and it must have
    /// its `Host` and no connection-specific fields but those of an [`Offer`]. There is no bound on the time but for
    /// connecting; drop the future to give the call, and its connection, up.
    ///
    /// # Errors
    /// See [`UpstreamError`]; the request comes back with it if it can be sent again.
    #[expect(clippy::manual_async_fn, reason = "an async fn would hold the request twice, and be copied as often")]
    pub fn send<B>(&self, server: &Server, mut request: Request<B>) -> impl Future<Output = Result<Sent<B>, Failure<B>>>
    where
        B: Body + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        async move {
            let slot = self.slot(server);
            let offers = request.extensions().get::<Offer>().is_some();
            if server.protocol() != Protocol::Http1 && !offers && !slot.http2.speaks_http1() {
                // What offers to switch protocols needs a connection for itself. In a box, as everything that HTTP/1.1 calls
                // should not pay for.
                match Box::pin(http2::send(&slot, request)).await? {
                    Outcome::Sent(sent) => return Ok(sent),
                    Outcome::Http1(back) => request = back,
                }
            }
            let mut attempts = 0;
            loop {
                let kept = if attempts < KEPT_TRIES_MAX { slot.take() } else { None };
                let reused = kept.is_some();
                attempts += 1;
                let mut connection = match kept {
                    Some((mut connection, rested)) => {
                        if rested >= RESTED && !is_quiet_after_a_look(&mut connection).await {
                            continue;
                        }
                        connection
                    }
                    // In a box: it is rare, and would make the future of every call larger.
                    None => match Box::pin(slot.open()).await {
                        Ok(connection) => connection,
                        Err(error) => return Err(Failure { error, request: Some(request) }),
                    },
                };
                connection.wake();
                let mut exchange = Exchange::begin(&request, &mut connection);
                let head = poll_fn(|context| exchange.poll(&mut connection, &mut request, context)).await;
                let Head { status, version, mut decoder, mut keeps } = match head {
                    Ok(head) => head,
                    Err(failed) if failed.untouched && reused => continue,
                    Err(failed) => {
                        let request = exchange.is_intact(&failed).then_some(request);
                        return Err(Failure { error: failed.into_error(reused), request });
                    }
                };
                if reused {
                    slot.count_reused();
                }
                if status == StatusCode::SWITCHING_PROTOCOLS {
                    if !offers || exchange.upload.is_some() {
                        return Err(Failure { error: UpstreamError::switched(), request: None });
                    }
                    (decoder, keeps) = (Decoder::UntilClose, false);
                }
                let (parts, body) = request.into_parts();
                let rest = exchange.upload.map(|upload| Box::new(Rest { upload, body }));
                let body = UpstreamBody::http1(decoder, keeps, Lease { connection, slot }, rest);
                let mut response = Response::new(body);
                *response.status_mut() = status;
                *response.version_mut() = version;
                *response.headers_mut() = parts.headers;
                return Ok(Sent { response, reused, attempts });
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

    fn slot(&self, server: &Server) -> Rc<Slot> {
        if let Some(slot) = self.inner.slots.borrow().get(server) {
            return slot.clone();
        }
        let slot = Rc::new(Slot {
            server: server.clone(),
            addresses: Addresses::default(),
            kept: RefCell::default(),
            http2: http2::Group::default(),
            pool: Rc::downgrade(&self.inner),
            counts: self.inner.counts.clone(),
        });
        self.inner.slots.borrow_mut().insert(server.clone(), slot.clone());
        slot
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pool").field("counts", &self.inner.counts).finish_non_exhaustive()
    }
}

/// Between two looks at the kernel's events a worker may run for a millisecond, and a server that closes in that time would
/// get the request and drop it, which nobody may repeat. Yielding makes the runtime look.
async fn is_quiet_after_a_look(connection: &mut Connection) -> bool {
    tokio::task::yield_now().await;
    connection.is_quiet()
}

// === impl Slot ===

impl Slot {
    async fn open(&self) -> Result<Box<Connection>, UpstreamError> {
        let (io, open) = self.connect(&[HTTP1]).await?;
        Ok(Box::new(Connection::new(io, open)))
    }

    /// Connects; over TLS, the server is offered these protocols.
    pub(super) async fn connect(&self, offered: &[&[u8]]) -> Result<(Io, OpenConnection), UpstreamError> {
        let io = connect::connect(&self.server, &self.addresses, offered).await?;
        Ok((io, OpenConnection::new(self.counts.clone())))
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.server.protocol()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.server.tls().is_some()
    }

    /// A call was sent over a kept connection.
    pub(super) fn count_reused(&self) {
        self.counts.reused.set(self.counts.reused.get() + 1);
    }

    /// A shared connection has no call; it is closed when that lasts.
    pub(super) fn rest(&self) -> RestingConnection {
        self.counts.kept.set(self.counts.kept.get() + 1);
        self.see_to_sweeping();
        RestingConnection(self.counts.clone())
    }

    /// Keeps a connection that has had no call yet.
    pub(super) fn keep_new(&self, io: Io, open: OpenConnection) {
        self.keep(Box::new(Connection::new(io, open)));
    }

    fn see_to_sweeping(&self) {
        if let Some(pool) = self.pool.upgrade()
            && !pool.sweeping.replace(true)
        {
            tokio::task::spawn_local(sweep(Rc::downgrade(&pool)));
        }
    }

    /// The connection that was used last, if it still may be used and is open as far as the runtime has heard, and how
    /// long it was kept.
    fn take(&self) -> Option<(Box<Connection>, Duration)> {
        let mut kept = self.kept.borrow_mut();
        let now = Instant::now();
        while let Some(Kept { mut connection, until }) = kept.pop_back() {
            self.counts.kept.set(self.counts.kept.get() - 1);
            if until > now && connection.is_quiet() {
                let rested = self.server.idle().saturating_sub(until - now);
                return Some((connection, rested));
            }
        }
        None
    }

    pub(super) fn keep(&self, mut connection: Box<Connection>) {
        // The pool is gone: the worker stops.
        if self.pool.strong_count() == 0 {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= bounds::UPSTREAM_IDLE_CONNECTIONS_MAX {
            return;
        }
        connection.rest();
        kept.push_back(Kept { connection, until: Instant::now() + self.server.idle() });
        self.counts.kept.set(self.counts.kept.get() + 1);
        self.see_to_sweeping();
    }

    /// Drops what was kept long enough, and what its server has closed.
    fn drop_expired(&self, now: Instant) {
        let mut kept = self.kept.borrow_mut();
        let before = kept.len();
        kept.retain_mut(|one| one.until > now && one.connection.is_quiet());
        self.counts.kept.set(self.counts.kept.get() - (before - kept.len()));
        self.http2.drop_expired(self.server.idle());
    }
}

/// Closes what was kept long enough, and forgets servers without connections, until nothing is kept.
async fn sweep(pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        pool.slots.borrow_mut().retain(|_, slot| {
            slot.drop_expired(now);
            Rc::strong_count(slot) > 1 || !slot.kept.borrow().is_empty() || !slot.http2.is_empty()
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

// === impl RestingConnection ===

impl Drop for RestingConnection {
    fn drop(&mut self) {
        self.0.kept.set(self.0.kept.get() - 1);
    }
}
