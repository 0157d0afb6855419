//! Callgate itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Features, Keys, Side};
use crate::ground::{Ground, filled, free_address, until_ready};
use crate::group::{Cores, Group};
use crate::http;

const BARE: &str = include_str!("../../configurations/callgate-bare.yaml");
const GUARDED: &str = include_str!("../../configurations/callgate-guarded.yaml");
/// A consumer has ten keys.
const CONSUMERS: usize = 1_000;
const KEYS_PER_CONSUMER: usize = 10;

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

/// Starts it, and makes its keys if it is to be guarded.
///
/// # Errors
/// It does not answer, or makes no keys.
pub(crate) fn start(ground: &Ground, features: Features, build: Build) -> Result<Side> {
    let (name, binary) = match (build, &ground.compare) {
        (Build::Own, _) => ("callgate", &ground.callgate),
        (Build::Other, Some(other)) => ("other build", other),
        (Build::Other, None) => bail!("there is no other build without --compare"),
    };
    let template = match features {
        Features::Bare => BARE,
        Features::Guarded => GUARDED,
    };
    let folder = ground.folder_of(&name.replace(' ', "-"))?;
    let (address, health) = (free_address()?, free_address()?);
    let configuration = filled(
        template,
        &[
            ("PORT", address.port().to_string()),
            ("HEALTH", health.port().to_string()),
            ("UPSTREAM", ground.upstream.port().to_string()),
            ("WORKERS", "1".to_owned()),
        ],
    )?;
    let file = folder.join("callgate.yaml");
    std::fs::write(&file, configuration).context("writing Callgate's configuration")?;
    let arguments = ["serve", "-c", &file.display().to_string()];
    let mut group = Group::start(Cores::Proxy, binary, &arguments, &folder, &folder.join("said"))?;
    let ready = || http::get(health, "/readyz").is_ok_and(|answer| answer.status == 200);
    until_ready(name, &mut group, ready).with_context(|| format!("see {}", folder.join("said").display()))?;
    let guarded = features == Features::Guarded;
    let keys = guarded.then(|| make_keys(&folder)).transpose()?;
    let log = guarded.then(|| folder.join("access.log"));
    Ok(Side { name, scheme: "http", address, group, log, keys, gate: Some(Gate { health, folder }) })
}

/// 10,000 keys, made as every key is: through the admin socket, one at a time.
fn make_keys(folder: &Path) -> Result<Keys> {
    let data = folder.join("data");
    let pointer = data.join("admin/sock.path");
    let socket = match std::fs::read_to_string(&pointer) {
        Ok(path) => PathBuf::from(path.trim_end()),
        Err(_) => data.join("admin/sock"),
    };
    let mut admin = http::unix(&socket)?;
    let mut ask = |path: &str, asked: Value| -> Result<Value> {
        let answer = admin.ask("POST", path, &asked.to_string())?;
        if answer.status != 201 {
            bail!("{path} answered {}: {}", answer.status, answer.body);
        }
        serde_json::from_str(&answer.body).context("reading the admin API's answer")
    };
    let mut texts = Vec::with_capacity(CONSUMERS * KEYS_PER_CONSUMER);
    for number in 0..CONSUMERS {
        let consumer = format!("consumer-{number:04}");
        ask("/v1/consumers", json!({ "name": consumer, "plan": "team" }))?;
        for _ in 0..KEYS_PER_CONSUMER {
            let made = ask("/v1/keys", json!({ "consumer": consumer }))?;
            texts.push(made.get("key").and_then(Value::as_str).context("a key without a text")?.to_owned());
        }
    }
    let file = folder.join("keys");
    std::fs::write(&file, texts.join("\n") + "\n").context("writing the keys")?;
    Ok(Keys { file, texts })
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
