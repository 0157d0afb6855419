//! Third-party programs that tests talk to the gate with. `cargo xtask test` installs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Output, Program};

/// `curl --silent --show-error ARGUMENTS`.
#[must_use]
#[track_caller]
pub fn curl(arguments: &[&str]) -> Output {
    Output::of(Command::new("curl").args(["--silent", "--show-error", "--max-time", "60"]).args(arguments), b"")
}

/// Runs a script by node, with arguments in `process.argv` from 2 on.
#[must_use]
#[track_caller]
pub fn node(script: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.mjs");
    std::fs::write(&file, script).unwrap();
    Output::of(Command::new("node").arg(&file).args(arguments), b"")
}

/// The same, and does not wait for its end.
#[must_use]
#[track_caller]
pub fn start_node(script: &str, arguments: &[&str]) -> Program {
    let fixed = ["--input-type=module", "--eval", script, "--", "script.mjs"];
    Program::start(Command::new("node").args(fixed).args(arguments))
}

/// `h2load ARGUMENTS`: many HTTP/2 calls at once.
#[must_use]
#[track_caller]
pub fn h2load(arguments: &[&str]) -> Output {
    Output::of(Command::new("h2load").args(arguments), b"")
}

/// `nghttp ARGUMENTS`: one HTTP/2 call, frame by frame with `--verbose`.
#[must_use]
#[track_caller]
pub fn nghttp(arguments: &[&str]) -> Output {
    Output::of(Command::new("nghttp").args(arguments), b"")
}

/// A python that has Google's gRPC library: `cargo xtask test tools` makes it.
#[must_use]
#[track_caller]
pub fn python_with_grpc() -> PathBuf {
    installed("grpcio/bin/python")
}

/// A python that has the library `websockets`: `cargo xtask test tools` makes it.
#[must_use]
#[track_caller]
pub fn python_with_websockets() -> PathBuf {
    installed("websockets/bin/python")
}

/// A node that can `require("ws")`: `cargo xtask test tools` installs that.
#[must_use]
#[track_caller]
pub fn node_with_ws() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("ws/node_modules"));
    command
}

/// A python that has the OAuth client `authlib`: `cargo xtask test tools` makes it.
#[must_use]
#[track_caller]
pub fn python_with_authlib() -> PathBuf {
    installed("authlib/bin/python")
}

/// A node, and the OAuth client `openid-client` as it imports it: `cargo xtask test tools` installs that.
#[must_use]
#[track_caller]
pub fn node_with_openid_client() -> (Command, PathBuf) {
    (Command::new("node"), installed("openid-client/node_modules/openid-client/build/index.js"))
}

/// Where node finds the authorization server `oidc-provider`, and `oauth2-mock-server`: `cargo xtask test tools` installs them.
#[must_use]
#[track_caller]
pub fn issuer_package(name: &str) -> PathBuf {
    installed(&format!("{name}/node_modules/{name}"))
}

/// What `cargo xtask test tools` has put below `target/tools`.
#[track_caller]
fn installed(place: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    // A test is in `target/debug/deps`, another program in `target/debug`.
    let mut places = program.ancestors().skip(2).take(2).map(|target| target.join("tools").join(place));
    places
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no tools/{place} beside {}: run `cargo xtask test tools` first", program.display()))
}

/// Runs a line of shell in a folder.
#[must_use]
#[track_caller]
pub fn shell(folder: &Path, line: &str) -> Output {
    Output::of(Command::new("bash").args(["-euo", "pipefail", "-c", line]).current_dir(folder), b"")
}
