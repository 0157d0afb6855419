//! What a process owes to whoever runs it: word to a service manager (sd_notify(3)), enough descriptors, and, as the first
//! process of a container, an end for orphans.

use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use callgate_model::bounds;
use rustix::process::{Resource, Rlimit, WaitOptions};
use tokio::signal::unix::{SignalKind, signal};

/// Where a service manager listens; silent without one.
#[derive(Debug, Default)]
pub struct Manager(Option<UnixDatagram>);

// === impl Manager ===

impl Manager {
    /// The one that `NOTIFY_SOCKET` names.
    #[must_use]
    pub fn from_env() -> Manager {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Manager(None) };
        let connected = match name.as_bytes() {
            #[cfg(target_os = "linux")]
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
            path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
        };
        let connected = connected.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            // A manager that does not read must not hold the gate.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        if let Err(error) = &connected {
            tracing::warn!(%error, "the service manager (NOTIFY_SOCKET) can't be told anything");
        }
        Manager(connected.ok())
    }

    /// It serves.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It reads its configuration again; [`Manager::ready`] ends that.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// It stops, and may take this long.
    pub fn stopping(&self, within: Duration) {
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", within.as_micros()));
    }

    fn tell(&self, what: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = socket.send(what.as_bytes()) {
            tracing::warn!(%error, "the service manager did not take a message");
        }
    }
}

/// Raises the number of files that may be open to what the system allows. A shell's usual 1024 is for programs that call
/// select(2); a gate with it would turn its five hundredth client away.
pub fn raise_descriptors() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, ..limit };
    let now = match rustix::process::setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    if let Some(files) = now.filter(|files| *files < bounds::FILES_MIN) {
        tracing::warn!(
            "this process may open {files} files: each connection takes one, each forwarded call may take another. Raise \
             the limit (`LimitNOFILE=`, `ulimit -n`)"
        );
    }
}

/// As the first process of a container, this one inherits every orphan of it (a shell's child after `docker exec`). Those
/// that ended stay in the process table until they are waited for.
///
/// # Errors
/// The system gave no handler.
pub fn bury_orphans() -> io::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    let mut ended = signal(SignalKind::child())?;
    tokio::spawn(async move {
        while ended.recv().await.is_some() {
            while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        }
    });
    Ok(())
}
