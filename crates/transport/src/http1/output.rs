//! What the client is sent: an answer's head and body, in as few writes as can be.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{IoSlice, Write as _};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::response::Parts;
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::{self, Outgoing, Spoken};
use super::{ConnectionError, Wire};
use crate::{BoxError, spare};

/// A piece of a body of at most this size is copied behind the head; a larger one is written from where it is.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// More than this is written before another piece is asked for.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// The writing side of a connection.
#[derive(Debug)]
pub(super) struct Output {
    /// Goes first, from `written` on. Without memory between two answers.
    bytes: Vec<u8>,
    written: usize,
    /// Goes next.
    data: Bytes,
    /// Goes behind it.
    tail: &'static [u8],
    body: Outgoing,
}

// === impl Output ===

impl Default for Output {
    fn default() -> Output {
        Output { bytes: Vec::new(), written: 0, data: Bytes::new(), tail: &[], body: Outgoing::Nothing }
    }
}

impl Output {
    /// Begins an answer, and says whether the connection is kept after it.
    pub(super) fn begin<B: Body>(&mut self, spoken: Spoken, head: &Parts, body: &B, may_keep: bool) -> bool {
        self.bytes = spare::take();
        let (outgoing, kept) = answer::write(&mut self.bytes, spoken, head, &body.size_hint(), may_keep);
        self.body = outgoing;
        kept
    }

    fn is_full(&self) -> bool {
        !self.data.is_empty() || self.bytes.len() - self.written >= GATHERED_BYTES_MAX
    }

    /// Whether nothing of the body is missing.
    fn is_whole(&self) -> bool {
        self.body == Outgoing::Nothing
    }

    fn push(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => self.push_data(data),
            Err(frame) => {
                if let (Outgoing::Chunked { trailers: true }, Ok(trailers)) = (self.body, frame.into_trailers()) {
                    self.bytes.extend_from_slice(b"0\r\n");
                    for (name, value) in &trailers {
                        answer::field(&mut self.bytes, name.as_str().as_bytes(), value.as_bytes());
                    }
                    self.bytes.extend_from_slice(b"\r\n");
                    self.body = Outgoing::Nothing;
                }
            }
        }
    }

    fn push_data(&mut self, mut data: Bytes) {
        if data.is_empty() {
            return;
        }
        let mut tail: &'static [u8] = &[];
        match &mut self.body {
            Outgoing::Nothing => return,
            Outgoing::Length(left) => {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                if *left == 0 {
                    self.body = Outgoing::Nothing;
                }
            }
            Outgoing::Chunked { .. } => {
                // Writing to a vector does not fail.
                write!(self.bytes, "{:x}\r\n", data.len()).unwrap_or_default();
                tail = b"\r\n";
            }
            Outgoing::UntilClose => {}
        }
        if data.len() <= COPIED_BYTES_MAX {
            self.bytes.extend_from_slice(&data);
            self.bytes.extend_from_slice(tail);
        } else {
            (self.data, self.tail) = (data, tail);
        }
    }

    /// The body gave all it has.
    fn finish(&mut self) -> Result<(), ConnectionError> {
        match std::mem::replace(&mut self.body, Outgoing::Nothing) {
            Outgoing::Nothing | Outgoing::UntilClose => {}
            Outgoing::Chunked { .. } => self.bytes.extend_from_slice(b"0\r\n\r\n"),
            Outgoing::Length(left) => {
                let missing = format!("the body ended {left} bytes before its declared length");
                return Err(ConnectionError::Answer(missing.into()));
            }
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        let first = count.min(self.bytes.len() - self.written);
        self.written += first;
        let second = (count - first).min(self.data.len());
        self.data.advance(second);
        self.tail = self.tail.get(count - first - second..).unwrap_or_default();
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
    }

    /// The answer is over; between two answers a connection holds no memory for the next one.
    fn rest(&mut self) {
        spare::give(std::mem::take(&mut self.bytes));
        self.data = Bytes::new();
    }

    fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        loop {
            let first = self.bytes.get(self.written..).unwrap_or_default();
            let count = match (first.is_empty(), self.data.is_empty() && self.tail.is_empty()) {
                (true, true) => return Poll::Ready(Ok(())),
                (false, true) => ready!(Pin::new(&mut *io).poll_write(context, first))?,
                _ => {
                    let slices = [IoSlice::new(first), IoSlice::new(&self.data), IoSlice::new(self.tail)];
                    let used = if first.is_empty() { &slices[1..] } else { &slices[..] };
                    ready!(Pin::new(&mut *io).poll_write_vectored(context, used))?
                }
            };
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
        }
    }
}

impl<IO: AsyncWrite + Unpin> Wire<IO> {
    /// Before an answer breaks off: what came of it, its head at least, goes out as far as there is room, and nobody waits
    /// for more. Otherwise its record would tell of an answer that the client never saw begin.
    fn say_what_is_there(&mut self, context: &mut Context<'_>) {
        if let Poll::Ready(Ok(())) = self.output.poll_write(&mut self.io, context) {
            let _gone = Pin::new(&mut self.io).poll_flush(context);
        }
    }
}

/// Sends the answer that was begun: its head, and its body as it comes. A client that goes away meanwhile ends it.
pub(super) async fn send<IO, B>(wire: &RefCell<Wire<IO>>, body: B) -> Result<(), ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes, Error = BoxError>,
{
    let mut body = pin!(Some(body));
    if wire.borrow().output.is_whole() {
        body.set(None);
    }
    poll_fn(|context| {
        loop {
            let mut waits = false;
            while let Some(open) = body.as_mut().as_pin_mut() {
                if wire.borrow().output.is_full() {
                    break;
                }
                match open.poll_frame(context) {
                    Poll::Ready(Some(Ok(frame))) => wire.borrow_mut().output.push(frame),
                    Poll::Ready(None) => wire.borrow_mut().output.finish()?,
                    Poll::Ready(Some(Err(error))) => {
                        wire.borrow_mut().say_what_is_there(context);
                        return Poll::Ready(Err(ConnectionError::Answer(error)));
                    }
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                }
                if wire.borrow().output.is_whole() {
                    body.set(None);
                }
            }
            let wire = &mut *wire.borrow_mut();
            ready!(wire.output.poll_write(&mut wire.io, context))?;
            if body.is_none() {
                wire.output.rest();
                return Pin::new(&mut wire.io).poll_flush(context).map_err(ConnectionError::Broken);
            }
            if waits {
                if Pin::new(&mut wire.io).poll_flush(context)?.is_pending() {
                    return Poll::Pending;
                }
                return wire.poll_gone(context).map(Err);
            }
        }
    })
    .await
}
