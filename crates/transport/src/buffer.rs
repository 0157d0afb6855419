//! Bytes that came from a socket and belong to nobody yet.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use crate::spare;

/// A byte queue that is filled from a socket at its end and emptied from its front. Empty, it holds no memory: what is read
/// comes through a buffer that the connections of a worker share.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
}

// === impl Buffer ===

impl Buffer {
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.is_empty() {
            *self = Buffer::default();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Buffer::default();
    }

    /// Takes the first `count` bytes out; without a copy when that is all there is.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        if self.start == 0 && count >= self.bytes.len() {
            return std::mem::take(&mut self.bytes).into();
        }
        let taken = Bytes::copy_from_slice(self.filled().get(..count).unwrap_or_else(|| self.filled()));
        self.consume(taken.len());
        taken
    }

    /// Moves as many bytes into `into` as fit.
    pub(crate) fn release(&mut self, into: &mut ReadBuf<'_>) {
        let count = self.len().min(into.remaining());
        into.put_slice(self.filled().get(..count).unwrap_or_default());
        self.consume(count);
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Reads once. `Ok(0)` is the end of the input; the caller sees to it that fewer than `bytes_max` are held.
    pub(crate) fn poll_fill<IO: AsyncRead + Unpin + ?Sized>(
        &mut self,
        io: &mut IO,
        context: &mut Context<'_>,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        spare::with_scratch(|scratch| {
            let most = bytes_max.saturating_sub(self.len()).clamp(1, scratch.len());
            let mut space = ReadBuf::new(scratch.get_mut(..most).unwrap_or_default());
            ready!(Pin::new(io).poll_read(context, &mut space))?;
            self.push(space.filled());
            Poll::Ready(Ok(space.filled().len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_out_what_came_in_and_then_holds_nothing() {
        let mut buffer = Buffer::default();
        buffer.push(b"abcdef");
        assert_eq!(buffer.take(4), "abcd");
        buffer.push(b"gh");
        assert_eq!(buffer.filled(), b"efgh");
        buffer.consume(1);
        assert_eq!(buffer.take(9), "fgh");
        assert_eq!((buffer.len(), buffer.bytes.capacity()), (0, 0));
    }

    #[tokio::test]
    async fn reads_no_more_than_its_bound() {
        let input = vec![7_u8; 20_000];
        let mut reader = input.as_slice();
        let mut buffer = Buffer::default();
        while buffer.len() < 1_000 {
            std::future::poll_fn(|context| buffer.poll_fill(&mut reader, context, 1_000)).await.unwrap();
        }
        assert_eq!(buffer.len(), 1_000);
    }
}
