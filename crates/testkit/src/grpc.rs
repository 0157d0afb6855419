//! gRPC by Google's own library for Python, on either side. Messages are bytes as they are: no generated code.

use std::process::Command;

use crate::program::Program;
use crate::tools::python_with_grpc;

/// A running `grpc/server.py`, the service `shop.Books`; ends when it is dropped.
#[derive(Debug)]
pub struct GrpcServer {
    /// What it says.
    pub program: Program,
    port: String,
}

// === impl GrpcServer ===

impl GrpcServer {
    /// Starts it.
    #[must_use]
    #[track_caller]
    pub fn start() -> GrpcServer {
        let mut program = Program::start(Command::new(python_with_grpc()).args(["-c", include_str!("grpc/server.py")]));
        let port = program.line("the server's port", |line| line.strip_prefix("port ").map(str::to_owned));
        GrpcServer { program, port }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// `grpc/client.py`, for this address. Calls are its further arguments, or else the lines of its standard input; what came of
/// each is a line of its output. `-` for no authority, and for no key.
#[must_use]
#[track_caller]
pub fn grpc_client(address: &str, authority: &str, key: &str) -> Command {
    let mut command = Command::new(python_with_grpc());
    command.args(["-c", include_str!("grpc/client.py"), address, authority, key]);
    command
}
