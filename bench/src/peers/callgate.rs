//! Callgate itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Certificate, Features, Keys, Setup, Side};
use crate::ground::{Ground, filled, free_address, until_ready};
use crate::group::{Cores, Group};
use crate::http;

const BARE: &str = include_str!("../../configurations/callgate-bare.yaml");
const GUARDED: &str = include_str!("../../configurations/callgate-guarded.yaml");
const TOKENS: &str = include_str!("../../configurations/callgate-tokens.yaml");
const ADDRESSES: &str = include_str!("../../configurations/callgate-addresses.yaml");
const FILE: &str = "callgate.yaml";
/// A consumer has ten keys.
const CONSUMERS: usize = 1_000;
const KEYS_PER_CONSUMER: usize = 10;
/// Each with a token of its own.
pub(crate) const CLIENTS: usize = 300;

/// Which build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// The one that everything else is compared with.
    Own,
    /// The one of `--compare`.
    Other,
}

/// A gate's further addresses.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) health: SocketAddr,
    /// Its data folder and its configuration are here.
    pub(crate) folder: PathBuf,
}

/// What a gate says of itself in its metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// One for every call.
    pub(crate) calls: u64,
    /// Among them the refused, by code.
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) dropped: u64,
    pub(crate) lines: u64,
    pub(crate) lines_lost: u64,
}

/// Starts it under this name, and makes its keys if it is to be guarded.
///
/// # Errors
/// It does not answer, or makes no keys.
pub(crate) fn start(ground: &Ground, name: &'static str, setup: Setup<'_>, build: Build) -> Result<Side> {
    let binary = match (build, &ground.compare) {
        (Build::Own, _) => &ground.callgate,
        (Build::Other, Some(other)) => other,
        (Build::Other, None) => bail!("there is no other build without --compare"),
    };
    let template = match setup.features {
        Features::Bare => BARE,
        Features::Guarded => GUARDED,
        Features::Tokens => TOKENS,
        Features::Addresses => ADDRESSES,
    };
    let folder = ground.folder_of(&name.replace(' ', "-"))?;
    let (address, health) = (free_address()?, free_address()?);
    let mut values = setup.values(address.port(), ground.upstream.port(), &folder);
    values.push(("HEALTH", health.port().to_string()));
    values.push(("TLS", setup.tls.map_or_else(String::new, tls)));
    values.push(("ROUTES", routes(setup.routes)));
    std::fs::write(folder.join(FILE), filled(template, &values)?).context("writing Callgate's configuration")?;
    let cores = if setup.workers > 1 { Cores::Both } else { Cores::Proxy };
    let group = launch(binary, cores, &folder, health)?;
    let keys = match setup.features {
        Features::Guarded => Some(make_keys(&folder)?),
        Features::Tokens => Some(make_tokens(&folder, address)?),
        Features::Bare | Features::Addresses => None,
    };
    let log = setup.is_guarded().then(|| folder.join("access.log"));
    Ok(Side { name, scheme: setup.scheme(), address, group, log, keys, gate: Some(Gate { health, folder }) })
}

/// Starts the gate that is set up in this folder, and waits until it is ready.
fn launch(binary: &Path, cores: Cores, folder: &Path, health: SocketAddr) -> Result<Group> {
    let said = folder.join("said");
    let arguments = ["serve", "-c", &folder.join(FILE).display().to_string()];
    let mut group = Group::start(cores, binary, &arguments, folder, &said)?;
    let ready = || http::get(health, "/readyz").is_ok_and(|answer| answer.status == 200);
    until_ready("callgate", &mut group, ready).with_context(|| format!("see {}", said.display()))?;
    Ok(group)
}

fn tls(tls: &Certificate) -> String {
    format!(", tls: {{ certificate: {}, key: {} }}", tls.certificate.display(), tls.key.display())
}

/// As nginx has prefixes: everything below a segment.
fn routes(routes: u32) -> String {
    if routes == 0 {
        return String::new();
    }
    let lines = (0..routes).map(|number| format!("\n      - \"* /route-{number:04}/**\": {{}}"));
    format!("\n    routes:{}", lines.collect::<String>())
}

/// Asks over the admin socket of the gate in this folder, on one connection.
fn admin(folder: &Path) -> Result<impl FnMut(&str, &Value) -> Result<Value>> {
    let data = folder.join("data");
    let pointer = data.join("admin/sock.path");
    let socket = match std::fs::read_to_string(&pointer) {
        Ok(path) => PathBuf::from(path.trim_end()),
        Err(_) => data.join("admin/sock"),
    };
    let mut admin = http::unix(&socket)?;
    Ok(move |path: &str, asked: &Value| -> Result<Value> {
        let body = if asked.is_null() { String::new() } else { asked.to_string() };
        let answer = admin.ask("POST", path, &body)?;
        if !matches!(answer.status, 200 | 201) {
            bail!("{path} answered {}: {}", answer.status, answer.body);
        }
        serde_json::from_str(&answer.body).context("reading the admin API's answer")
    })
}

/// 10,000 keys, made as every key is: through the admin socket, one at a time.
fn make_keys(folder: &Path) -> Result<Keys> {
    let mut ask = admin(folder)?;
    let mut texts = Vec::with_capacity(CONSUMERS * KEYS_PER_CONSUMER);
    for number in 0..CONSUMERS {
        let consumer = format!("consumer-{number:04}");
        ask("/v1/consumers", &json!({ "name": consumer, "plan": "team" }))?;
        for _ in 0..KEYS_PER_CONSUMER {
            let made = ask("/v1/keys", &json!({ "consumer": consumer }))?;
            texts.push(made.get("key").and_then(Value::as_str).context("a key without a text")?.to_owned());
        }
    }
    let file = folder.join("keys");
    std::fs::write(&file, texts.join("\n") + "\n").context("writing the keys")?;
    Ok(Keys { file, texts })
}

/// Clients, and a token of each, asked for as every client does. They are good for ten minutes.
fn make_tokens(folder: &Path, address: SocketAddr) -> Result<Keys> {
    let mut ask = admin(folder)?;
    let mut texts = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        let name = format!("client-{number:04}");
        ask("/v1/consumers", &json!({ "name": name, "plan": "team" }))?;
        let made = ask("/v1/clients", &json!({ "name": name, "grants": ["client_credentials"] }))?;
        let secret = made.get("client_secret").and_then(Value::as_str).context("a client without a secret")?;
        let form = format!("grant_type=client_credentials&client_id={name}&client_secret={secret}");
        texts.push(token(address, &form)?);
    }
    let file = folder.join("tokens");
    std::fs::write(&file, texts.join("\n") + "\n").context("writing the tokens")?;
    Ok(Keys { file, texts })
}

/// A token; the issuer takes twenty such calls a second from one address, so it is asked until it answers.
fn token(address: SocketAddr, form: &str) -> Result<String> {
    loop {
        let answer = http::connect(address)?.post_form("/oauth/token", form)?;
        match answer.status {
            200 => {
                let told: Value = serde_json::from_str(&answer.body).context("reading the issuer's answer")?;
                let token = told.get("access_token").and_then(Value::as_str);
                return Ok(token.context("an answer without a token")?.to_owned());
            }
            429 => std::thread::sleep(Duration::from_millis(50)),
            status => bail!("the issuer answered {status}: {}", answer.body),
        }
    }
}

// === impl Gate ===

impl Gate {
    /// Reads the metrics.
    ///
    /// # Errors
    /// They don't answer.
    pub(crate) fn records(&self) -> Result<Records> {
        Ok(Records::of(&http::get(self.health, "/metrics").context("asking for metrics")?.body))
    }

    /// Posts to the admin API: 200 or 201 is expected. No body for `Null`.
    ///
    /// # Errors
    /// The act was not done.
    pub(crate) fn act(&self, path: &str, asked: &Value) -> Result<Value> {
        admin(&self.folder)?(path, asked)
    }

    /// Changes the configuration by `change`, has the gate take it over, and says how long that took.
    ///
    /// # Errors
    /// The gate did not take it.
    pub(crate) fn reload(&self, change: impl FnOnce(&str) -> String) -> Result<Duration> {
        let file = self.folder.join(FILE);
        let text = std::fs::read_to_string(&file).context("reading the configuration")?;
        std::fs::write(&file, change(&text)).context("changing the configuration")?;
        let start = Instant::now();
        self.act("/v1/reload", &Value::Null)?;
        Ok(start.elapsed())
    }

    /// Reloads so many times, evenly over `time`, with another value each time.
    ///
    /// # Errors
    /// The gate did not take one of them.
    pub(crate) fn reload_often(&self, times: u32, time: Duration) -> Result<()> {
        let start = Instant::now();
        for number in 0..times {
            std::thread::sleep((time * number / times.max(1)).saturating_sub(start.elapsed()));
            // A setting that holds for every call and hinders none.
            self.reload(|text| {
                let kept = text.lines().filter(|line| !line.trim_start().starts_with("body_max:"));
                kept.map(|line| format!("{line}\n")).collect::<String>()
                    + &format!("    body_max: {}MiB\n", 5 + number % 2)
            })?;
        }
        Ok(())
    }
}

// === impl Side ===

impl Side {
    /// Stops the gate, does something to what it left in its data folder, and starts it again.
    ///
    /// # Errors
    /// This is no gate, `act` failed, or the gate does not start again.
    pub(crate) fn restarted(self, ground: &Ground, act: impl FnOnce(&Path) -> Result<()>) -> Result<Side> {
        let Side { name, scheme, address, group, log, keys, gate } = self;
        let gate = gate.context("only a gate is started again")?;
        drop(group);
        act(&gate.folder.join("data"))?;
        let group = launch(&ground.callgate, Cores::Proxy, &gate.folder, gate.health)?;
        Ok(Side { name, scheme, address, group, log, keys, gate: Some(gate) })
    }
}

// === impl Records ===

impl Records {
    fn of(metrics: &str) -> Records {
        let mut found = Records::default();
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<u64>() else { continue };
            let name = series.split('{').next().unwrap_or_default();
            match name {
                "callgate_calls_total" => found.calls += value,
                "callgate_refusals_total" => {
                    let code = series.split("code=\"").nth(1).and_then(|rest| rest.split('"').next());
                    *found.refusals.entry(code.unwrap_or("?").to_owned()).or_default() += value;
                }
                "callgate_records_dropped_total" => found.dropped += value,
                "callgate_log_lines_total" => found.lines += value,
                "callgate_log_lines_lost_total" => found.lines_lost += value,
                _ => {}
            }
        }
        found
    }

    pub(crate) fn since(&self, before: &Records) -> Records {
        let refusals = self
            .refusals
            .iter()
            .map(|(code, now)| (code.clone(), now - before.refusals.get(code).copied().unwrap_or(0)));
        Records {
            calls: self.calls - before.calls,
            refusals: refusals.filter(|(_, count)| *count > 0).collect(),
            dropped: self.dropped - before.dropped,
            lines: self.lines - before.lines,
            lines_lost: self.lines_lost - before.lines_lost,
        }
    }

    /// Refusals of any code.
    pub(crate) fn refused(&self) -> u64 {
        self.refusals.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed() {
        let text = "# HELP callgate_calls_total x\ncallgate_calls_total{api=\"a\",status=\"200\"} 5\n\
            callgate_calls_total{api=\"a\",status=\"401\"} 2\ncallgate_refusals_total{api=\"a\",code=\"locked_out\"} 2\n\
            callgate_records_dropped_total{queue=\"refused\",class=\"4xx\"} 1\n";
        let records = Records::of(text);
        assert_eq!((records.calls, records.refused(), records.dropped), (7, 2, 1));
        let since = Records { calls: 9, ..records.clone() }.since(&records);
        assert_eq!((since.calls, since.refusals.len()), (2, 0));
    }
}
