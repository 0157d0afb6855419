//! The body of one request: where it ends, and whether it comes fast enough.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use callgate_wire::chunked::ChunkScanner;
use callgate_wire::head::Framing;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::fault::BodyFault;
use super::pace::Pace;
use crate::Timing;
use crate::alarm::Alarm;
use crate::buffer::Buffer;

/// hyper reads its first 8 KiB of a body at once, so this much of a refused request's body costs no connection.
const AT_HAND_BYTES_MAX: usize = 8 * 1024;

/// A request body that has not ended.
#[derive(Debug)]
pub(super) struct Body {
    extent: Extent,
    pace: Pace,
}

/// How its end is found.
#[derive(Debug)]
enum Extent {
    /// After this many more bytes, at least one.
    Length(u64),
    Chunked(ChunkScanner),
}

/// Where a body's bytes are.
pub(super) struct Source<'a, IO> {
    pub(super) io: &'a mut IO,
    /// Looked at before the socket.
    pub(super) buffer: &'a mut Buffer,
}

/// What a read did.
pub(super) enum Step {
    More,
    /// The last byte of the body was handed out.
    End,
    /// The client closed its side before that.
    Gone,
}

// === impl Body ===

impl Body {
    pub(super) fn new(framing: Framing) -> Option<Body> {
        let extent = match framing {
            Framing::None | Framing::Length(0) => return None,
            Framing::Length(bytes) => Extent::Length(bytes),
            Framing::Chunked => Extent::Chunked(ChunkScanner::default()),
        };
        Some(Body { extent, pace: Pace::default() })
    }

    /// Whether hyper gets to the end with one read of the buffer. If so, a body that nobody read costs no connection.
    pub(super) fn is_at_hand(&self, buffered: usize) -> bool {
        match self.extent {
            Extent::Length(left) => left <= buffered.min(AT_HAND_BYTES_MAX) as u64,
            Extent::Chunked(_) => false,
        }
    }

    /// Hands out bytes of this body and none after it.
    pub(super) fn poll_read<IO: AsyncRead + Unpin>(
        &mut self,
        mut source: Source<'_, IO>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        timing: &Timing,
        alarm: &mut Alarm,
    ) -> Poll<io::Result<Step>> {
        let before = into.filled().len();
        let read = match &mut self.extent {
            Extent::Length(left) => poll_length(*left, &mut source, context, into),
            Extent::Chunked(scanner) => poll_chunked(scanner, &mut source, context, into),
        };
        let ended = match read {
            Poll::Ready(Ok(ended)) => ended,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.pace.poll_wait(context, timing, alarm));
                return Poll::Ready(Err(self.pace.too_slow()));
            }
        };
        let count = (into.filled().len() - before) as u64;
        self.pace.advance(count);
        if count == 0 {
            return Poll::Ready(Ok(Step::Gone));
        }
        let ended = match &mut self.extent {
            Extent::Length(left) => {
                *left -= count;
                *left == 0
            }
            Extent::Chunked(_) => ended,
        };
        Poll::Ready(Ok(if ended { Step::End } else { Step::More }))
    }
}

/// Reads at most `left` bytes, straight from the socket into hyper's buffer when nothing is held.
fn poll_length<IO: AsyncRead + Unpin>(
    left: u64,
    source: &mut Source<'_, IO>,
    context: &mut Context<'_>,
    into: &mut ReadBuf<'_>,
) -> Poll<io::Result<bool>> {
    if source.buffer.is_empty() {
        ready!(Pin::new(&mut (&mut *source.io).take(left)).poll_read(context, into))?;
    } else {
        source.buffer.release(into, usize::try_from(left).unwrap_or(usize::MAX));
    }
    Poll::Ready(Ok(false))
}

/// Reads, finds out how much of it belongs to the body, and moves the rest back into the buffer.
fn poll_chunked<IO: AsyncRead + Unpin>(
    scanner: &mut ChunkScanner,
    source: &mut Source<'_, IO>,
    context: &mut Context<'_>,
    into: &mut ReadBuf<'_>,
) -> Poll<io::Result<bool>> {
    let fault = |fault| io::Error::new(io::ErrorKind::InvalidData, BodyFault::Framing(fault));
    if !source.buffer.is_empty() {
        let filled = source.buffer.filled();
        let scan = scanner.scan(filled.get(..into.remaining()).unwrap_or(filled)).map_err(fault)?;
        source.buffer.release(into, scan.body);
        return Poll::Ready(Ok(scan.ended));
    }
    let before = into.filled().len();
    ready!(Pin::new(&mut *source.io).poll_read(context, into))?;
    let read = into.filled().get(before..).unwrap_or_default();
    let scan = scanner.scan(read).map_err(fault)?;
    source.buffer.push(read.get(scan.body..).unwrap_or_default());
    into.set_filled(before + scan.body);
    Poll::Ready(Ok(scan.ended))
}
