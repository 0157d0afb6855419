//! Both directions of a session, its clocks, and its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use callgate_model::bounds;
use callgate_wire::websocket::frame::close_frame;
use callgate_wire::websocket::{FrameFault, FrameReader, Sender, close};
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::flow::{Flow, Halt};
use crate::alarm::Alarm;
use crate::spare;
use crate::switch::Duplex;
use crate::upstream::{Side, Switched};

/// What a session is held to.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Without a byte in either direction.
    pub idle: Duration,
    /// The end of its time.
    pub until: Instant,
    /// Bytes of one message.
    pub message_bytes_max: u64,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// This side closed it, with this code.
    Closed(Side, u16),
    /// This side's connection ended without a Close.
    Gone(Side),
    /// This side sent what is no frame, or a larger message than it may.
    Faulty(Side, FrameFault),
    /// Nothing moved for too long.
    Idle,
    /// Its time was over.
    Lifetime,
    /// The gate stops.
    Draining,
    /// The client's credential was revoked.
    Revoked,
    /// The client's credential has expired.
    Expired,
}

/// A session. Dropped, it cuts the server's connection.
#[derive(Debug)]
pub struct Relay<U = Switched> {
    upstream: U,
    /// From the client to the server.
    up: Flow,
    up_halt: Option<Halt>,
    /// From the server to the client.
    down: Flow,
    down_halt: Option<Halt>,
    terms: Terms,
    /// Of the Close frames that the gate sends as a client. It need not be secret: nobody else chooses what they say.
    mask: [u8; 4],
    moved_at: Instant,
    alarm: Alarm,
    stage: Stage,
    ending: Option<Ending>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Frames pass. After a Close in one direction the other one has until a moment to answer it.
    Passing {
        answer_until: Option<Instant>,
    },
    /// The gate ends the session: who can still be told is told, until a moment.
    Telling {
        client: bool,
        upstream: bool,
        until: Instant,
    },
    /// The server has time to read its Close: a connection that is closed with something unread is reset.
    Parting {
        until: Instant,
    },
    Over,
}

// === impl Ending ===

impl Ending {
    /// The code of the Close that the client sent or was sent; none if there was none.
    #[must_use]
    pub fn close_code(self) -> Option<u16> {
        match self {
            Ending::Closed(_, code) => Some(code),
            Ending::Gone(Side::Client) => None,
            Ending::Gone(Side::Upstream) | Ending::Faulty(Side::Upstream, _) => Some(close::SERVER_BROKE),
            Ending::Faulty(Side::Client, fault) => Some(code_of(fault)),
            Ending::Idle | Ending::Lifetime | Ending::Draining => Some(close::GOING_AWAY),
            Ending::Revoked | Ending::Expired => Some(close::POLICY),
        }
    }

    /// What the upstream is told.
    fn upstream_code(self) -> u16 {
        match self {
            Ending::Faulty(Side::Upstream, fault) => code_of(fault),
            _ => close::GOING_AWAY,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Ending::Closed(..) => "",
            Ending::Gone(Side::Client) => "the client is gone",
            Ending::Gone(Side::Upstream) => "the server is gone",
            Ending::Faulty(_, FrameFault::TooLarge) => "a message is too large",
            Ending::Faulty(_, FrameFault::Text) => "a text is not UTF-8",
            Ending::Faulty(_, FrameFault::Empty) => "a message has too many empty fragments",
            Ending::Faulty(Side::Client, _) => "the client broke the protocol",
            Ending::Faulty(Side::Upstream, _) => "the server broke the protocol",
            Ending::Idle => "idle for too long",
            Ending::Lifetime => "open for too long",
            Ending::Draining => "the gate is shutting down",
            Ending::Revoked => "the credential was revoked",
            Ending::Expired => "the credential has expired",
        }
    }
}

fn code_of(fault: FrameFault) -> u16 {
    match fault {
        FrameFault::TooLarge => close::TOO_LARGE,
        FrameFault::Text => close::NO_TEXT,
        FrameFault::Empty => close::POLICY,
        _ => close::PROTOCOL,
    }
}

// === impl Relay ===

impl<U: Duplex> Relay<U> {
    /// A session with this server. `mask` should differ between sessions.
    #[must_use]
    pub fn new(upstream: U, terms: Terms, mask: [u8; 4]) -> Relay<U> {
        Relay {
            upstream,
            up: Flow::new(Sender::Client, terms.message_bytes_max),
            up_halt: None,
            down: Flow::new(Sender::Server, terms.message_bytes_max),
            down_halt: None,
            terms,
            mask,
            moved_at: Instant::now(),
            alarm: Alarm::default(),
            stage: Stage::Passing { answer_until: None },
            ending: None,
        }
    }

    /// What the client has sent.
    #[must_use]
    pub fn from_client(&self) -> &FrameReader {
        &self.up.reader
    }

    /// What the server has sent.
    #[must_use]
    pub fn from_upstream(&self) -> &FrameReader {
        &self.down.reader
    }

    /// How it ended; none before.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Ends the session, unless it is ending.
    pub fn end(&mut self, ending: Ending) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(ending);
        let (mut client, mut upstream) = (true, true);
        match ending {
            Ending::Gone(Side::Client) => client = false,
            Ending::Gone(Side::Upstream) => upstream = false,
            _ => {}
        }
        if let Some(code) = ending.close_code() {
            self.down.close(close_frame(code, ending.reason(), None));
        }
        self.up.close(close_frame(ending.upstream_code(), ending.reason(), Some(self.mask)));
        self.stage = Stage::Telling { client, upstream, until: Instant::now() + bounds::WEBSOCKET_TELL_TIME_MAX };
    }

    /// Moves what can be moved; ready when the session is over.
    pub fn poll(&mut self, client: &mut dyn Duplex, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.stage {
                Stage::Passing { .. } => ready!(self.poll_pass(client, context)),
                Stage::Telling { client: mut to_client, upstream: mut to_upstream, until } => {
                    to_client = to_client && self.down.poll(&mut self.upstream, client, context).is_pending();
                    to_upstream = to_upstream && self.up.poll(client, &mut self.upstream, context).is_pending();
                    self.stage = Stage::Telling { client: to_client, upstream: to_upstream, until };
                    if to_client || to_upstream {
                        ready!(self.alarm.poll_until(context, until));
                    }
                    self.stage = Stage::Parting { until: Instant::now() + bounds::WEBSOCKET_TELL_TIME_MAX };
                }
                Stage::Parting { until } => {
                    if self.poll_part(context).is_pending() {
                        ready!(self.alarm.poll_until(context, until));
                    }
                    self.stage = Stage::Over;
                }
                Stage::Over => return Poll::Ready(()),
            }
        }
    }

    /// Ready when the stage is another one.
    fn poll_pass(&mut self, client: &mut dyn Duplex, context: &mut Context<'_>) -> Poll<()> {
        if self.up_halt.is_none()
            && let Poll::Ready(halt) = self.up.poll(client, &mut self.upstream, context)
        {
            self.up_halt = Some(halt);
        }
        if self.down_halt.is_none()
            && let Poll::Ready(halt) = self.down.poll(&mut self.upstream, client, context)
        {
            self.down_halt = Some(halt);
        }
        if self.up.take_moved() | self.down.take_moved() {
            self.moved_at = Instant::now();
        }
        match (self.up_halt, self.down_halt) {
            (None, None) => return self.poll_clocks(context),
            (Some(Halt::Closed), None) => return self.poll_answer(Side::Client, context),
            (None, Some(Halt::Closed)) => return self.poll_answer(Side::Upstream, context),
            // Whatever comes after a Close, it has been said how the session ended.
            (Some(Halt::Closed), Some(_)) | (Some(_), Some(Halt::Closed)) => {
                let side = if self.up.reader.is_closed() { Side::Client } else { Side::Upstream };
                self.note_close(side);
                self.stage = Stage::Over;
            }
            (Some(Halt::Faulty(fault)), _) => self.end(Ending::Faulty(Side::Client, fault)),
            (_, Some(Halt::Faulty(fault))) => self.end(Ending::Faulty(Side::Upstream, fault)),
            (Some(Halt::Ended), _) | (_, Some(Halt::Stuck)) => self.end(Ending::Gone(Side::Client)),
            (Some(Halt::Stuck), _) | (_, Some(Halt::Ended)) => self.end(Ending::Gone(Side::Upstream)),
        }
        Poll::Ready(())
    }

    /// Waits for the answer to a Close.
    fn poll_answer(&mut self, closed: Side, context: &mut Context<'_>) -> Poll<()> {
        self.note_close(closed);
        let Stage::Passing { answer_until } = &mut self.stage else { return Poll::Ready(()) };
        let until = *answer_until.get_or_insert_with(|| Instant::now() + bounds::WEBSOCKET_CLOSE_TIME_MAX);
        ready!(self.alarm.poll_until(context, until));
        self.stage = Stage::Over;
        Poll::Ready(())
    }

    fn note_close(&mut self, side: Side) {
        let reader = if side == Side::Client { &self.up.reader } else { &self.down.reader };
        let code = reader.close_code().unwrap_or(close::NO_CODE);
        self.ending.get_or_insert(Ending::Closed(side, code));
    }

    fn poll_clocks(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let idle_at = self.moved_at + self.terms.idle;
        ready!(self.alarm.poll_until(context, idle_at.min(self.terms.until)));
        self.end(if self.terms.until <= idle_at { Ending::Lifetime } else { Ending::Idle });
        Poll::Ready(())
    }

    /// Closes the server's connection and reads what it still sends.
    fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        ready!(Pin::new(&mut self.upstream).poll_shutdown(context))?;
        loop {
            let upstream = &mut self.upstream;
            let read = spare::with_scratch(|scratch| {
                let mut space = ReadBuf::new(scratch);
                ready!(Pin::new(upstream).poll_read(context, &mut space))?;
                Poll::Ready(Ok::<_, std::io::Error>(space.filled().len()))
            });
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
