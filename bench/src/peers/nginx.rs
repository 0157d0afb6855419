//! nginx.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Features, Keys, Side};
use crate::ground::{Ground, filled, free_address, until_answers};
use crate::group::{Cores, Group};

const BARE: &str = include_str!("../../configurations/nginx-bare.conf");
const GUARDED: &str = include_str!("../../configurations/nginx-guarded.conf");

/// Starts it with these keys, if it is to be guarded.
///
/// # Errors
/// It does not answer.
pub(crate) fn start(ground: &Ground, features: Features, keys: Option<&Keys>) -> Result<Side> {
    let template = match features {
        Features::Bare => BARE,
        Features::Guarded => GUARDED,
    };
    let address = free_address()?;
    let folder = ground.folder_of("nginx")?;
    let configuration = filled(
        template,
        &[
            ("PORT", address.port().to_string()),
            ("UPSTREAM", ground.upstream.port().to_string()),
            ("FOLDER", folder.display().to_string()),
            ("WORKERS", "1".to_owned()),
        ],
    )?;
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration).context("writing nginx's configuration")?;
    if let Some(keys) = keys {
        std::fs::write(folder.join("keys.map"), map(keys)).context("writing nginx's keys")?;
    }
    let arguments = ["-c", &file.display().to_string(), "-e", &folder.join("error.log").display().to_string()];
    let mut group =
        Group::start(Cores::Proxy, Path::new("/usr/sbin/nginx"), &arguments, &folder, &folder.join("said"))?;
    until_answers("nginx", &mut group, address)
        .with_context(|| format!("see {}", folder.join("error.log").display()))?;
    let log = (features == Features::Guarded).then(|| folder.join("access.log"));
    Ok(Side { name: "nginx", scheme: "http", address, group, log, keys: keys.cloned(), gate: None })
}

fn map(keys: &Keys) -> String {
    keys.texts.iter().enumerate().map(|(number, key)| format!("\"{key}\" key-{number:05};\n")).collect()
}
