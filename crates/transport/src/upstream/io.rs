//! The socket to a server, with or without TLS.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::guarded::Guarded;

pub(super) enum Io {
    Plain(Guarded<TcpStream>),
    /// In a box: the state of TLS is a kilobyte.
    Tls(Box<TlsStream<Guarded<TcpStream>>>),
}

/// What TLS calls HTTP/1.1 (RFC 7301).
pub(super) const HTTP1: &[u8] = b"http/1.1";
/// What TLS calls HTTP/2.
pub(super) const HTTP2: &[u8] = b"h2";

// === impl Io ===

impl Io {
    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Io::Tls(_))
    }

    /// Whether the server chose HTTP/2 in the TLS handshake.
    pub(super) fn agreed_on_http2(&self) -> bool {
        match self {
            Io::Plain(_) => false,
            Io::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(HTTP2),
        }
    }

    /// Reads once, into the space that `buffer` has. `Ok(0)` is the end of the input.
    pub(super) fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Io::Plain(socket) => pin!(socket.read_buf(buffer)).poll(context),
            Io::Tls(stream) => pin!(stream.read_buf(buffer)).poll(context),
        }
    }

    pub(super) fn poll_write(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match (self, slices) {
            (Io::Plain(socket), [only]) => Pin::new(socket).poll_write(context, only),
            (Io::Plain(socket), _) => Pin::new(socket).poll_write_vectored(context, slices),
            (Io::Tls(stream), _) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    /// Ready when the kernel has all that was written: TLS keeps what the socket did not take.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Plain(_) => Poll::Ready(Ok(())),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    /// Says that nothing more will be sent.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Io::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    /// Whether it is open and nothing has come, as far as the runtime has heard: that costs a system call only if there was
    /// an event. A server that closes, or speaks without being asked, is not quiet; one that sends TLS session tickets is.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        match self {
            Io::Plain(socket) => {
                let read = socket.get_ref().try_read(&mut byte);
                read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
            }
            Io::Tls(stream) => {
                let mut context = Context::from_waker(Waker::noop());
                Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
            }
        }
    }

    /// Tells the server that this is the end, if that takes no wait; TCP does so by itself when the socket is dropped.
    pub(super) fn say_goodbye(&mut self) {
        if let Io::Tls(stream) = self {
            // Whatever comes of it, the connection ends here.
            drop(Pin::new(stream).poll_shutdown(&mut Context::from_waker(Waker::noop())));
        }
    }
}

/// For HTTP/2, whose library reads and writes by itself.
impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(socket) => Pin::new(socket).poll_read(context, into),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Io::poll_write(self.get_mut(), context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Io::poll_flush(self.get_mut(), context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
