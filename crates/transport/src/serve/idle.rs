//! When an HTTP/2 connection has had no stream for too long.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

/// The open streams of one connection. hyper answers pings for ever and closes nothing by itself.
#[derive(Debug)]
pub(super) struct Streams {
    open: Cell<usize>,
    idle_since: Cell<Instant>,
    idle_max: Duration,
}

/// Counts as open while it lives.
#[derive(Debug)]
pub(super) struct OpenStream(Rc<Streams>);

// === impl Streams ===

impl Streams {
    pub(super) fn new(idle_max: Duration) -> Streams {
        Streams { open: Cell::new(0), idle_since: Cell::new(Instant::now()), idle_max }
    }

    pub(super) fn open(self: &Rc<Self>) -> OpenStream {
        self.open.set(self.open.get() + 1);
        OpenStream(self.clone())
    }

    /// Ends when no stream was open for `idle_max`. Looks once per idle period, not once per stream.
    pub(super) async fn idle(&self) {
        loop {
            let since = if self.open.get() > 0 { Instant::now() } else { self.idle_since.get() };
            let until = since + self.idle_max;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.idle_since.set(Instant::now());
    }
}
