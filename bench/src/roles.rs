//! What this binary also is, each in a process of its own: `callgate-bench ROLE ARGUMENT…`.

mod idle;
mod relay;
mod upstream;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};

pub(crate) use upstream::Counts;

/// The names of the roles, as the first argument.
pub(crate) const UPSTREAM: &str = "upstream";
pub(crate) const RELAY: &str = "relay";
pub(crate) const IDLE: &str = "idle";

/// What a role says when it has done what is to be waited for.
pub(crate) const READY: &str = "ready";

/// Plays a role until it is ended; says whether there is one of that name.
///
/// # Errors
/// It could not begin, or broke.
pub(crate) fn play(name: &str, arguments: &[String]) -> Result<bool> {
    let address = |index: usize| -> Result<SocketAddr> {
        arguments.get(index).context("an address is missing")?.parse().context("reading an address")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    match name {
        UPSTREAM => runtime.block_on(upstream::serve(address(0)?))?,
        RELAY => runtime.block_on(relay::serve(address(0)?, address(1)?))?,
        IDLE => {
            let connections = arguments.get(1).context("a number is missing")?.parse().context("reading a number")?;
            runtime.block_on(idle::hold(address(0)?, connections))?;
        }
        _ => return Ok(false),
    }
    bail!("{name} ended by itself")
}
