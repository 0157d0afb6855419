//! One connection that calls share, and the task that moves it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use callgate_model::bounds;
use h2::Ping;
use h2::client::{self, SendRequest};
use tokio::time::Instant;

use super::pulse::Pulse;
use crate::upstream::error::{Kind, UpstreamError};
use crate::upstream::io::Io;
use crate::upstream::names::Since;
use crate::upstream::slot::{OpenConnection, RestingConnection, Slot};

/// What a server may send on a stream before the caller has taken it on. 128 KiB in flight are 12 MB/s at a round trip of
/// 10 ms.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// As much as all streams together may hold: a caller that does not read its answer must not keep the connection's window
/// from the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * bounds::UPSTREAM_STREAMS_MAX as u32;
/// What of a request is taken before the server has room for it, per stream.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A connection, as the calls on it see it. When nobody holds it any more, its task says goodbye and ends.
pub(super) struct Shared {
    requests: RefCell<SendRequest<Bytes>>,
    /// Calls on it.
    streams: Cell<usize>,
    /// It has carried a call before.
    used: Cell<bool>,
    /// It takes no more calls: closed, or the server said GOAWAY.
    gone: Cell<bool>,
    /// Where its server's name stood when it was opened; nothing for an address.
    since: Option<Since>,
    /// When it began to have calls; for [`Pulse`].
    busy_since: Cell<Instant>,
    /// When a call on it last heard from the server.
    heard: Cell<Instant>,
    /// Since when it has had no call, counted among the kept ones meanwhile.
    rests: RefCell<Option<(Instant, RestingConnection)>>,
}

/// A call's place on a connection.
pub(super) struct Place {
    connection: Rc<Shared>,
    slot: Rc<Slot>,
    /// How long the connection had no call before this one.
    pub(super) rested: Duration,
}

/// The server closed the connection before it had said that it speaks HTTP/2.
#[derive(Debug, thiserror::Error)]
#[error("the connection ended before the server had said anything in HTTP/2")]
struct Silent;

/// Shakes hands with the server and spawns the connection's task. A ping goes with the preface: its answer comes behind the
/// server's settings, so that calls know from the first on how many of them it takes; and a server that speaks something
/// else is found out here, where nothing has been sent yet.
pub(super) async fn open(io: Io, open: OpenConnection, slot: &Rc<Slot>) -> Result<Rc<Shared>, UpstreamError> {
    let agreed = io.agreed_on_http2();
    let failed = |error: h2::Error| {
        // A server that agreed on HTTP/2, and closes before it has spoken it, does not take our certificate: in TLS 1.3 that
        // is told when the handshake is over for us.
        let kind = if agreed && error.is_io() { Kind::Tls } else { Kind::NotHttp2 };
        UpstreamError::unsent(kind, error)
    };
    let shaken = client::Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(bounds::UPSTREAM_HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .handshake(io)
        .await;
    let (requests, mut connection) = shaken.map_err(failed)?;
    let Some(mut pings) = connection.ping_pong() else { return Err(UpstreamError::unsent(Kind::NotHttp2, Silent)) };
    pings.send_ping(Ping::opaque()).map_err(failed)?;
    poll_fn(|context| match pings.poll_pong(context) {
        Poll::Ready(answered) => Poll::Ready(answered.map(drop).map_err(failed)),
        Poll::Pending => Pin::new(&mut connection).poll(context).map(|ended| match ended {
            Ok(()) => Err(UpstreamError::unsent(Kind::NotHttp2, Silent)),
            Err(error) => Err(failed(error)),
        }),
    })
    .await?;
    let shared = Rc::new(Shared::new(requests, open.since().cloned(), slot.rest()));
    tokio::task::spawn_local(run(connection, Pulse::new(pings), Rc::downgrade(&shared), Rc::downgrade(slot), open));
    Ok(shared)
}

/// Moves the connection until it ends.
async fn run(
    mut connection: client::Connection<Io, Bytes>,
    mut pulse: Pulse,
    shared: Weak<Shared>,
    slot: Weak<Slot>,
    _open: OpenConnection,
) {
    poll_fn(|context| {
        if let Poll::Ready(ended) = Pin::new(&mut connection).poll(context) {
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP/2 connection to an upstream broke");
            }
            return Poll::Ready(());
        }
        match shared.upgrade() {
            Some(shared) if shared.streams.get() > 0 => {
                pulse.poll_lost(context, shared.busy_since.get(), shared.heard.get())
            }
            _ => Poll::Pending,
        }
    })
    .await;
    if let Some(shared) = shared.upgrade() {
        shared.gone.set(true);
    }
    // Its calls hear of the end through their streams; calls that wait for a place may open another connection now.
    drop(connection);
    if let Some(slot) = slot.upgrade() {
        slot.http2.look_again();
    }
}

// === impl Shared ===

impl Shared {
    fn new(requests: SendRequest<Bytes>, since: Option<Since>, rests: RestingConnection) -> Shared {
        let now = Instant::now();
        Shared {
            requests: RefCell::new(requests),
            streams: Cell::new(0),
            used: Cell::new(false),
            gone: Cell::new(false),
            since,
            busy_since: Cell::new(now),
            heard: Cell::new(now),
            rests: RefCell::new(Some((now, rests))),
        }
    }

    /// Whether it takes calls, as far as the runtime has heard.
    pub(super) fn is_usable(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let moved = self.since.as_ref().is_some_and(Since::has_moved);
        !self.gone.get()
            && !moved
            && !matches!(self.requests.borrow_mut().poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    /// Whether one more call fits, by the server's word and ours.
    pub(super) fn has_room(&self) -> bool {
        let streams_max = self.requests.borrow().current_max_send_streams().min(bounds::UPSTREAM_STREAMS_MAX);
        self.streams.get() < streams_max
    }

    /// Whether it has no call.
    pub(super) fn is_resting(&self) -> bool {
        self.streams.get() == 0
    }

    /// How long it has had no call.
    pub(super) fn rested(&self) -> Duration {
        self.rests.borrow().as_ref().map(|(since, _)| since.elapsed()).unwrap_or_default()
    }
}

// === impl Place ===

impl Place {
    pub(super) fn new(connection: Rc<Shared>, slot: Rc<Slot>) -> Place {
        let rested = connection.rested();
        if connection.streams.replace(connection.streams.get() + 1) == 0 {
            connection.rests.take();
            connection.busy_since.set(Instant::now());
        }
        Place { connection, slot, rested }
    }

    /// For one request.
    pub(super) fn requests(&self) -> SendRequest<Bytes> {
        self.connection.requests.borrow().clone()
    }

    /// Whether it is too late to use it.
    pub(super) fn is_lost(&self) -> bool {
        !self.connection.is_usable()
    }

    /// Whether the connection has carried a call before. From now on it has.
    pub(super) fn use_it(&self) -> bool {
        self.connection.used.replace(true)
    }

    /// The server said something to this call.
    pub(super) fn heard(&self) {
        self.connection.heard.set(Instant::now());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.set(connection.streams.get() - 1);
        if connection.streams.get() == 0 && !connection.gone.get() {
            let resting = self.slot.rest();
            connection.rests.replace(Some((Instant::now(), resting)));
        }
        self.slot.http2.freed();
    }
}
