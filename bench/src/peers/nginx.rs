//! nginx.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Features, Keys, Setup, Side};
use crate::ground::{Ground, filled, free_address, until_answers};
use crate::group::{Cores, Group};

const BARE: &str = include_str!("../../configurations/nginx-bare.conf");
const GUARDED: &str = include_str!("../../configurations/nginx-guarded.conf");

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
    let folder = ground.folder_of("nginx")?;
    let mut values = setup.values(address.port(), ground.upstream.port(), &folder);
    values.push(("LISTEN", if setup.tls.is_some() { "ssl http2" } else { "" }.to_owned()));
    values.push(("TLS", tls(setup)));
    values.push(("LOCATIONS", locations(setup.routes)));
    let file = folder.join("nginx.conf");
    std::fs::write(&file, filled(template, &values)?).context("writing nginx's configuration")?;
    if let Some(keys) = keys {
        let map = keys.lines(|key, id| format!("\"{key}\" {id};"));
        std::fs::write(folder.join("keys.map"), map).context("writing nginx's keys")?;
    }
    let errors = folder.join("error.log");
    let arguments = ["-c", &file.display().to_string(), "-e", &errors.display().to_string()];
    let mut group =
        Group::start(Cores::Proxy, Path::new("/usr/sbin/nginx"), &arguments, &folder, &folder.join("said"))?;
    until_answers("nginx", &mut group, address).with_context(|| format!("see {}", errors.display()))?;
    let log = setup.is_guarded().then(|| folder.join("access.log"));
    Ok(Side { name: "nginx", scheme: setup.scheme(), address, group, log, keys: keys.cloned(), gate: None })
}

fn tls(setup: Setup<'_>) -> String {
    let Some(tls) = setup.tls else { return String::new() };
    format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3; ssl_ecdh_curve X25519;",
        tls.certificate.display(),
        tls.key.display()
    )
}

/// One for everything, or so many prefixes, which nginx keeps in a tree.
fn locations(routes: u32) -> String {
    if routes == 0 {
        return "location / { proxy_pass http://books; }".to_owned();
    }
    (0..routes).map(|number| format!("location /route-{number:04}/ {{ proxy_pass http://books; }}\n        ")).collect()
}
