//! The connections of one worker to one server: those that wait for a call, and how a call comes to one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use callgate_model::bounds;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::connect;
use super::connection::Connection;
use super::error::{Kind, UpstreamError};
use super::http2;
use super::io::{HTTP1, Io};
use super::names::Since;
use super::pool::{Counts, Inner};
use super::room::{Given, Next, Room, Seat, Waiting};
use super::server::{Protocol, Server};

/// What is kept for one server.
pub(super) struct Slot {
    server: Server,
    /// The most recently used is at the back, and is used first, so that the others can age.
    kept: RefCell<VecDeque<Kept>>,
    /// How many of them are promised to calls that waited.
    promised: Cell<usize>,
    /// Connections that calls share.
    pub(super) http2: http2::Group,
    pool: Weak<Inner>,
    counts: Rc<Counts>,
    /// The task that gives up connections which other workers' calls wait for. It ends with this.
    giving_up: Option<AbortHandle>,
}

struct Kept {
    connection: Box<Connection>,
    until: Instant,
}

/// Counts a connection as open while it lives.
pub(super) struct OpenConnection {
    counts: Rc<Counts>,
    /// Its right to be open, at a server that may have only so many.
    _seat: Option<Seat>,
    /// Where its server's name stood when it was opened; nothing for an address.
    since: Option<Since>,
}

/// Counts a shared connection as idle while it has no call.
pub(super) struct RestingConnection(Rc<Counts>);

/// A call's place in the queue for connections to a server.
struct Queued<'a> {
    slot: &'a Slot,
    waiting: Waiting,
}

/// All connections that the server may have are in use.
#[derive(Debug, thiserror::Error)]
enum NoRoom {
    #[error("all {0} are in use (setting `max_connections`), and none became free in time")]
    InUse(u32),
    #[error("all {0} are in use (setting `max_connections`), and too many calls wait for one already")]
    Queue(u32),
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(server: &Server, pool: Weak<Inner>, counts: Rc<Counts>) -> Rc<Slot> {
        Rc::new_cyclic(|slot: &Weak<Slot>| Slot {
            server: server.clone(),
            kept: RefCell::default(),
            promised: Cell::new(0),
            http2: http2::Group::default(),
            pool,
            counts,
            giving_up: server.room().map(|room| {
                tokio::task::spawn_local(give_up_what_is_wanted(room.clone(), slot.clone())).abort_handle()
            }),
        })
    }

    /// A connection for one call: a new one, or one that another call has done with while this one waited for room. Says
    /// whether it was used before.
    pub(super) async fn obtain(&self) -> Result<(Box<Connection>, bool), UpstreamError> {
        let seat = match self.server.room() {
            None => None,
            Some(room) => match self.seat(room).await? {
                Ok(seat) => Some(seat),
                Err(kept) => return Ok((kept, true)),
            },
        };
        let (io, open) = self.connect(&[HTTP1], seat).await?;
        Ok((Box::new(Connection::new(io, open)), false))
    }

    /// Whether calls wait for a connection already: then what is kept is theirs.
    pub(super) fn is_wanted(&self) -> bool {
        self.server.room().is_some_and(|room| room.is_wanted())
    }

    /// A seat, or a kept connection.
    async fn seat(&self, room: &Arc<Room>) -> Result<Result<Seat, Box<Connection>>, UpstreamError> {
        let since = Instant::now();
        loop {
            if let Some(seat) = room.seat() {
                return Ok(Ok(seat));
            }
            let waiting = room.queue(self.number(), since).ok_or_else(|| full(NoRoom::Queue(room.max())))?;
            let mut queued = Queued { slot: self, waiting };
            match timeout_at(since + bounds::UPSTREAM_ROOM_TIME_MAX, queued.waiting.given()).await {
                Ok(Given::Seat(seat)) => return Ok(Ok(seat)),
                // It may have been closed by its server meanwhile.
                Ok(Given::Kept) => {
                    self.promised.set(self.promised.get() - 1);
                    if let Some((kept, _)) = self.take() {
                        return Ok(Err(kept));
                    }
                }
                Err(_) => return Err(full(NoRoom::InUse(room.max()))),
            }
        }
    }

    /// A seat for a connection that calls share.
    pub(super) async fn shared_seat(&self) -> Result<Option<Seat>, UpstreamError> {
        let Some(room) = self.server.room() else { return Ok(None) };
        let since = Instant::now();
        loop {
            if let Some(seat) = room.seat() {
                return Ok(Some(seat));
            }
            let waiting = room.queue(0, since).ok_or_else(|| full(NoRoom::Queue(room.max())));
            match timeout_at(since + bounds::UPSTREAM_ROOM_TIME_MAX, waiting?.given()).await {
                Ok(Given::Seat(seat)) => return Ok(Some(seat)),
                Ok(Given::Kept) => {}
                Err(_) => return Err(full(NoRoom::InUse(room.max()))),
            }
        }
    }

    /// Tells the slots of workers apart.
    fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Connects; over TLS, the server is offered these protocols.
    pub(super) async fn connect(
        &self,
        offered: &[&[u8]],
        seat: Option<Seat>,
    ) -> Result<(Io, OpenConnection), UpstreamError> {
        // Before the look-up: should the name move meanwhile, the connection is used once.
        let since = self.is_named().then(|| self.server.name().since());
        let io = connect::connect(&self.server, offered).await?;
        Ok((io, OpenConnection::new(self.counts.clone(), seat, since)))
    }

    /// Whether it is a name that leads to the server, and not an address.
    pub(super) fn is_named(&self) -> bool {
        self.server.address().is_none()
    }

    /// Sees to it that calls follow the name although they need no new connection.
    pub(super) fn look_after_name(&self) {
        if self.is_named() {
            self.server.name().look_after(self.server.host(), self.server.port());
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.server.protocol()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.server.tls().is_some()
    }

    /// How many connections calls may share.
    pub(super) fn shared_max(&self) -> usize {
        self.server.room().map_or(bounds::UPSTREAM_SHARED_CONNECTIONS_MAX, |room| room.shared_max())
    }

    /// A call was sent over a kept connection.
    pub(super) fn count_reused(&self) {
        self.counts.reused.set(self.counts.reused.get() + 1);
    }

    /// A shared connection has no call; it is closed when that lasts.
    pub(super) fn rest(&self) -> RestingConnection {
        self.counts.kept.set(self.counts.kept.get() + 1);
        if let Some(pool) = self.pool.upgrade() {
            pool.see_to_sweeping();
        }
        if let Some(room) = self.server.room() {
            room.rests();
        }
        RestingConnection(self.counts.clone())
    }

    /// Keeps a connection that has had no call yet.
    pub(super) fn keep_new(&self, io: Io, open: OpenConnection) {
        self.keep(Box::new(Connection::new(io, open)));
    }

    /// The connection that was used last, if it still may be used and is open as far as the runtime has heard, and how
    /// long it was kept. What is promised to a call that waited is no other's.
    pub(super) fn take(&self) -> Option<(Box<Connection>, Duration)> {
        let mut kept = self.kept.borrow_mut();
        let now = Instant::now();
        while kept.len() > self.promised.get() {
            let Kept { mut connection, until } = kept.pop_back()?;
            self.counts.kept.set(self.counts.kept.get() - 1);
            if until > now && connection.is_quiet() {
                let rested = self.server.idle().saturating_sub(until - now);
                return Some((connection, rested));
            }
        }
        None
    }

    /// Keeps a connection whose call has ended for the next one.
    pub(super) fn keep(&self, mut connection: Box<Connection>) {
        // The worker stops.
        let Some(pool) = self.pool.upgrade() else { return };
        if self.kept.borrow().len() >= bounds::UPSTREAM_IDLE_CONNECTIONS_MAX {
            return;
        }
        match self.server.room().map_or(Next::Kept, |room| room.next(self.number())) {
            Next::Kept => {}
            Next::Promised => self.promised.set(self.promised.get() + 1),
            Next::Closed => return,
        }
        connection.rest();
        self.kept.borrow_mut().push_back(Kept { connection, until: Instant::now() + self.server.idle() });
        self.counts.kept.set(self.counts.kept.get() + 1);
        pool.see_to_sweeping();
    }

    /// Drops what was kept long enough, and what its server has closed.
    pub(super) fn drop_expired(&self, now: Instant) {
        let mut kept = self.kept.borrow_mut();
        let before = kept.len();
        kept.retain_mut(|one| one.until > now && one.connection.is_quiet());
        self.counts.kept.set(self.counts.kept.get() - (before - kept.len()));
        self.http2.drop_expired(self.server.idle());
    }

    /// Closes the connection that was used least recently, if one has no call.
    fn give_up(&self) -> bool {
        let mut kept = self.kept.borrow_mut();
        if kept.len() > self.promised.get() && kept.pop_front().is_some() {
            self.counts.kept.set(self.counts.kept.get() - 1);
            return true;
        }
        false
    }

    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.borrow().is_empty() && self.http2.is_empty()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(task) = &self.giving_up {
            task.abort();
        }
    }
}

/// Closes connections without a call while calls wait for one, on whichever worker they do.
async fn give_up_what_is_wanted(room: Arc<Room>, slot: Weak<Slot>) {
    loop {
        let mut wanted = std::pin::pin!(room.wanted());
        // Before the look: what begins to wait between the two is not missed.
        wanted.as_mut().enable();
        if room.is_wanted() {
            let Some(slot) = slot.upgrade() else { return };
            while room.is_wanted() && slot.give_up() {}
            if room.is_wanted() {
                slot.http2.give_up_one();
            }
        }
        wanted.await;
    }
}

fn full(why: NoRoom) -> UpstreamError {
    UpstreamError::unsent(Kind::NoRoom, why)
}

// === impl Queued ===

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        // The call was given up when it had been promised a connection.
        if self.waiting.leave() {
            self.slot.promised.set(self.slot.promised.get() - 1);
            if let Some(room) = self.slot.server.room() {
                room.rests();
            }
        }
    }
}

// === impl OpenConnection ===

impl OpenConnection {
    fn new(counts: Rc<Counts>, seat: Option<Seat>, since: Option<Since>) -> OpenConnection {
        counts.open.set(counts.open.get() + 1);
        counts.opened.set(counts.opened.get() + 1);
        OpenConnection { counts, _seat: seat, since }
    }

    /// Where its server's name stood.
    pub(super) fn since(&self) -> Option<&Since> {
        self.since.as_ref()
    }

    /// Whether the server's name has moved since: then it has no more calls.
    pub(super) fn has_moved(&self) -> bool {
        self.since.as_ref().is_some_and(Since::has_moved)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.counts.open.set(self.counts.open.get() - 1);
    }
}

// === impl RestingConnection ===

impl Drop for RestingConnection {
    fn drop(&mut self) {
        self.0.kept.set(self.0.kept.get() - 1);
    }
}
