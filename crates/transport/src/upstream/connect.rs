//! Opening a connection to an upstream server.

use std::io;
use std::net::SocketAddr;

use callgate_model::bounds;
use rustix::io::Errno;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::{Kind, UpstreamError};
use super::io::Io;
use super::server::Server;
use crate::guarded::Guarded;

/// Connects within [`bounds::CONNECT_TIME_MAX`], look-up and TLS included; over TLS, the server is offered these protocols.
pub(super) async fn connect(server: &Server, offered: &[&[u8]]) -> Result<Io, UpstreamError> {
    let until = Instant::now() + bounds::CONNECT_TIME_MAX;
    match timeout_at(until, connect_until(server, offered, until)).await {
        Ok(connected) => connected,
        Err(elapsed) => Err(UpstreamError::unsent(Kind::ConnectTimeout, elapsed)),
    }
}

async fn connect_until(server: &Server, offered: &[&[u8]], until: Instant) -> Result<Io, UpstreamError> {
    let socket = match server.address() {
        Some(address) => connect_one(address).await,
        None => {
            let found = server.name().addresses(server.host(), server.port()).await?;
            let socket = connect_any(&found, until).await;
            if socket.is_err() {
                server.name().ask_again();
            }
            socket
        }
    };
    let socket = socket.map_err(|error| {
        let kind = match Errno::from_io_error(&error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::ADDRNOTAVAIL | Errno::NOBUFS | Errno::NOMEM) => {
                Kind::NoDescriptor
            }
            _ if error.kind() == io::ErrorKind::TimedOut => Kind::ConnectTimeout,
            _ => Kind::Connect,
        };
        UpstreamError::unsent(kind, error)
    })?;
    let socket = Guarded::new(socket, bounds::WRITE_STALL_MAX);
    let Some(config) = server.tls() else { return Ok(Io::Plain(socket)) };
    let name =
        ServerName::try_from(server.host().to_owned()).map_err(|error| UpstreamError::unsent(Kind::Tls, error))?;
    let tls = TlsConnector::from(config.clone());
    let offered = offered.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = tls.with_alpn(offered).connect(name, socket).await;
    Ok(Io::Tls(Box::new(stream.map_err(|error| UpstreamError::unsent(Kind::Tls, error))?)))
}

/// Tries one address after the other; each gets its share of what time is left, so that one that swallows packets does
/// not use up the time of the others.
async fn connect_any(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (at, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let shares = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + left / shares, connect_one(*address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failure = error,
            Err(elapsed) => failure = elapsed.into(),
        }
    }
    Err(failure)
}

async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    // A request's head and the first piece of its body are two writes; Nagle would hold the second back.
    socket.set_nodelay(true)?;
    Ok(socket)
}
