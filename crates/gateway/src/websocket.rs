//! A call that has become a WebSocket: the relay between its two sides, and its record until the end.

use std::task::{Context, Poll};

use callgate_model::record::{Closer, End, WebsocketPart};
use callgate_transport::switch::{Duplex, Session};
use callgate_transport::upstream::Side;
use callgate_transport::websocket::{Ending, Relay};

use crate::call::CallGuard;
use crate::watch::{Lapsed, Watch};

/// An open WebSocket. Of the configuration that let it in it keeps nothing.
#[derive(Debug)]
pub(crate) struct Websocket {
    relay: Relay,
    watch: Watch,
    guard: CallGuard,
}

// === impl Websocket ===

impl Websocket {
    pub(crate) fn new(relay: Relay, watch: Watch, guard: CallGuard) -> Websocket {
        Websocket { relay, watch, guard }
    }
}

impl Session for Websocket {
    fn poll(&mut self, client: &mut dyn Duplex, draining: bool, context: &mut Context<'_>) -> Poll<()> {
        match self.watch.poll_lapsed(context) {
            Some(Lapsed::Revoked) => self.relay.end(Ending::Revoked),
            Some(Lapsed::Expired) => self.relay.end(Ending::Expired),
            None => {}
        }
        if draining {
            self.relay.end(Ending::Draining);
        }
        self.relay.poll(client, context)
    }
}

/// Dropped at its end, or before it with the worker: either way the record says what went through.
impl Drop for Websocket {
    fn drop(&mut self) {
        let (up, down) = (self.relay.from_client(), self.relay.from_upstream());
        // Cut by the gate, if nobody ended it.
        let ending = self.relay.ending().unwrap_or(Ending::Draining);
        let part = WebsocketPart {
            messages_in: up.messages(),
            messages_out: down.messages(),
            close_code: self.relay.ending().and_then(Ending::close_code),
            closed_by: closer(ending),
        };
        self.guard.request = None;
        self.guard.request_bytes = up.bytes();
        self.guard.response_bytes = down.bytes();
        self.guard.websocket = Some(Box::new(part));
        match end(ending) {
            End::Complete => self.guard.complete(),
            end => self.guard.broke(end),
        }
    }
}

fn closer(ending: Ending) -> Closer {
    match ending {
        Ending::Closed(Side::Client, _) | Ending::Gone(Side::Client) => Closer::Client,
        Ending::Closed(Side::Upstream, _) | Ending::Gone(Side::Upstream) => Closer::Upstream,
        Ending::Faulty(..) | Ending::Idle | Ending::Lifetime | Ending::Draining | Ending::Revoked | Ending::Expired => {
            Closer::Gate
        }
    }
}

fn end(ending: Ending) -> End {
    match ending {
        Ending::Closed(..) => End::Complete,
        Ending::Gone(Side::Client) => End::ClientGone,
        Ending::Gone(Side::Upstream) | Ending::Faulty(Side::Upstream, _) => End::UpstreamBroke,
        Ending::Faulty(Side::Client, _) => End::Refused,
        Ending::Idle | Ending::Lifetime => End::TimedOut,
        Ending::Draining => End::Draining,
        Ending::Revoked => End::Revoked,
        Ending::Expired => End::Expired,
    }
}
