//! Listening sockets that somebody else opened for this process, so that no connection is refused while it starts: a
//! service manager (`LISTEN_FDS`, sd_listen_fds(3)), or the gate whose place it takes.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};
use listenfd::ListenFd;

use super::sockets::{Named, Purpose};

/// Sockets that wait to be asked for, each by the address that the configuration writes.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Passed>,
    /// Whoever passed them goes on holding them.
    held_elsewhere: bool,
}

#[derive(Debug)]
struct Passed {
    /// A service manager does not know.
    purpose: Option<Purpose>,
    address: SocketAddr,
    socket: TcpListener,
}

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
                sockets.push(Passed { purpose: None, address: socket.local_addr()?, socket });
            }
        }
        Ok(Inherited { sockets, held_elsewhere: true })
    }

    /// What another gate passed. Of what the configuration no longer has, nothing is left when that one has ended.
    pub(super) fn from_predecessor(sockets: impl IntoIterator<Item = Named>) -> Inherited {
        let passed = |Named { purpose, address, socket }| Passed { purpose: Some(purpose), address, socket };
        Inherited { sockets: sockets.into_iter().map(passed).collect(), held_elsewhere: false }
    }

    /// The socket for this address, if there is one.
    pub(super) fn take(&mut self, purpose: Purpose, address: SocketAddr) -> Option<TcpListener> {
        let fits = |passed: &Passed| {
            passed.address == address && passed.purpose.is_none_or(|for_purpose| for_purpose == purpose)
        };
        // In their order: several listeners may ask for any free port.
        let at = self.sockets.iter().position(fits)?;
        Some(self.sockets.remove(at).socket)
    }

    /// To be called when everything was asked for: a socket that is left and held elsewhere would take connections that
    /// nobody serves.
    ///
    /// # Errors
    /// Which one.
    pub(super) fn expect_none_left(&self) -> Result<()> {
        let Some(Passed { address, .. }) = self.sockets.first().filter(|_| self.held_elsewhere) else { return Ok(()) };
        bail!(
            "the service manager passed a socket on {address}, and the configuration listens there nowhere: write this \
             address under `listen`, or take it out of the socket unit"
        )
    }
}
