//! The connections of one worker to all its upstream servers.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::{Rc, Weak};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::time::Instant;

use super::body::{Lease, Rest, UpstreamBody};
use super::connection::Connection;
use super::decode::Decoder;
use super::error::UpstreamError;
use super::exchange::Exchange;
use super::head::Head;
use super::http2::{self, Outcome};
use super::server::{Protocol, Server};
use super::slot::Slot;
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
pub(super) struct Inner {
    slots: RefCell<Slots>,
    counts: Rc<Counts>,
    /// Whether a task closes what was kept long enough.
    sweeping: Cell<bool>,
}

type Slots = HashMap<Server, Rc<Slot>, BuildHasherDefault<HashedAlready>>;

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) open: Cell<usize>,
    pub(super) kept: Cell<usize>,
    pub(super) opened: Cell<u64>,
    pub(super) reused: Cell<u64>,
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
                let kept = if attempts < KEPT_TRIES_MAX && !slot.is_wanted() { slot.take() } else { None };
                attempts += 1;
                let (mut connection, reused) = match kept {
                    Some((mut connection, rested)) => {
                        if rested >= RESTED && !is_quiet_after_a_look(&mut connection).await {
                            continue;
                        }
                        (connection, true)
                    }
                    // In a box: it is rare, and would make the future of every call larger.
                    None => match Box::pin(slot.obtain()).await {
                        Ok(obtained) => obtained,
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
        let slot = Slot::new(server, Rc::downgrade(&self.inner), self.inner.counts.clone());
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

// === impl Inner ===

impl Inner {
    /// Something is kept from now on: it is looked at until nothing is.
    pub(super) fn see_to_sweeping(self: &Rc<Self>) {
        if !self.sweeping.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }
}

/// Closes what was kept long enough, forgets servers without connections, and looks after names, until there is nothing of it.
async fn sweep(pool: Weak<Inner>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        let mut slots = pool.slots.borrow_mut();
        slots.retain(|_, slot| {
            slot.look_after_name();
            slot.drop_expired(now);
            Rc::strong_count(slot) > 1 || !slot.is_empty()
        });
        // A name in use is looked after although none of its connections ever rests.
        if pool.counts.kept.get() == 0 && !slots.values().any(|slot| slot.is_named()) {
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
