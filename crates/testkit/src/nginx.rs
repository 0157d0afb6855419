//! A real nginx, as an upstream that somebody else wrote.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::program::Program;
use crate::wait::wait_for;

/// A running nginx in a folder of its own. It ends with the test.
#[derive(Debug)]
pub struct Nginx {
    folder: TempDir,
    program: Program,
    address: SocketAddr,
}

// === impl Nginx ===

impl Nginx {
    /// Starts nginx with this `server` block; `PORT` and `FOLDER` in it are replaced:
    /// `listen 127.0.0.1:PORT; location / { return 200 hello; }`.
    #[must_use]
    #[track_caller]
    pub fn start(server: &str) -> Nginx {
        Self::start_in(tempfile::tempdir().unwrap(), server)
    }

    /// Starts nginx in a folder that may already hold certificates or pages.
    ///
    /// # Panics
    /// When no free port could be taken in ten tries: nginx knows no port 0, so another process may be faster.
    #[must_use]
    #[track_caller]
    pub fn start_in(folder: TempDir, server: &str) -> Nginx {
        for _ in 0..10 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if let Some(program) = launch(folder.path(), server, address) {
                return Nginx { folder, program, address };
            }
        }
        panic!("nginx found no free port in ten tries");
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }
}

fn launch(folder: &Path, server: &str, address: SocketAddr) -> Option<Program> {
    let here = folder.display().to_string();
    let server = server.replace("PORT", &address.port().to_string()).replace("FOLDER", &here);
    // One process, no master: what is started is what is ended. `user` would need the account that packages make.
    let file = format!(
        "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log stderr;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {here}/body;\n  proxy_temp_path {here}/proxy;\n  \
         fastcgi_temp_path {here}/fastcgi;\n  uwsgi_temp_path {here}/uwsgi;\n  scgi_temp_path {here}/scgi;\n  \
         server {{ {server} }}\n}}\n"
    );
    let path = folder.join("nginx.conf");
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p", &here, "-c"]).arg(&path).env("PATH", path_with_sbin());
    let mut program = Program::start(&mut command);
    let mut is_up = false;
    wait_for("nginx to listen, or to end", || {
        is_up = TcpStream::connect(address).is_ok();
        is_up || !program.is_running()
    });
    assert!(is_up || program.lines().join("").contains("Address already in use"), "{:?}", program.lines());
    is_up.then_some(program)
}

/// Debian keeps nginx in `/usr/sbin`, which a user's PATH may lack.
pub(crate) fn path_with_sbin() -> String {
    format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default())
}
