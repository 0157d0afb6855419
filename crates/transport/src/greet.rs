//! The first bytes of a connection: the PROXY header, TLS, and which HTTP the client speaks.

mod plain;
mod relayed;
mod replay;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use callgate_wire::head::H2_PREFACE;
use callgate_wire::proxy::ProxyFault;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::relayed::relayed;
pub use self::replay::Replay;
use crate::Timing;
use crate::buffer::Buffer;
use crate::guarded::Guarded;
use crate::tls::ClientCertificate;

/// Read at most before it is known which HTTP this is: a whole head, nearly always.
const SNIFFED_BYTES_MAX: usize = 4 * 1024;

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2, agreed on by ALPN or known before.
    Http2,
}

/// A connection that is ready for its first call.
#[derive(Debug)]
pub struct Greeted<IO> {
    /// The bytes, decrypted.
    pub io: IO,
    /// What was read of them while the protocol was found out.
    pub buffer: Buffer,
    /// What they are.
    pub protocol: Protocol,
    /// How they are encrypted; `None` in clear text.
    pub tls: Option<TlsFacts>,
}

/// What a TLS handshake agreed on.
#[derive(Debug, Clone)]
pub struct TlsFacts {
    /// The host that the client asked for; a request for another one may be misdirected.
    pub server_name: Option<Arc<str>>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// What the client showed; nobody has vouched for it yet.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// Why a connection never came to its first call.
#[derive(Debug, thiserror::Error)]
pub enum GreetError {
    /// A balancer should have said whom it relays.
    #[error(transparent)]
    NotRelayed(ProxyFault),
    /// It speaks HTTP without TLS, which it was told.
    #[error("plain HTTP came where TLS is spoken")]
    Plain,
    /// The handshake failed.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// It took longer than [`Timing::handshake_max`], or the first bytes longer than [`Timing::idle_max`].
    #[error("the client took too long to begin")]
    TooSlow,
    /// It closed before it said anything.
    #[error("the client closed the connection before its first request")]
    Closed,
    /// The socket failed.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
}

/// A client's socket, with or without TLS. Writes are [`Guarded`] below either.
#[derive(Debug)]
pub enum ClientIo {
    /// Clear text.
    Plain(Guarded<TcpStream>),
    /// Boxed, because rustls keeps a kilobyte of state and most of the time one is moved around it is the other.
    Tls(Box<TlsStream<Guarded<TcpStream>>>),
}

/// Shakes hands on a socket that was just accepted.
///
/// # Errors
/// Why it can't be served. There is nothing to answer with.
pub async fn greet(
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    timing: &Timing,
) -> Result<Greeted<ClientIo>, GreetError> {
    let Some(config) = tls else {
        let socket = Guarded::new(socket, timing.write_stall_max);
        return sniff(ClientIo::Plain(socket), None, timing).await;
    };
    let until = Instant::now() + timing.handshake_max;
    let plain = timeout_at(until, plain::begins_plain_http(&socket)).await.map_err(|_| GreetError::TooSlow)?;
    if plain.map_err(GreetError::Broken)? {
        plain::refuse(socket).await;
        return Err(GreetError::Plain);
    }
    let socket = Guarded::new(socket, timing.write_stall_max);
    let handshake = timeout_at(until, TlsAcceptor::from(config).accept(socket));
    let stream = handshake.await.map_err(|_| GreetError::TooSlow)?.map_err(GreetError::Handshake)?;
    let session = stream.get_ref().1;
    let facts = TlsFacts {
        server_name: session.server_name().map(Arc::from),
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "1.3",
        },
        certificate: session.peer_certificates().map(|chain| {
            let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
            Arc::new(ClientCertificate::new(chain))
        }),
    };
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) => Protocol::Http1,
        None => return sniff(ClientIo::Tls(Box::new(stream)), Some(facts), timing).await,
    };
    Ok(Greeted { io: ClientIo::Tls(Box::new(stream)), buffer: Buffer::default(), protocol, tls: Some(facts) })
}

/// Reads until the first bytes are HTTP/2's preface or can't be it any more.
///
/// # Errors
/// See [`GreetError`].
pub async fn sniff<IO: AsyncRead + Unpin>(
    mut io: IO,
    tls: Option<TlsFacts>,
    timing: &Timing,
) -> Result<Greeted<IO>, GreetError> {
    let mut buffer = Buffer::default();
    let mut until = Instant::now() + timing.idle_max;
    loop {
        let fill = poll_fn(|context| buffer.poll_fill(&mut io, context, SNIFFED_BYTES_MAX));
        match timeout_at(until, fill).await {
            Err(_elapsed) if buffer.is_empty() => return Err(GreetError::TooSlow),
            Ok(Err(error)) => return Err(GreetError::Broken(error)),
            Ok(Ok(0)) if buffer.is_empty() => return Err(GreetError::Closed),
            // A part of the preface and nothing more: as HTTP/1 it gets an answer, and a record.
            Err(_) | Ok(Ok(0)) => return Ok(Greeted { io, buffer, protocol: Protocol::Http1, tls }),
            Ok(Ok(_)) => {}
        }
        let protocol = if buffer.filled().starts_with(H2_PREFACE) {
            Protocol::Http2
        } else if H2_PREFACE.starts_with(buffer.filled()) {
            until = until.min(Instant::now() + timing.head_max);
            continue;
        } else {
            Protocol::Http1
        };
        return Ok(Greeted { io, buffer, protocol, tls });
    }
}

/// The address of the other end, as the kernel says it.
///
/// # Errors
/// The connection is gone already.
pub fn peer(socket: &TcpStream) -> io::Result<SocketAddr> {
    socket.peer_addr()
}

// === impl ClientIo ===

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_read(context, into),
            ClientIo::Tls(io) => Pin::new(io).poll_read(context, into),
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_write(context, bytes),
            ClientIo::Tls(io) => Pin::new(io).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_write_vectored(context, slices),
            ClientIo::Tls(io) => Pin::new(io).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            ClientIo::Plain(io) => io.is_write_vectored(),
            ClientIo::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_flush(context),
            ClientIo::Tls(io) => Pin::new(io).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ClientIo::Plain(io) => Pin::new(io).poll_shutdown(context),
            ClientIo::Tls(io) => Pin::new(io).poll_shutdown(context),
        }
    }
}
