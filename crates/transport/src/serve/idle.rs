//! The streams of one HTTP/2 connection: when it has had none for too long, and which of them stand still.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use callgate_model::bounds;
use tokio::time::Instant;

use super::stall::Stallable;
use crate::Timing;

/// A response piece on a stream may take this many times longer than a write to a socket: it has up to
/// `H2_SEND_BUFFER_BYTES`, of which a socket's progress would be seen and a stream's is not.
pub(super) const STREAM_STALL_FACTOR: u32 = 4;

/// The open streams of one connection. hyper answers pings for ever and closes nothing by itself.
pub(super) struct Streams {
    open: Cell<usize>,
    /// Whether there ever was a stream.
    had_one: Cell<bool>,
    idle_since: Cell<Instant>,
    idle_max: Duration,
    stall_max: Duration,
    responses: RefCell<Vec<Weak<dyn Stallable>>>,
}

/// Counts as open while it lives.
pub(super) struct OpenStream(Rc<Streams>);

// === impl Streams ===

impl Streams {
    pub(super) fn new(timing: &Timing) -> Streams {
        Streams {
            open: Cell::new(0),
            had_one: Cell::new(false),
            idle_since: Cell::new(Instant::now()),
            idle_max: timing.idle_max,
            stall_max: timing.write_stall_max * STREAM_STALL_FACTOR,
            responses: RefCell::default(),
        }
    }

    /// Whether the client has made a call on this connection.
    pub(super) fn had_one(&self) -> bool {
        self.had_one.get()
    }

    pub(super) fn open(self: &Rc<Self>) -> OpenStream {
        self.had_one.set(true);
        self.open.set(self.open.get() + 1);
        OpenStream(self.clone())
    }

    /// Ends when no stream was open for `idle_max`, and until then drops responses that nobody reads. Looks once per idle
    /// period, or a few times per stall while there are streams; never once per stream.
    pub(super) async fn idle(&self) {
        loop {
            let now = Instant::now();
            let until = if self.open.get() > 0 {
                self.drop_stalled();
                now + self.stall_max.min(self.idle_max) / 4
            } else {
                self.idle_since.get() + self.idle_max
            };
            if until <= now {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn drop_stalled(&self) {
        // A copy, because dropping a response may run code that ends another stream.
        let responses: Vec<_> = self.responses.borrow().iter().filter_map(Weak::upgrade).collect();
        for response in responses {
            response.drop_if_stalled(self.stall_max);
        }
    }
}

// === impl OpenStream ===

impl OpenStream {
    /// The stream has a response.
    pub(super) fn watch(&self, response: Weak<dyn Stallable>) {
        let mut responses = self.0.responses.borrow_mut();
        if responses.len() >= 2 * bounds::H2_STREAMS_MAX as usize {
            responses.retain(|response| response.strong_count() > 0);
        }
        responses.push(response);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}
