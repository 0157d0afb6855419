//! Every socket that a configuration listens on, opened before anything else: an address that can't be had is a reason not
//! to start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};

use anyhow::{Context, Result};
use callgate_config::Config;
use callgate_gateway::plane::Bound;
use callgate_transport::listen::{self, Listener};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::Inherited;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    /// Calls.
    Listen,
    /// `/readyz` and its like.
    Health,
    /// The admin API.
    Admin,
}

/// A listening socket as the configuration writes it; a port 0 is still 0 there.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) purpose: Purpose,
    pub(super) address: SocketAddr,
    pub(super) socket: StdListener,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Calls.
    pub(super) bound: Vec<Bound>,
    /// `/readyz` and its like.
    pub(super) health: Option<TcpListener>,
    /// The admin API over TCP.
    pub(super) admin: Option<TcpListener>,
    /// All of them once more, for a process that takes this one's place.
    pub(super) passed_on: Vec<Named>,
}

// === impl Sockets ===

impl Sockets {
    pub(super) async fn open(config: &Config, mut inherited: Inherited) -> Result<Sockets> {
        let (mut bound, mut passed_on) = (Vec::new(), Vec::new());
        for (index, listen) in config.listen.iter().enumerate() {
            let listener = match inherited.take(Purpose::Listen, listen.address) {
                Some(socket) => Listener::over(socket)?,
                None => listen::bind(listen.address, has_twin(config, listen.address))?,
            };
            passed_on.push(Named { purpose: Purpose::Listen, address: listen.address, socket: listener.socket()? });
            bound.push(Bound { listener, index, tls: !listen.tls.is_empty() });
        }
        let mut others = Others { inherited, passed_on };
        let health = match config.health {
            Some(address) => Some(others.open("health", Purpose::Health, address).await?),
            None => None,
        };
        let admin = match &config.admin {
            Some(admin) => Some(others.open("admin", Purpose::Admin, admin.address).await?),
            None => None,
        };
        others.inherited.expect_none_left()?;
        Ok(Sockets { bound, health, admin, passed_on: others.passed_on })
    }
}

/// What the sockets beside the data plane come from and go to.
struct Others {
    inherited: Inherited,
    passed_on: Vec<Named>,
}

impl Others {
    async fn open(&mut self, setting: &str, purpose: Purpose, address: SocketAddr) -> Result<TcpListener> {
        let socket = match self.inherited.take(purpose, address) {
            Some(socket) => socket,
            None => {
                let bound = TcpListener::bind(address).await;
                bound.with_context(|| format!("{setting}: {address} can't be listened on"))?.into_std()?
            }
        };
        self.passed_on.push(Named { purpose, address, socket: socket.try_clone()? });
        Ok(TcpListener::from_std(socket)?)
    }
}

/// Whether `listen` also has the IPv4 form of `[::]` on this port, which `[::]` would otherwise serve too.
fn has_twin(config: &Config, address: SocketAddr) -> bool {
    let twin = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    config.listen.iter().any(|other| other.address == twin)
}
