//! What a run stands on: its folder, the upstream, the programs to measure.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::group::{Cores, Group};
use crate::http;
use crate::options::Options;
use crate::roles::{self, Counts};

const START_TIME_MAX: Duration = Duration::from_secs(120);

/// Shared by every scenario of a run.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Emptied at the start of a run.
    pub(crate) folder: PathBuf,
    pub(crate) callgate: PathBuf,
    /// Another build, to be measured against the first.
    pub(crate) compare: Option<PathBuf>,
    /// The program itself, not the script around it.
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) oha: PathBuf,
    pub(crate) upstream: SocketAddr,
    upstream_group: Group,
}

// === impl Ground ===

impl Ground {
    /// Makes the folder anew and starts the upstream.
    ///
    /// # Errors
    /// The folder can't be made, or the upstream does not answer.
    pub(crate) fn prepare(options: &Options) -> Result<Ground> {
        let Options { folder, callgate, compare, envoy, oha, .. } = options.clone();
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let upstream = free_address()?;
        let group = start_role(Cores::Load, roles::UPSTREAM, &[upstream], &folder)?;
        let mut ground = Ground { folder, callgate, compare, envoy, oha, upstream, upstream_group: group };
        until_ready("the upstream", &mut ground.upstream_group, || Counts::ask(upstream).is_ok())?;
        Ok(ground)
    }

    /// A folder of its own for a program.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn folder_of(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("emptying {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(folder)
    }
}

/// Starts this binary in one of its roles.
///
/// # Errors
/// It could not be started.
pub(crate) fn start_role(cores: Cores, role: &str, addresses: &[SocketAddr], folder: &Path) -> Result<Group> {
    let own = std::env::current_exe().context("finding the bench's own binary")?;
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let mut arguments = vec![role];
    arguments.extend(addresses.iter().map(String::as_str));
    Group::start(cores, &own, &arguments, folder, &folder.join(format!("{role}.said")))
}

/// A loopback address that nobody listens on at the moment.
///
/// # Errors
/// The system has none.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    listener.local_addr().context("reading the free port")
}

/// Waits until something answers HTTP at all, whatever it says.
///
/// # Errors
/// The program ended, or stayed silent too long.
pub(crate) fn until_answers(name: &str, group: &mut Group, address: SocketAddr) -> Result<()> {
    until_ready(name, group, || http::get(address, "/").is_ok())
}

/// Waits until `ready`.
///
/// # Errors
/// The program ended, or took too long.
pub(crate) fn until_ready(name: &str, group: &mut Group, mut ready: impl FnMut() -> bool) -> Result<()> {
    let end = Instant::now() + START_TIME_MAX;
    while !ready() {
        if !group.runs() {
            bail!("{name} ended before it was ready");
        }
        if Instant::now() > end {
            bail!("{name} was not ready within {} s", START_TIME_MAX.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A template of `configurations/` with its `@NAME@` replaced.
///
/// # Errors
/// A name was left over: the template asks for something that is not there.
pub(crate) fn filled(template: &str, values: &[(&str, String)]) -> Result<String> {
    let text = values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value));
    let is_name = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    match text.split('@').skip(1).find(|word| is_name(word)) {
        Some(name) => bail!("a template asks for @{name}@, which nobody fills in"),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled_wholly_or_not_at_all() {
        assert_eq!(filled("a @PORT@ b@c.d", &[("PORT", "80".into())]).unwrap(), "a 80 b@c.d");
        assert!(filled("a @PORT@ @CORE@", &[("PORT", "80".into())]).unwrap_err().to_string().contains("@CORE@"));
    }
}
