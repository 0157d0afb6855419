//! One connection to a server: its socket, and the bytes on their way in and out.
//!
//! There is no task and no channel behind it: the call that uses it reads and writes, and what nobody uses, nobody reads.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};

use super::io::Io;
use super::slot::OpenConnection;

/// Space for a read. Nearly every answer of an API fits, so it comes with one read; 64 idle connections keep 256 KiB.
const READ_BYTES: usize = 4 * 1024;
/// Space for a read when more is known, or likely, to come: 100 KiB then take three.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Space behind what was announced: a read that fills its space to the end looks as if there were more, and costs another.
const READ_BYTES_SPARE: usize = 64;
/// What of the writing buffer's space is kept between calls.
const WRITE_BYTES_KEPT: usize = 4 * 1024;

/// A connection. Dropped idle, it closes in an orderly way; dropped in the middle of a call, it is cut at once, and so are
/// the caller and its body, which a server that stopped reading an upload would otherwise hold.
pub(super) struct Connection {
    pub(super) io: Io,
    /// What has come and belongs to nobody yet.
    pub(super) read: BytesMut,
    /// The last read filled its space.
    filled: bool,
    /// `read` has more space than an idle connection should hold.
    grown: bool,
    /// What goes out before a [`Payload`]; the first `written` bytes are on their way.
    pub(super) write: Vec<u8>,
    written: usize,
    /// It waits for a call.
    rests: bool,
    open: OpenConnection,
}

/// Bytes of a request's body that go out as they are, without being copied into a buffer.
pub(super) struct Payload {
    pub(super) data: Bytes,
    /// What follows them: the end of their chunk.
    pub(super) behind: &'static [u8],
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(io: Io, open: OpenConnection) -> Connection {
        Connection {
            io,
            read: BytesMut::new(),
            filled: false,
            grown: false,
            write: Vec::new(),
            written: 0,
            rests: false,
            open,
        }
    }

    /// See [`Io::is_quiet`]; and its server is still where it was.
    pub(super) fn is_quiet(&mut self) -> bool {
        !self.open.has_moved() && self.io.is_quiet()
    }

    /// A call begins.
    pub(super) fn wake(&mut self) {
        self.rests = false;
    }

    /// A call has ended, in both directions: what is kept of the buffers is little.
    pub(super) fn rest(&mut self) {
        self.rests = true;
        if self.grown {
            self.read = BytesMut::new();
            self.grown = false;
        }
        self.write.clear();
        self.write.shrink_to(WRITE_BYTES_KEPT);
    }

    /// Reads once, behind what is already there. `more` is how many bytes are known to come, 0 if that is not known.
    /// `Ok(0)` is the end of the input.
    pub(super) fn poll_fill(&mut self, context: &mut Context<'_>, more: u64) -> Poll<io::Result<usize>> {
        let more = usize::try_from(more).unwrap_or(READ_BYTES_MAX);
        let (want, enough) = if more > READ_BYTES {
            (READ_BYTES_MAX.min(more + READ_BYTES_SPARE), READ_BYTES)
        } else if self.filled {
            (READ_BYTES_MAX, READ_BYTES)
        } else {
            (READ_BYTES, READ_BYTES / 2)
        };
        if self.read.capacity() - self.read.len() < enough {
            self.grown |= want > READ_BYTES;
            self.read.reserve(want);
        }
        let space = self.read.capacity() - self.read.len();
        let count = ready!(self.io.poll_read(context, &mut self.read))?;
        self.filled = count == space;
        Poll::Ready(Ok(count))
    }

    /// Writes out the buffer, then the payload. `begun` is set as soon as a byte has left. Ready when all of it has.
    pub(super) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        payload: &mut Option<Payload>,
        begun: &mut bool,
    ) -> Poll<io::Result<()>> {
        loop {
            let buffered = self.write.get(self.written..).unwrap_or_default();
            let count = match payload {
                Some(Payload { data, behind }) => {
                    let slices = [IoSlice::new(buffered), IoSlice::new(data), IoSlice::new(behind)];
                    ready!(self.io.poll_write(context, &slices))?
                }
                None if buffered.is_empty() => break,
                None => ready!(self.io.poll_write(context, &[IoSlice::new(buffered)]))?,
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *begun = true;
            self.advance(count, payload);
        }
        self.write.clear();
        self.written = 0;
        self.io.poll_flush(context)
    }

    fn advance(&mut self, count: usize, payload: &mut Option<Payload>) {
        let buffered = count.min(self.write.len() - self.written);
        self.written += buffered;
        let Some(Payload { data, behind }) = payload else { return };
        let taken = (count - buffered).min(data.len());
        data.advance(taken);
        *behind = behind.get(count - buffered - taken..).unwrap_or_default();
        if data.is_empty() && behind.is_empty() {
            *payload = None;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.rests {
            self.io.say_goodbye();
        }
    }
}
