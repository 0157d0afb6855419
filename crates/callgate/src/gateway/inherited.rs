//! Listening sockets that somebody else opened for this process, so that no connection is refused while it starts: a
//! service manager (`LISTEN_FDS`, sd_listen_fds(3)).

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;

/// Sockets that wait to be asked for, each by the address that the configuration writes.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(SocketAddr, TcpListener)>);

// === impl Inherited ===

impl Inherited {
    /// What a service manager passed; nothing without one.
    ///
    /// # Errors
    /// It passed something that is no listening TCP socket.
    pub fn from_service_manager() -> Result<Inherited> {
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..passed.len() {
            let socket = passed.take_tcp_listener(index);
            let socket = socket.with_context(|| {
                format!("socket {} that the service manager passed (LISTEN_FDS) listens for no TCP", index + 1)
            })?;
            if let Some(socket) = socket {
                socket.set_nonblocking(true)?;
                sockets.push((socket.local_addr()?, socket));
            }
        }
        Ok(Inherited(sockets))
    }

    /// The socket for this address, if there is one.
    pub(super) fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self.0.iter().position(|(of, _)| *of == address)?;
        Some(self.0.swap_remove(at).1)
    }

    /// To be called when everything was asked for: a socket that is left would take connections that nobody serves.
    ///
    /// # Errors
    /// Which one.
    pub(super) fn expect_none_left(&self) -> Result<()> {
        let Some((address, _)) = self.0.first() else { return Ok(()) };
        bail!(
            "the service manager passed a socket on {address}, and the configuration listens there nowhere: write this \
             address under `listen`, or take it out of the socket unit"
        )
    }
}
