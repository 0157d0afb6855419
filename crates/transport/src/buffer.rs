//! Bytes that came from a socket and belong to nobody yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Nearly every request head fits, so a call costs one read; 50,000 idle connections cost 200 MB.
const INITIAL_BYTES: usize = 4 * 1024;

/// A byte queue that is filled from a socket at its end and emptied from its front.
#[derive(Debug, Default)]
pub struct Buffer {
    /// Always initialised to its whole length; it grows by doubling and shrinks back when it is empty.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

// === impl Buffer ===

impl Buffer {
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.is_empty() {
            self.start = 0;
            self.end = 0;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.consume(self.len());
    }

    /// Moves as many of the first `count` bytes into `into` as fit, and says how many.
    pub(crate) fn release(&mut self, into: &mut ReadBuf<'_>, count: usize) -> usize {
        let count = count.min(self.len()).min(into.remaining());
        into.put_slice(self.filled().get(..count).unwrap_or_default());
        self.consume(count);
        count
    }

    /// Appends bytes that were read past the end of a body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(bytes);
        self.end = self.bytes.len();
    }

    /// Reads once. `Ok(0)` is the end of the input; the caller sees to it that fewer than `bytes_max` are held.
    pub(crate) fn poll_fill<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        context: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        self.make_room(bytes_max);
        let mut space = ReadBuf::new(self.bytes.get_mut(self.end..).unwrap_or_default());
        ready!(Pin::new(io).poll_read(context, &mut space))?;
        let count = space.filled().len();
        self.end += count;
        Poll::Ready(Ok(count))
    }

    fn make_room(&mut self, bytes_max: usize) {
        if self.is_empty() && self.bytes.len() > INITIAL_BYTES {
            *self = Buffer::default();
        }
        if self.end < self.bytes.len() {
            return;
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            return;
        }
        let size = (self.bytes.len() * 2).clamp(INITIAL_BYTES, bytes_max.max(INITIAL_BYTES));
        // Never shorter than what is held, and never without room for a byte: a read into nothing looks like the end.
        self.bytes.resize(size.max(self.end + 1), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_what_was_pushed_in_order_and_reuses_its_front() {
        let mut buffer = Buffer::default();
        buffer.push(b"abcdef");
        let mut out = [0; 4];
        let mut space = ReadBuf::new(&mut out);
        assert_eq!(buffer.release(&mut space, 100), 4);
        assert_eq!(space.filled(), b"abcd");
        buffer.push(b"gh");
        assert_eq!(buffer.filled(), b"efgh");
        buffer.consume(4);
        assert!(buffer.is_empty());
        assert_eq!(buffer.start, 0);
    }

    #[tokio::test]
    async fn grows_up_to_its_bound_and_shrinks_when_empty() {
        let input = vec![7_u8; 20_000];
        let mut reader = input.as_slice();
        let mut buffer = Buffer::default();
        while buffer.len() < 16 * 1024 {
            std::future::poll_fn(|context| buffer.poll_fill(&mut reader, context, 16 * 1024)).await.unwrap();
        }
        assert_eq!(buffer.bytes.len(), 16 * 1024);
        buffer.clear();
        std::future::poll_fn(|context| buffer.poll_fill(&mut reader, context, 16 * 1024)).await.unwrap();
        assert_eq!(buffer.bytes.len(), INITIAL_BYTES);
    }
}
