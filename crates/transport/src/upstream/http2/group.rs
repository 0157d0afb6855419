//! The connections to one server: which of them takes a call, and when another one is opened.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use callgate_model::bounds;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::connection::{self, Place, Shared};
use crate::upstream::error::{Kind, UpstreamError};
use crate::upstream::io::{HTTP1, HTTP2};
use crate::upstream::pool::RESTED;
use crate::upstream::room::Seat;
use crate::upstream::server::Protocol;
use crate::upstream::slot::Slot;

/// How long a server that chose HTTP/1.1 is not asked again.
const HTTP1_REMEMBERED: Duration = Duration::from_secs(60);

/// The connections of one worker to one server.
#[derive(Default)]
pub(in crate::upstream) struct Group {
    /// The first that has room takes a call, so that the others can age.
    open: RefCell<Vec<Rc<Shared>>>,
    /// The one that is being opened. One at a time: a hundred calls that find none would otherwise open a hundred.
    opening: RefCell<Option<Rc<Opening>>>,
    /// Told once for every stream that ends, and to all when a connection does.
    freed: Notify,
    /// Until when it is taken for granted that the server chooses HTTP/1.1.
    http1_until: Cell<Option<Instant>>,
}

/// A connection that is being opened, by a task of its own: the call that asked for it may be given up, and others wait for
/// it too.
#[derive(Default)]
struct Opening {
    outcome: OnceCell<Result<(), UpstreamError>>,
    ended: Notify,
}

/// Where a call may go.
pub(super) enum Way {
    Http2(Place),
    /// The server chose HTTP/1.1.
    Http1,
}

// === impl Group ===

impl Group {
    /// Whether this server's calls come here at all.
    pub(in crate::upstream) fn speaks_http1(&self) -> bool {
        self.http1_until.get().is_some_and(|until| until > Instant::now())
    }

    /// Whether nothing is open and nothing is being opened.
    pub(in crate::upstream) fn is_empty(&self) -> bool {
        self.open.borrow().is_empty() && self.opening.borrow().is_none()
    }

    /// Closes what has had no call for this long, and forgets what was closed.
    pub(in crate::upstream) fn drop_expired(&self, idle: Duration) {
        self.open.borrow_mut().retain(|connection| connection.is_usable() && connection.rested() < idle);
    }

    /// Closes a connection without a call, if there is one: another worker's call waits for it.
    pub(in crate::upstream) fn give_up_one(&self) {
        let mut open = self.open.borrow_mut();
        if let Some(at) = open.iter().position(|connection| connection.is_resting()) {
            open.remove(at);
        }
    }

    pub(super) fn freed(&self) {
        self.freed.notify_one();
    }

    pub(super) fn look_again(&self) {
        self.open.borrow_mut().retain(|connection| connection.is_usable());
        self.freed.notify_waiters();
    }

    fn take(&self, slot: &Rc<Slot>) -> Option<Place> {
        let mut open = self.open.borrow_mut();
        open.retain(|connection| connection.is_usable());
        let with_room = open.iter().find(|connection| connection.has_room())?;
        Some(Place::new(with_room.clone(), slot.clone()))
    }

    /// The opening to wait for; none if there are as many connections as there may be.
    fn opening(&self, slot: &Rc<Slot>) -> Option<Rc<Opening>> {
        let mut opening = self.opening.borrow_mut();
        if opening.is_none() && self.open.borrow().len() < slot.shared_max() {
            let begun = Rc::new(Opening::default());
            *opening = Some(begun.clone());
            tokio::task::spawn_local(open_one(slot.clone(), begun));
        }
        opening.clone()
    }
}

/// A place on a connection; waits for one to be opened, or for a call to end, when there is none. There is no bound on the
/// time but for connecting.
pub(super) async fn place(slot: &Rc<Slot>) -> Result<Way, UpstreamError> {
    let group = &slot.http2;
    loop {
        // Before the look: what is freed between the two is not missed.
        let freed = group.freed.notified();
        if let Some(place) = group.take(slot) {
            if place.rested < RESTED || !is_lost_after_a_look(&place).await {
                return Ok(Way::Http2(place));
            }
            continue;
        }
        if group.speaks_http1() {
            return Ok(Way::Http1);
        }
        match group.opening(slot) {
            Some(opening) => opening.ended().await?,
            None => freed.await,
        }
    }
}

/// As with HTTP/1.1: a server that closed while the worker was busy is heard of after one look at the kernel's events.
async fn is_lost_after_a_look(place: &Place) -> bool {
    tokio::task::yield_now().await;
    place.is_lost()
}

async fn open_one(slot: Rc<Slot>, opening: Rc<Opening>) {
    let outcome = open_within_time(&slot).await;
    slot.http2.opening.take();
    // Set once, here.
    opening.outcome.set(outcome).unwrap_or_default();
    opening.ended.notify_waiters();
}

async fn open_within_time(slot: &Rc<Slot>) -> Result<(), UpstreamError> {
    let seat = slot.shared_seat().await?;
    match timeout(bounds::CONNECT_TIME_MAX, connect(slot, seat)).await {
        Ok(outcome) => outcome,
        Err(elapsed) => Err(UpstreamError::unsent(Kind::ConnectTimeout, elapsed)),
    }
}

async fn connect(slot: &Rc<Slot>, seat: Option<Seat>) -> Result<(), UpstreamError> {
    let offered: &[&[u8]] = if slot.protocol() == Protocol::Auto { &[HTTP2, HTTP1] } else { &[HTTP2] };
    let (io, open) = slot.connect(offered, seat).await?;
    let agreed = io.agreed_on_http2();
    match slot.protocol() {
        Protocol::Auto if !agreed => {
            slot.http2.http1_until.set(Some(Instant::now() + HTTP1_REMEMBERED));
            slot.keep_new(io, open);
        }
        Protocol::Http2 if !agreed && slot.is_tls() => {
            return Err(UpstreamError::unsent(Kind::NotHttp2, "it did not choose `h2` in the TLS handshake"));
        }
        _ => {
            let shared = connection::open(io, open, slot).await?;
            slot.http2.open.borrow_mut().push(shared);
        }
    }
    Ok(())
}

// === impl Opening ===

impl Opening {
    /// Waits for its end.
    async fn ended(&self) -> Result<(), UpstreamError> {
        let ended = self.ended.notified();
        if self.outcome.get().is_none() {
            ended.await;
        }
        match self.outcome.get() {
            Some(Err(error)) => Err(error.told_again()),
            _ => Ok(()),
        }
    }
}
