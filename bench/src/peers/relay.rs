//! The raw relay of this binary: the floor.

use anyhow::Result;

use super::Side;
use crate::ground::{Ground, free_address, start_role, until_answers};
use crate::group::Cores;
use crate::roles;

/// Starts it.
///
/// # Errors
/// It does not answer.
pub(crate) fn start(ground: &Ground) -> Result<Side> {
    let address = free_address()?;
    let folder = ground.folder_of("relay")?;
    let mut group = start_role(Cores::Proxy, roles::RELAY, &[address, ground.upstream], &folder)?;
    until_answers("the relay", &mut group, address)?;
    Ok(Side { name: "relay", scheme: "http", address, group, log: None, keys: None, gate: None })
}
