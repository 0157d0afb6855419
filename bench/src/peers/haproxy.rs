//! HAProxy.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Features, Keys, Setup, Side};
use crate::ground::{Ground, filled, free_address, until_answers};
use crate::group::{Cores, Group};

const BARE: &str = include_str!("../../configurations/haproxy-bare.cfg");
const GUARDED: &str = include_str!("../../configurations/haproxy-guarded.cfg");

/// Starts it with these keys, if it is to be guarded.
///
/// # Errors
/// It does not answer.
pub(crate) fn start(ground: &Ground, setup: Setup<'_>, keys: Option<&Keys>) -> Result<Side> {
    let template = match setup.features {
        Features::Bare => BARE,
        Features::Guarded => GUARDED,
        Features::Tokens | Features::Addresses => anyhow::bail!("there is no such set-up here"),
    };
    let address = free_address()?;
    let folder = ground.folder_of("haproxy")?;
    let configuration = filled(template, &setup.values(address.port(), ground.upstream.port(), &folder))?;
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, configuration).context("writing HAProxy's configuration")?;
    if let Some(keys) = keys {
        let map = keys.lines(|key, id| format!("{key} {id}"));
        std::fs::write(folder.join("keys.map"), map).context("writing HAProxy's keys")?;
    }
    let log = folder.join("access.log");
    let arguments = ["-db", "-f", &file.display().to_string()];
    let mut group = Group::start(Cores::Proxy, Path::new("/usr/sbin/haproxy"), &arguments, &folder, &log)?;
    until_answers("HAProxy", &mut group, address).with_context(|| format!("see {}", log.display()))?;
    let log = setup.is_guarded().then_some(log);
    Ok(Side { name: "haproxy", scheme: setup.scheme(), address, group, log, keys: keys.cloned(), gate: None })
}
