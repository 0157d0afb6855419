//! The body of one request: where it ends, and whether it comes fast enough.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use callgate_wire::chunked::{ChunkFault, ChunkScanner};
use callgate_wire::head::Framing;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::Instant;

use crate::Timing;
use crate::alarm::Alarm;
use crate::buffer::Buffer;

/// hyper reads its first 8 KiB of a body at once, so this much of a refused request's body costs no connection.
const AT_HAND_BYTES_MAX: usize = 8 * 1024;

/// Why a request body broke off. The service finds it in the error of the body it reads: [`BodyFault::find`].
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// The chunked framing is broken: a malformed request.
    #[error("the chunked body is malformed: {0}")]
    Framing(ChunkFault),
    /// Nothing came for [`Timing::body_idle_max`], or too little on the whole: a request timeout.
    #[error("the body came too slowly: {bytes} bytes while {} s were spent waiting for it", .waited.as_secs_f32())]
    TooSlow {
        /// Bytes that came, chunk framing included.
        bytes: u64,
        /// Time spent waiting for the client; time in which nobody wanted more is not counted.
        waited: Duration,
    },
}

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

/// How fast it comes.
#[derive(Debug, Default)]
struct Pace {
    bytes: u64,
    /// Time spent waiting for the client before `waiting_since`. A slow upstream stops hyper from reading, and that time
    /// is not the client's fault.
    waited: Duration,
    waiting_since: Option<Instant>,
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

// === impl BodyFault ===

impl BodyFault {
    /// Finds the fault in an error that came through hyper.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a BodyFault> {
        let mut next = Some(error);
        while let Some(error) = next {
            // An io::Error does not count the error it wraps among its sources.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(fault) = inner.and_then(|inner| inner.downcast_ref()) {
                return Some(fault);
            }
            next = error.source();
        }
        None
    }
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

// === impl Pace ===

impl Pace {
    fn advance(&mut self, bytes: u64) {
        self.bytes += bytes;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Ready when the client has had enough time.
    fn poll_wait(&mut self, context: &mut Context<'_>, timing: &Timing, alarm: &mut Alarm) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let earned = Duration::from_secs(self.bytes / timing.body_rate_min_per_s.max(1));
        let patience = earned.max(timing.body_rate_grace).saturating_sub(self.waited);
        alarm.poll_until(context, since + patience.min(timing.body_idle_max))
    }

    fn too_slow(&mut self) -> io::Error {
        self.advance(0);
        io::Error::new(io::ErrorKind::TimedOut, BodyFault::TooSlow { bytes: self.bytes, waited: self.waited })
    }
}
