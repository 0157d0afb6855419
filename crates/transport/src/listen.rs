//! Listening sockets, and taking connections from them without ever giving up.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::gauge::{Connections, Permit};

/// Connections that the kernel completes while no worker has time.
const BACKLOG: i32 = 4096;
/// After the kernel had no connection to give. It is out of file descriptors or memory then, and asking again at once
/// would burn a core until somebody closes something.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(50);
/// What a client over the bound hears on a clear-text listener; writing it never waits.
const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nCallgate-Refused: overloaded\r\nRetry-After: 1\r\n\
    Content-Type: application/problem+json\r\nContent-Length: 96\r\nConnection: close\r\n\r\n\
    {\"type\":\"urn:callgate:refusal:overloaded\",\"title\":\"Overloaded\",\"status\":503,\"code\":\"overloaded\"}";

/// A bound address. Every worker accepts from it through a [`LocalListener`] of its own.
#[derive(Debug)]
pub struct Listener {
    socket: StdListener,
    address: SocketAddr,
}

/// One worker's side of a [`Listener`].
#[derive(Debug)]
pub struct LocalListener {
    socket: TcpListener,
    connections: Arc<Connections>,
    /// A refused client on a TLS listener could not read [`OVERLOADED`].
    clear_text: bool,
}

/// A connection that was let in.
#[derive(Debug)]
pub struct Arrival {
    /// The socket.
    pub socket: TcpStream,
    /// The other end, as the kernel says it; an IPv4 client of an IPv6 socket is written as IPv4.
    pub peer: SocketAddr,
    /// To be kept as long as the connection.
    pub permit: Permit,
    /// A proxy is to say whom it is relayed for; until then the permit is nobody's.
    pub relayed: bool,
}

/// An address that can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process has it.
    #[error("{address} is in use by another process: stop it, or listen on another port (0 takes any free one)")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// Ports below 1024 need a privilege.
    #[error(
        "listening on {address} is not permitted: take a port from 1024 on, or give the program CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        /// The address.
        address: SocketAddr,
    },
    /// No interface has it.
    #[error("{address} is no address of this machine: use 0.0.0.0 or [::] for all of them")]
    NotHere {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("listening on {address} failed")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Binds an address. Needs no runtime. `[::]` takes IPv4 connections too, whatever the system's default is, unless
/// `only_v6`.
///
/// # Errors
/// [`ListenError`], which names the address.
pub fn bind(address: SocketAddr, only_v6: bool) -> Result<Listener, ListenError> {
    bind_socket(address, only_v6).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { address },
        _ => ListenError::Other { address, source },
    })
}

fn bind_socket(address: SocketAddr, only_v6: bool) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it a restarted gate would wait a minute for its own closed connections.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(only_v6)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Listener::over(StdListener::from(socket))
}

// === impl Listener ===

impl Listener {
    /// Over a socket that listens already and does not block.
    ///
    /// # Errors
    /// It has no address.
    pub fn over(socket: StdListener) -> io::Result<Listener> {
        let address = socket.local_addr()?;
        Ok(Listener { socket, address })
    }

    /// The socket once more, for another process.
    ///
    /// # Errors
    /// There is no descriptor left.
    pub fn socket(&self) -> io::Result<StdListener> {
        self.socket.try_clone()
    }

    /// The address, with the port that was taken if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A worker's own side; to be called on the worker's runtime. All sides share the kernel's queue, and an idle worker
    /// is quicker to take from it than a busy one.
    ///
    /// # Errors
    /// The kernel has no file descriptor left.
    pub fn local(&self, connections: Arc<Connections>, clear_text: bool) -> io::Result<LocalListener> {
        Ok(LocalListener { socket: TcpListener::from_std(self.socket.try_clone()?)?, connections, clear_text })
    }

    /// A connection that the kernel has completed and nobody has taken; to be called on a worker's runtime. Its client
    /// believes it is being served, and closing the socket would reset it: so a gate that stops takes these first.
    pub fn waiting(&self, relayed: bool, connections: &Arc<Connections>, clear_text: bool) -> Option<Arrival> {
        loop {
            let (socket, peer) = match self.socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if is_the_clients(&error) => continue,
                Err(_none) => return None,
            };
            socket.set_nonblocking(true).ok()?;
            let arrival = let_in(TcpStream::from_std(socket).ok()?, peer, relayed, connections, clear_text);
            if arrival.is_some() {
                return arrival;
            }
        }
    }
}

// === impl LocalListener ===

impl LocalListener {
    /// The next connection. Connections over the bound are turned away, failures of the kernel are counted and waited out;
    /// it never ends otherwise. `relayed` is asked for each whether it begins with a PROXY header.
    pub async fn accept(&self, relayed: impl Fn() -> bool) -> Arrival {
        let mut failures = 0_u64;
        loop {
            let (socket, peer) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    self.connections.count_accept_failure();
                    // Once, not twenty times a second and worker for as long as it lasts.
                    if failures == 0 {
                        tracing::warn!(%error, "the kernel gives no connection; those that are open go on, and it is tried again");
                    }
                    failures += 1;
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                    continue;
                }
            };
            if failures > 0 {
                tracing::warn!(failures, "the kernel gives connections again");
                failures = 0;
            }
            if let Some(arrival) = let_in(socket, peer, relayed(), &self.connections, self.clear_text) {
                return arrival;
            }
        }
    }
}

/// Keeps a connection within the bounds, or turns it away.
fn let_in(
    socket: TcpStream,
    peer: SocketAddr,
    relayed: bool,
    connections: &Arc<Connections>,
    clear_text: bool,
) -> Option<Arrival> {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Ok(permit) = (if relayed { connections.enter_relayed() } else { connections.enter(peer.ip()) }) else {
        if clear_text {
            turn_away(&socket);
        }
        return None;
    };
    // A response's head and body may be two writes; Nagle would hold the second back. An error here means that the client is
    // gone, which reading will say.
    socket.set_nodelay(true).ok();
    Some(Arrival { socket, peer, permit, relayed })
}

/// Says to a client of a clear-text listener why it is turned away, if that needs no wait.
pub fn turn_away(socket: &TcpStream) {
    // Sent straight to the socket: a fresh one has an empty buffer, and whether it worked changes nothing.
    SockRef::from(socket).send(OVERLOADED).ok();
}

/// The connection died between the kernel's queue and us (accept(2) lists these as errors of the connection).
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, Shutdown, TcpStream as StdStream};

    use super::*;
    use crate::gauge::ConnectionBounds;

    fn any_port() -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    #[test]
    fn a_port_in_use_is_named() {
        let first = bind(any_port(), false).unwrap();
        let error = bind(first.address(), false).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }));
        assert_eq!(
            error.to_string(),
            format!(
                "{} is in use by another process: stop it, or listen on another port (0 takes any free one)",
                first.address()
            )
        );
    }

    #[test]
    fn any_ipv6_address_takes_ipv4_too_unless_that_has_a_listener_of_its_own() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        for only_v6 in [false, true] {
            let listener = bind(any, only_v6).unwrap();
            let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.address().port()));
            assert_eq!(StdStream::connect(v4).is_ok(), !only_v6);
            assert_eq!(bind(v4, false).is_ok(), only_v6);
        }
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let error = bind(SocketAddr::from(([192, 0, 2, 1], 0)), false).unwrap_err();
        assert!(matches!(error, ListenError::NotHere { .. }));
    }

    #[test]
    fn the_prewritten_answer_has_the_length_it_says() {
        let text = std::str::from_utf8(OVERLOADED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
    }

    #[tokio::test]
    async fn turns_away_what_is_over_the_bound_and_says_why() {
        let listener = bind(any_port(), false).unwrap();
        let connections = Connections::new(ConnectionBounds { all_max: 10, per_ip_max: 1 });
        let local = listener.local(connections.clone(), true).unwrap();
        let _first = StdStream::connect(listener.address()).unwrap();
        let held = local.accept(|| false).await;
        let mut second = StdStream::connect(listener.address()).unwrap();
        let third = StdStream::connect(listener.address()).unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = String::new();
            second.read_to_string(&mut answer).unwrap();
            answer
        });
        // The third is let in once the first is gone; until then accept() turns away and goes on.
        let (answer, ()) = tokio::select! {
            _ = local.accept(|| false) => panic!("one more than the bound was let in"),
            answer = answer => (answer.unwrap(), ()),
        };
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        assert!(connections.counts().refused_per_ip >= 1);
        drop((held, third));
        let fourth = StdStream::connect(listener.address()).unwrap();
        let _let_in = local.accept(|| false).await;
        fourth.shutdown(Shutdown::Both).unwrap();
    }
}
