//! Envoy.

use anyhow::{Context, Result};

use super::{Features, Keys, Setup, Side};
use crate::ground::{Ground, filled, free_address, until_answers};
use crate::group::{Cores, Group};

const BARE: &str = include_str!("../../configurations/envoy-bare.yaml");
const GUARDED: &str = include_str!("../../configurations/envoy-guarded.yaml");

/// Starts it with these keys, if it is to be guarded. None without an Envoy.
///
/// # Errors
/// It does not answer.
pub(crate) fn start(ground: &Ground, setup: Setup<'_>, keys: Option<&Keys>) -> Result<Option<Side>> {
    let Some(envoy) = &ground.envoy else { return Ok(None) };
    let template = match setup.features {
        Features::Bare => BARE,
        Features::Guarded => GUARDED,
        Features::Tokens | Features::Addresses => anyhow::bail!("there is no such set-up here"),
    };
    let address = free_address()?;
    let folder = ground.folder_of("envoy")?;
    let mut values = setup.values(address.port(), ground.upstream.port(), &folder);
    let credentials =
        keys.map(|keys| keys.lines(|key, id| format!("              - {{ key: \"{key}\", client: {id} }}")));
    values.push(("KEYS", credentials.unwrap_or_default().trim_end().to_owned()));
    let file = folder.join("envoy.yaml");
    std::fs::write(&file, filled(template, &values)?).context("writing Envoy's configuration")?;
    // No hot restart: it is for a second Envoy that takes the first one's place. The log is written after a second at the
    // latest, as nginx's is; Envoy's default is ten.
    let file = file.display().to_string();
    let fixed = ["--concurrency", "1", "--disable-hot-restart", "-l", "error", "--file-flush-interval-msec", "1000"];
    let arguments = [&["-c", &file], &fixed[..]].concat();
    let mut group = Group::start(Cores::Proxy, envoy, &arguments, &folder, &folder.join("said"))?;
    until_answers("Envoy", &mut group, address).with_context(|| format!("see {}", folder.join("said").display()))?;
    let log = setup.is_guarded().then(|| folder.join("access.log"));
    Ok(Some(Side { name: "envoy", scheme: setup.scheme(), address, group, log, keys: keys.cloned(), gate: None }))
}
