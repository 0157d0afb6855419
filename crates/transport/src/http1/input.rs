//! What a client sends: heads, bodies, and what it sends too early.
//!
//! A head is inspected as bytes and becomes a request; then its body is counted by the framing that was inspected; and
//! nothing of the next head is looked at before the answer to this one is finished.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use callgate_model::bounds;
use callgate_wire::head::{self, Head, HeadFault, HeadScanner};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri, Version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::body::{Extent, Incoming};
use super::{ConnectionError, Wire};
use crate::buffer::Buffer;
use crate::switch::Offer;

/// Bytes of later requests that are held while a call is in flight; past it the socket is left alone.
const HELD_BYTES_MAX: usize = bounds::HEAD_BYTES_MAX;

/// What was found where a request head should be.
#[derive(Debug)]
pub enum Inspected {
    /// A head that has no fault; the request beside this is it.
    Whole,
    /// A faulty one; the request is a stand-in without meaning, and the connection closes after the answer.
    Fault(HeadFault),
    /// A head that had begun and was not complete in time; the request is a stand-in here too.
    TooSlow,
}

/// The reading side of a connection.
#[derive(Debug)]
pub(super) struct Input {
    /// Read from the socket, and nobody's yet.
    pub(super) buffer: Buffer,
    pub(super) reading: Reading,
    /// Counts the calls, so that a body that outlives its call reads nothing of the next one.
    pub(super) call: u64,
    /// Since when neither a call nor a byte of the next one is here.
    idle_since: Option<Instant>,
    /// Since when a part of a head is here and the rest is not.
    head_since: Option<Instant>,
    /// When the client closed its side, with a call in flight or requests still held.
    input_ended: Option<Instant>,
    /// The current call's client takes another one on this connection.
    keep_alive: bool,
    /// The fields of the last answer, emptied: the next request's need no memory of their own.
    spare: HeaderMap,
}

/// What the next bytes from the client are.
#[derive(Debug)]
pub(super) enum Reading {
    /// A head. The scanner has seen the first `searched` bytes and found neither an end nor a fault.
    Head { searched: usize, scanner: HeadScanner },
    /// The body of the current request.
    Body(Incoming),
    /// Something that followed a fault. Nobody reads it but the linger.
    Refused,
    /// Nothing: the client closed its side, or the connection waited long enough.
    Ended,
}

/// A request, or its stand-in, and what was found of it.
pub(super) type Call = (Request<Option<Extent>>, Inspected);

// === impl Input ===

impl Input {
    pub(super) fn new(buffer: Buffer) -> Input {
        Input {
            buffer,
            reading: Reading::next_head(),
            call: 0,
            idle_since: None,
            head_since: None,
            input_ended: None,
            keep_alive: true,
            spare: HeaderMap::new(),
        }
    }

    /// Whether another head may follow the answer that begins now: an answer that comes before the end of the request's
    /// body ends the connection, unless that end is here already.
    pub(super) fn may_be_kept(&self) -> bool {
        self.keep_alive
            && match &self.reading {
                Reading::Head { .. } => true,
                Reading::Body(body) => body.is_at_hand(self.buffer.len()),
                Reading::Refused | Reading::Ended => false,
            }
    }

    /// The answer is over. False if the rest of the request has to be discarded with the connection.
    pub(super) fn end_call(&mut self, mut answered: HeaderMap) -> bool {
        answered.clear();
        self.spare = answered;
        if let Reading::Body(body) = &self.reading {
            match body.rest_at_hand(self.buffer.len()) {
                Some(rest) => self.buffer.consume(rest),
                None => return false,
            }
            self.reading = Reading::next_head();
        }
        matches!(self.reading, Reading::Head { .. })
    }

    /// Whether the client may still be sending what nobody will read.
    pub(super) fn is_owed(&self) -> bool {
        match &self.reading {
            Reading::Head { .. } => !self.buffer.is_empty(),
            Reading::Ended => false,
            Reading::Body(_) | Reading::Refused => true,
        }
    }

    /// Looks for a whole head in the buffer.
    fn search_head(&mut self) -> Option<Call> {
        let Reading::Head { searched, scanner } = &mut self.reading else { return None };
        if *searched == 0 {
            // RFC 9112 section 2.2: empty lines before a request line are ignored; some clients end a body with one.
            while self.buffer.filled().starts_with(b"\r\n") {
                self.buffer.consume(2);
            }
        }
        let filled = self.buffer.filled();
        if filled.len() == *searched {
            return None;
        }
        if let Some(end) = head::find_end(filled, *searched) {
            return Some(self.take_head(end));
        }
        *searched = filled.len();
        // The slower way, taken only for a head in pieces: it sees at once that a head will never be whole.
        match scanner.find_end(filled) {
            Ok(_) => None,
            Err(fault) => Some(self.refuse(Inspected::Fault(fault))),
        }
    }

    fn take_head(&mut self, end: usize) -> Call {
        if end > bounds::HEAD_BYTES_MAX {
            return self.refuse(Inspected::Fault(HeadFault::TooLarge));
        }
        let bytes = self.buffer.take(end);
        let mut headers = std::mem::take(&mut self.spare);
        match understand(&bytes, &mut headers) {
            Ok((mut request, head)) => {
                self.keep_alive = head.keep_alive;
                *request.headers_mut() = headers;
                let extent = Extent::of(head.framing);
                self.reading = match extent {
                    None => Reading::next_head(),
                    Some(extent) => Reading::Body(Incoming::new(extent, head.expect_continue)),
                };
                (request.map(|()| extent), Inspected::Whole)
            }
            Err(fault) => self.refuse(Inspected::Fault(fault)),
        }
    }

    /// A call with a stand-in for a request: the refusal is the gateway's, with a record.
    fn refuse(&mut self, inspected: Inspected) -> Call {
        self.buffer.clear();
        self.reading = Reading::Refused;
        self.keep_alive = false;
        (Request::new(None), inspected)
    }

    /// The client closed its side where a head should be, or in it.
    fn end_input(&mut self) -> Option<Call> {
        if self.buffer.is_empty() {
            self.reading = Reading::Ended;
            return None;
        }
        Some(self.refuse(Inspected::Fault(HeadFault::Malformed("the connection ended in the middle of a head"))))
    }
}

/// Inspects a head, and makes the request that it is.
fn understand(bytes: &Bytes, headers: &mut HeaderMap) -> Result<(Request<()>, Head), HeadFault> {
    const FIELD: HeadFault = HeadFault::Malformed("a field is not one that HTTP knows");
    const TARGET: HeadFault = HeadFault::Malformed("the target is not a URI");
    let head = head::inspect_each(bytes, |name, value| {
        let name = HeaderName::from_bytes(bytes.get(name).unwrap_or_default()).map_err(|_| FIELD)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(value)).map_err(|_| FIELD)?;
        headers.try_append(name, value).map_err(|_| FIELD)?;
        Ok(())
    })?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(head.method_text(bytes).as_bytes())
        .map_err(|_| HeadFault::Malformed("the method is not one that HTTP knows"))?;
    *request.uri_mut() = Uri::from_maybe_shared(bytes.slice(head.target.clone())).map_err(|_| TARGET)?;
    *request.version_mut() = if head.minor_version == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    // HTTP/1.0 knows no upgrade (RFC 9110 section 7.8).
    if head.has_upgrade && head.minor_version > 0 {
        request.extensions_mut().insert(Offer);
    }
    Ok((request, head))
}

// === impl Reading ===

impl Reading {
    fn next_head() -> Reading {
        Reading::Head { searched: 0, scanner: HeadScanner::new() }
    }

    /// The current body is over.
    pub(super) fn end_body(&mut self) {
        *self = Reading::next_head();
    }
}

// === impl Wire ===

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire<IO> {
    /// Reads until a whole head is here, and says what it is; none at the end. `closes`: a connection without a call is not
    /// waited for.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        closes: bool,
    ) -> Poll<Result<Option<Call>, ConnectionError>> {
        loop {
            if let Some(call) = self.input.search_head() {
                self.input.idle_since = None;
                self.input.head_since = None;
                self.input.call += 1;
                return Poll::Ready(Ok(Some(call)));
            }
            if self.input.input_ended.is_some() {
                return Poll::Ready(Ok(self.input.end_input()));
            }
            match self.input.buffer.poll_fill(&mut self.io, context, bounds::HEAD_BYTES_MAX + 1) {
                Poll::Ready(Ok(0)) => self.input.input_ended = Some(Instant::now()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending if closes && self.input.buffer.is_empty() => {
                    self.input.reading = Reading::Ended;
                    return Poll::Ready(Ok(None));
                }
                Poll::Pending => return self.poll_patience(context).map(Ok),
            }
        }
    }

    /// Waits for the next byte of a head no longer than a client may take.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<Option<Call>> {
        let input = &mut self.input;
        if input.buffer.is_empty() {
            let since = *input.idle_since.get_or_insert_with(Instant::now);
            ready!(self.alarm.poll_until(context, since + self.timing.idle_max));
            // Nobody waits for an answer here, so none is given.
            input.reading = Reading::Ended;
            return Poll::Ready(None);
        }
        let since = *input.head_since.get_or_insert_with(Instant::now);
        ready!(self.alarm.poll_until(context, since + self.timing.head_max));
        input.call += 1;
        Poll::Ready(Some(input.refuse(Inspected::TooSlow)))
    }

    /// While a call is in flight: takes in what comes, and is ready when the client is gone. A body that nobody reads is
    /// left in the socket.
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<ConnectionError> {
        let input = &mut self.input;
        if !matches!(input.reading, Reading::Head { .. }) {
            return Poll::Pending;
        }
        while input.input_ended.is_none() && input.buffer.len() < HELD_BYTES_MAX {
            match input.buffer.poll_fill(&mut self.io, context, HELD_BYTES_MAX) {
                Poll::Ready(Ok(0)) => input.input_ended = Some(Instant::now()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error.into()),
                Poll::Pending => return Poll::Pending,
            }
        }
        // A client that closed only its own side (`nc -N`, node's `socket.end(request)`) still wants the answer; one that is
        // gone looks the same. So a short call is finished and a long one is given up.
        let Some(since) = input.input_ended else { return Poll::Pending };
        ready!(self.alarm.poll_until(context, since + self.timing.half_closed_max));
        input.reading = Reading::Ended;
        Poll::Ready(ConnectionError::Gone)
    }

    /// Closes the connection so that the client still sees the answer.
    pub(super) fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let owed = self.input.is_owed();
        self.closing.poll(Pin::new(&mut self.io).get_mut(), owed, context, &self.timing, &mut self.alarm)
    }
}
