//! A real HAProxy, as the balancer in front that somebody else wrote.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use crate::nginx::path_with_sbin;
use crate::program::Program;
use crate::wait::wait_for;

/// A running HAProxy that relays connections. It ends with the test.
#[derive(Debug)]
pub struct Haproxy {
    _folder: TempDir,
    _program: Program,
    address: SocketAddr,
}

// === impl Haproxy ===

impl Haproxy {
    /// Relays connections to `server`; `frontend` are more lines of its frontend, `options` stand at its server line:
    /// `send-proxy-v2`.
    #[must_use]
    #[track_caller]
    pub fn relaying(server: SocketAddr, frontend: &str, options: &str) -> Haproxy {
        Self::start("", frontend, &format!("{server} {options}"))
    }

    /// Takes TLS off connections to `server`; `tls` are the words of its `bind` line: `crt /a/own.pem ca-file /a/ca.pem
    /// verify required`.
    #[must_use]
    #[track_caller]
    pub fn taking_tls_off(server: SocketAddr, tls: &str) -> Haproxy {
        Self::start(&format!("ssl {tls}"), "", &server.to_string())
    }

    /// # Panics
    /// When no free port could be taken in ten tries: HAProxy knows no port 0, so another process may be faster.
    #[track_caller]
    fn start(bind: &str, frontend: &str, server: &str) -> Haproxy {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..10 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let file = format!(
                "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
                 frontend front\n  bind {address} {bind}\n  {frontend}\n  default_backend gate\n\
                 backend gate\n  server gate {server}\n"
            );
            let path = folder.path().join("haproxy.cfg");
            std::fs::write(&path, file).unwrap();
            let mut program =
                Program::start(Command::new("haproxy").arg("-db").arg("-f").arg(&path).env("PATH", path_with_sbin()));
            let mut is_up = false;
            wait_for("HAProxy to listen, or to end", || {
                is_up = TcpStream::connect(address).is_ok();
                is_up || !program.is_running()
            });
            if is_up && program.is_running() {
                return Haproxy { _folder: folder, _program: program, address };
            }
            assert!(program.lines().join("").contains("Address already in use"), "{:?}", program.lines());
        }
        panic!("HAProxy found no free port in ten tries");
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
