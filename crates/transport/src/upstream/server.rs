//! One upstream server, as the configuration names it.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::ClientConfig;

use super::names::Name;
use super::room::Room;

/// One upstream server. Cheap to clone; made once, when the configuration is compiled, and shared by all workers. Two that
/// are equal share their kept connections, so those survive a reload that leaves a server as it was.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    host: Box<str>,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    idle: Duration,
    protocol: Protocol,
    /// Set if it may have only so many connections.
    room: Option<Arc<Room>>,
    /// What is known of the host, if it is a name.
    name: Arc<Name>,
    /// Set if the host is an address.
    address: Option<SocketAddr>,
    /// Of what tells servers apart mostly, so that a look-up per call hashes eight bytes.
    hash: u64,
}

/// Which HTTP a server is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// HTTP/1.1: a connection a call.
    #[default]
    Http1,
    /// HTTP/2: calls share connections. In clear text the server must know beforehand (RFC 9113 section 3.3).
    Http2,
    /// What the server chooses in the TLS handshake; in clear text HTTP/1.1.
    Auto,
}

/// One seed for the process, so that equal servers have equal hashes on every worker.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

// === impl Server ===

impl Server {
    /// A server by name or address (`[::1]` or `::1`); with `tls`, its certificate must be valid for that name. `idle` is
    /// how long a connection is kept without a call.
    #[must_use]
    pub fn new(host: &str, port: u16, tls: Option<Arc<ClientConfig>>, idle: Duration) -> Server {
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let tls_place = tls.as_ref().map(|config| Arc::as_ptr(config).addr());
        Server(Arc::new(Inner {
            address: host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)),
            hash: SEED.hash_one((host, port, tls_place, idle)),
            host: host.into(),
            port,
            tls,
            idle,
            protocol: Protocol::Http1,
            room: None,
            name: Arc::default(),
        }))
    }

    /// The same server, by what is known of its name already.
    #[must_use]
    pub fn known_by(&self, name: Arc<Name>) -> Server {
        Server(Arc::new(Inner { name, ..Inner::clone(&self.0) }))
    }

    /// The same server, spoken to in this protocol.
    #[must_use]
    pub fn speaking(&self, protocol: Protocol) -> Server {
        Server(Arc::new(Inner { protocol, ..Inner::clone(&self.0) }))
    }

    /// The same server, with room for so many connections. It shares them with no server that has other room.
    #[must_use]
    pub fn within(&self, room: Arc<Room>) -> Server {
        Server(Arc::new(Inner { room: Some(room), ..Inner::clone(&self.0) }))
    }

    /// The same server, with a connection beside those that calls may have.
    pub(super) fn without_bound(&self) -> Server {
        Server(Arc::new(Inner { room: None, ..Inner::clone(&self.0) }))
    }

    /// Its name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// How to speak TLS to it; `None` for clear text.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.0.tls.as_ref()
    }

    /// How long a connection to it is kept without a call.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.0.idle
    }

    /// Which HTTP it is spoken to in.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// Room for its connections, if it may have only so many.
    #[must_use]
    pub fn room(&self) -> Option<&Arc<Room>> {
        self.0.room.as_ref()
    }

    /// Whether calls wait for a connection to it, because it has as many as it may have.
    pub(super) fn is_full(&self) -> bool {
        self.0.room.as_ref().is_some_and(|room| room.is_wanted())
    }

    /// What is known of its name; nothing ever, if it is an address.
    pub(super) fn name(&self) -> &Arc<Name> {
        &self.0.name
    }

    /// Where it is, if no look-up is needed for that.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.0.address
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Server) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || {
            let (one, two) = (&*self.0, &*other.0);
            same(&one.tls, &two.tls)
                && same(&one.room, &two.room)
                && one.port == two.port
                && one.idle == two.idle
                && one.protocol == two.protocol
                && one.host == two.host
        }
    }
}

impl Eq for Server {}

/// Whether both are the very same, or none.
fn same<T>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    one.as_ref().map(Arc::as_ptr) == other.as_ref().map(Arc::as_ptr)
}

impl Hash for Server {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.0.tls.is_some() { "https" } else { "http" };
        if self.0.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}", self.0.host, self.0.port)
        } else {
            write!(formatter, "{scheme}://{}:{}", self.0.host, self.0.port)
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Server({self})")
    }
}
