//! The checked stream: a parser in front of the parser.
//!
//! hyper parses what it is given, answers a faulty head by itself and tells nobody, accepts heads with several framings by
//! preferring one, and has no clocks for slow clients. So it never sees the socket. It reads from a [`CheckedStream`],
//! which takes each request head apart first (`wire::head`), says what it found to the service
//! ([`ConnectionHandle::next_head`]), and only then hands out exactly that head's bytes; then exactly that request's body,
//! counted by the framing that was inspected; and nothing of the next request before the response to this one is
//! finished. Two parsers can't disagree about where a request ends when the second never sees more than one.
//!
//! A head with a fault is replaced by a tiny well-formed one, so that hyper calls the service like for any other request:
//! the refusal is then the gateway's, with a record. Whatever follows a fault is discarded unread.
//!
//! How hyper 1.12 reads, because holding back relies on it (`pipeline_flush` is off): while a call is in flight it reads
//! once more to notice a client that went away (`mid_message_detect_eof`), and stops asking as soon as it was given a
//! byte. After the response it reads again only when the socket's waker fires, which never happens for bytes that are
//! already here: [`ConnectionHandle::call_ended`] wakes it.

mod body;
mod fault;
mod handle;
mod linger;
pub(crate) mod pace;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use callgate_model::bounds;
use callgate_wire::head::{self, Framing, Head, HeadFault, HeadScanner};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use self::body::Body;
pub use self::fault::BodyFault;
pub use self::handle::{ConnectionHandle, Inspected};
use self::linger::Closing;
use crate::Timing;
use crate::alarm::Alarm;
use crate::buffer::Buffer;

/// What hyper is given instead of a faulty head. It asks for the connection to be closed after the answer.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: callgate.invalid\r\nConnection: close\r\n\r\n";

/// Bytes of later requests that are held while a call is in flight; past it the socket is left alone.
const HELD_BYTES_MAX: usize = bounds::HEAD_BYTES_MAX;

/// See the module.
#[derive(Debug)]
pub struct CheckedStream<IO> {
    io: IO,
    /// Read from the socket and not yet handed to hyper.
    buffer: Buffer,
    reading: Reading,
    handle: ConnectionHandle,
    timing: Timing,
    alarm: Alarm,
    /// Since when neither a call nor a byte of the next one is here.
    idle_since: Option<Instant>,
    /// Since when a part of a head is here and the rest is not.
    head_since: Option<Instant>,
    /// When the client closed its side, with a call in flight or requests still held.
    input_ended: Option<Instant>,
    /// Written, and hyper has not yet flushed it: it may hold a part of the response itself.
    unflushed: bool,
    closing: Closing,
}

/// What the next bytes from the client are.
#[derive(Debug)]
enum Reading {
    /// A head. The scanner has seen the first `searched` bytes and found neither an end nor a fault.
    Head { searched: usize, scanner: HeadScanner },
    /// The rest of an inspected head: `left` bytes, all in the buffer.
    Release { left: usize, framing: Framing },
    /// The rest of [`STAND_IN`].
    StandIn { given: usize },
    /// The body of the current request.
    Body(Body),
    /// Something that followed a fault. Nobody reads it but the linger.
    Refused,
    /// Nothing: the client closed its side.
    Ended,
}

// === impl Reading ===

impl Reading {
    fn next_head() -> Reading {
        Reading::Head { searched: 0, scanner: HeadScanner::new() }
    }
}

// === impl CheckedStream ===

impl<IO: AsyncRead + AsyncWrite + Unpin> CheckedStream<IO> {
    /// Checks `io`, of which `buffer` was read already.
    pub fn new(io: IO, buffer: Buffer, timing: Timing) -> CheckedStream<IO> {
        CheckedStream {
            io,
            buffer,
            reading: Reading::next_head(),
            handle: ConnectionHandle::default(),
            timing,
            alarm: Alarm::default(),
            idle_since: None,
            head_since: None,
            input_ended: None,
            unflushed: false,
            closing: Closing::default(),
        }
    }

    /// The service's side of this stream.
    pub fn handle(&self) -> ConnectionHandle {
        self.handle.clone()
    }

    /// Reads until a whole head is here and says what it is. Afterwards `reading` is no longer `Head`.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.search_head();
            if !matches!(self.reading, Reading::Head { .. }) {
                self.idle_since = None;
                self.head_since = None;
                return Poll::Ready(Ok(()));
            }
            if self.input_ended.is_some() {
                self.end_input();
                return Poll::Ready(Ok(()));
            }
            match self.buffer.poll_fill(&mut self.io, context, bounds::HEAD_BYTES_MAX + 1) {
                Poll::Ready(Ok(0)) => self.input_ended = Some(Instant::now()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(self.poll_patience(context));
                }
            }
        }
    }

    /// Looks for a whole head in the buffer.
    fn search_head(&mut self) {
        let Reading::Head { searched, scanner } = &mut self.reading else { return };
        if *searched == 0 {
            // RFC 9112 section 2.2: empty lines before a request line are ignored; some clients end a body with one.
            while self.buffer.filled().starts_with(b"\r\n") {
                self.buffer.consume(2);
            }
        }
        let filled = self.buffer.filled();
        if filled.len() == *searched {
            return;
        }
        let found = match head::find_end(filled, *searched) {
            Some(end) => head::inspect(filled.get(..end).unwrap_or_default()).map(|head| Some((head, end))),
            // The slower way, taken only for a head in pieces: it sees at once that a head will never be whole.
            None => scanner.find_end(filled).map(|_| None),
        };
        *searched = filled.len();
        match found {
            Ok(None) => {}
            Ok(Some((head, end))) => self.accept(head, end),
            Err(fault) => self.refuse(Inspected::Fault(fault)),
        }
    }

    fn accept(&mut self, head: Head, bytes: usize) {
        self.reading = Reading::Release { left: bytes, framing: head.framing };
        self.handle.announce(Inspected::Head(head));
    }

    fn refuse(&mut self, inspected: Inspected) {
        self.buffer.clear();
        self.reading = Reading::StandIn { given: 0 };
        self.handle.announce(inspected);
    }

    /// Waits for the next byte of a head no longer than a client may take. Ready when `reading` has changed.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.buffer.is_empty() {
            ready!(self.poll_idle(context));
            // Nobody waits for an answer here, so none is given.
            self.reading = Reading::Ended;
        } else {
            let since = *self.head_since.get_or_insert_with(Instant::now);
            ready!(self.alarm.poll_until(context, since + self.timing.head_max));
            self.refuse(Inspected::TooSlow);
        }
        Poll::Ready(())
    }

    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        self.alarm.poll_until(context, since + self.timing.idle_max)
    }

    /// The client closed its side where a head should be, or in it.
    fn end_input(&mut self) {
        if self.buffer.is_empty() {
            self.reading = Reading::Ended;
        } else {
            self.refuse(Inspected::Fault(HeadFault::Malformed("the connection ended in the middle of a head")));
        }
    }

    /// Whether the current call's response is not finished.
    fn is_busy(&self) -> bool {
        self.handle.in_call() || self.unflushed
    }

    /// While a call is in flight: takes in what comes, hands out nothing, but tells when the client is gone.
    fn poll_hold(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.input_ended.is_none() && self.buffer.len() < HELD_BYTES_MAX {
            match self.buffer.poll_fill(&mut self.io, context, HELD_BYTES_MAX) {
                Poll::Ready(Ok(0)) => self.input_ended = Some(Instant::now()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if let Some(since) = self.input_ended {
            // A client that closed only its own side (`nc -N`, node's `socket.end(request)`) still wants the answer; one
            // that is gone looks the same. So a short call is finished and a long one is given up.
            if self.alarm.poll_until(context, since + self.timing.half_closed_max).is_ready() {
                self.reading = Reading::Ended;
                return Poll::Ready(Ok(()));
            }
        }
        if !self.buffer.is_empty() || self.input_ended.is_some() {
            self.handle.wake_when_ended(context.waker());
        }
        Poll::Pending
    }

    /// Hands out inspected bytes of the head.
    fn release(&mut self, into: &mut ReadBuf<'_>, left: usize, framing: Framing) {
        let left = left - self.buffer.release(into, left);
        if left > 0 {
            self.reading = Reading::Release { left, framing };
        } else {
            self.enter_body(Body::new(framing));
        }
    }

    fn stand_in(&mut self, into: &mut ReadBuf<'_>, given: usize) {
        let rest = STAND_IN.get(given..).unwrap_or_default();
        let count = rest.len().min(into.remaining());
        into.put_slice(rest.get(..count).unwrap_or_default());
        let given = given + count;
        self.reading = if given < STAND_IN.len() { Reading::StandIn { given } } else { Reading::Refused };
    }

    fn enter_body(&mut self, body: Option<Body>) {
        self.handle.set_body_left(body.as_ref().is_some_and(|body| !body.is_at_hand(self.buffer.len())));
        self.reading = body.map_or_else(Reading::next_head, Reading::Body);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for CheckedStream<IO> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let busy = stream.is_busy();
            match &mut stream.reading {
                Reading::Head { .. } if busy => return stream.poll_hold(context),
                Reading::Head { .. } => ready!(stream.poll_head(context))?,
                &mut Reading::Release { left, framing } => {
                    stream.release(into, left, framing);
                    return Poll::Ready(Ok(()));
                }
                &mut Reading::StandIn { given } => {
                    stream.stand_in(into, given);
                    return Poll::Ready(Ok(()));
                }
                Reading::Body(body) => {
                    let source = body::Source { io: &mut stream.io, buffer: &mut stream.buffer };
                    let step = ready!(body.poll_read(source, context, into, &stream.timing, &mut stream.alarm));
                    return Poll::Ready(stream.after_body_step(step));
                }
                // Not the end of the input either: hyper would take it for a client that went away and drop the call.
                Reading::Refused => return Poll::Pending,
                Reading::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> CheckedStream<IO> {
    fn after_body_step(&mut self, step: io::Result<body::Step>) -> io::Result<()> {
        match step {
            Ok(body::Step::More) => {
                if let Reading::Body(body) = &self.reading {
                    self.handle.set_body_left(!body.is_at_hand(self.buffer.len()));
                }
            }
            Ok(body::Step::End) => self.enter_body(None),
            Ok(body::Step::Gone) => self.reading = Reading::Ended,
            Err(error) => {
                self.reading = Reading::Refused;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CheckedStream<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_flush(context))?;
        // hyper flushes its own buffer first, so this is the end of what it had to write.
        let stream = self.get_mut();
        let wrote = std::mem::take(&mut stream.unflushed);
        if wrote && matches!(stream.reading, Reading::Head { .. }) && !stream.handle.in_call() {
            // hyper doesn't read again between the end of a call and the client's next byte: what was held is announced
            // to it, and the idle clock is started here. When it rings, hyper reads, and poll_head says the rest.
            stream.handle.wake();
            if stream.poll_idle(context).is_ready() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let owed = match stream.reading {
            Reading::Head { .. } => !stream.buffer.is_empty(),
            Reading::Ended => false,
            Reading::Release { .. } | Reading::StandIn { .. } | Reading::Body(_) | Reading::Refused => true,
        };
        stream.closing.poll(&mut stream.io, owed, context, &stream.timing, &mut stream.alarm)
    }
}
