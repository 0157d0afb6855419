//! From a URL to a stream: name, TCP, TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::answer::Timings;
use super::deadline::Deadline;
use super::{Http, Sending, tls};
use crate::error::{CallError, Step};
use crate::url::{Scheme, Url};

/// A stream that is ready for HTTP.
pub(super) struct Connected {
    pub(super) stream: Stream,
    pub(super) remote: SocketAddr,
    /// Whether HTTP/2 is spoken on it.
    pub(super) http2: bool,
    pub(super) timings: Timings,
}

/// Clear text or TLS.
pub(super) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Makes a connection for one request.
pub(super) async fn connect(url: &Url, sending: &Sending, deadline: &Deadline) -> Result<Connected, CallError> {
    let mut timings = Timings::default();
    let cap = Some(sending.connect);
    let started = Instant::now();
    let addresses = deadline.within(Step::Resolve, cap, resolve(url)).await??;
    timings.dns = started.elapsed();

    let started = Instant::now();
    let stream = deadline.within(Step::Connect, cap, dial(url, &addresses)).await??;
    timings.connect = started.elapsed();
    // Small requests must not wait for the acknowledgement of a packet before; failing costs only time.
    drop(stream.set_nodelay(true));
    let remote = stream.peer_addr().map_err(|source| CallError::Connect { authority: url.authority(), source })?;

    if url.scheme == Scheme::Http {
        let http2 = sending.http == Http::Two;
        return Ok(Connected { stream: Stream::Clear(stream), remote, http2, timings });
    }
    let started = Instant::now();
    let stream = deadline.within(Step::Tls, cap, tls::handshake(url, stream, sending)).await??;
    timings.tls = Some(started.elapsed());
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Connected { stream: Stream::Tls(Box::new(stream)), remote, http2, timings })
}

async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, CallError> {
    if let Ok(ip) = url.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, url.port)]);
    }
    if url.host.ends_with(".localhost") {
        // Always this machine (RFC 6761 section 6.3); not every resolver knows it.
        let ips = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        return Ok(ips.map(|ip| SocketAddr::new(ip, url.port)).to_vec());
    }
    let failed = |source| CallError::Resolve { host: url.host.clone(), source };
    let found: Vec<_> = tokio::net::lookup_host((url.host.as_str(), url.port)).await.map_err(failed)?.collect();
    if found.is_empty() { Err(failed(io::ErrorKind::NotFound.into())) } else { Ok(found) }
}

/// The first address that answers. `localhost` often has two, and a server listens on one of them.
async fn dial(url: &Url, addresses: &[SocketAddr]) -> Result<TcpStream, CallError> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(cause) => last = cause,
        }
    }
    let authority = format!("{}:{}", url.host, url.port);
    Err(match last.kind() {
        io::ErrorKind::ConnectionRefused => CallError::Refused { authority, source: last },
        _ => CallError::Connect { authority, source: last },
    })
}

// === impl Stream ===

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
