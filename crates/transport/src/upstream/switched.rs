//! A connection to a server that was switched to another protocol.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::Lease;

/// The bytes of a connection after its 101, what came right behind that included. It is never used for another call.
pub struct Switched(pub(super) Lease);

// === impl Switched ===

impl AsyncRead for Switched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let connection = &mut self.0.connection;
        if connection.read.is_empty() {
            ready!(connection.poll_fill(context, 0))?;
        }
        let count = connection.read.len().min(into.remaining());
        into.put_slice(connection.read.get(..count).unwrap_or_default());
        connection.read.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Switched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.connection.io.poll_write(context, &[IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.connection.io.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.connection.io.poll_shutdown(context)
    }
}

impl fmt::Debug for Switched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Switched").finish_non_exhaustive()
    }
}
