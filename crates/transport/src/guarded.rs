//! A socket whose writes may not stand still for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::alarm::Alarm;

/// Fails a write that makes no progress for a while: a client that stops reading would hold its connection, the call and
/// the upstream's connection for as long as it likes. It wraps the socket itself, below TLS, because only there is
/// progress visible: TLS takes 64 KiB at once and then only says "not yet".
#[derive(Debug)]
pub struct Guarded<IO> {
    io: IO,
    stall_max: Duration,
    /// When the pending write began to wait; `None` while none is pending.
    waiting_since: Option<Instant>,
    /// Allocated with the first write that has to wait; most connections never have one.
    alarm: Alarm,
}

/// The client did not read for so long that the connection was given up.
#[derive(Debug, thiserror::Error)]
#[error("the peer read nothing for {} s", .0.as_secs_f32())]
pub struct WriteStalled(pub Duration);

// === impl Guarded ===

impl<IO> Guarded<IO> {
    /// Guards the writes of `io`.
    pub fn new(io: IO, stall_max: Duration) -> Guarded<IO> {
        Guarded { io, stall_max, waiting_since: None, alarm: Alarm::default() }
    }

    /// The socket inside.
    pub fn get_ref(&self) -> &IO {
        &self.io
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting_since = None;
            return written;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        if self.alarm.poll_until(context, since + self.stall_max).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, WriteStalled(self.stall_max))));
        }
        Poll::Pending
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guarded<IO> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, into)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Guarded<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
