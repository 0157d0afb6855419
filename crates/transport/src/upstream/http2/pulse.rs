//! Whether the server at the other end of a busy connection is still there.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use callgate_model::bounds;
use h2::{Ping, PingPong};
use tokio::time::Instant;

use crate::alarm::Alarm;

/// After a ping that was answered, and with nothing said since, the next one waits for this long: gRPC servers take pings
/// without data that come more often than every five minutes for an attack, and close the connection.
const QUIET_PING_GAP: Duration = Duration::from_secs(310);

/// Asks a server that has been silent for a while, with calls waiting for it, whether it is there. A server whose machine is
/// gone says nothing at all, and TCP notices only after minutes; new calls would go onto the dead connection meanwhile.
pub(super) struct Pulse {
    pings: PingPong,
    /// When the ping went out that is still to be answered.
    asked: Option<Instant>,
    /// When the last one was answered.
    answered: Option<Instant>,
    alarm: Alarm,
}

// === impl Pulse ===

impl Pulse {
    pub(super) fn new(pings: PingPong) -> Pulse {
        Pulse { pings, asked: None, answered: None, alarm: Alarm::default() }
    }

    /// Ready when the connection is to be given up. To be polled while there are calls: since `busy_since`; one of them heard
    /// from the server at `heard`.
    pub(super) fn poll_lost(&mut self, context: &mut Context<'_>, busy_since: Instant, heard: Instant) -> Poll<()> {
        loop {
            if let Some(asked) = self.asked {
                match self.pings.poll_pong(context) {
                    Poll::Ready(Ok(_)) => {
                        self.asked = None;
                        self.answered = Some(Instant::now());
                        continue;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
                ready!(self.alarm.poll_until(context, asked + bounds::UPSTREAM_PING_TIME_MAX));
                tracing::debug!("an HTTP/2 connection to an upstream is given up: it did not answer a ping");
                return Poll::Ready(());
            }
            let silent_since = busy_since.max(heard);
            let due = match self.answered {
                Some(answered) if answered > heard => {
                    (answered + QUIET_PING_GAP).max(silent_since + bounds::UPSTREAM_SILENCE_MAX)
                }
                _ => silent_since + bounds::UPSTREAM_SILENCE_MAX,
            };
            ready!(self.alarm.poll_until(context, due));
            if self.pings.send_ping(Ping::opaque()).is_err() {
                return Poll::Ready(());
            }
            self.asked = Some(Instant::now());
        }
    }
}
