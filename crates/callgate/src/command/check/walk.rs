//! `check --call`: one call through the phases, dry.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use callgate_config::Config;
use callgate_gateway::dry::{self, Walk};
use callgate_gateway::quota::Quotas;
use callgate_gateway::{Gate, Snapshot};
use callgate_identity::KeyTable;
use callgate_model::Clock;
use callgate_records::{Recorder, RecorderConfig};
use callgate_store::{Pepper, Peppers, Store};
use http::Request;

use crate::terminal;

/// Walks a call and shows what each phase found. Exit code 1 when it would be refused.
///
/// # Errors
/// The call can't be read.
pub(super) async fn show(
    snapshot: Snapshot,
    config: &Config,
    call: &str,
    from: IpAddr,
    json: bool,
) -> Result<ExitCode> {
    let clock = Clock::system();
    let request = parse(call)?;
    // The real keys, if nobody holds them.
    let store = held(config, &clock).await;
    let keys = match &store {
        Some(store) => KeyTable::load(store).await?,
        None => KeyTable::new(no_peppers(), &[], []),
    };
    let (recorder, guard) = Recorder::start(RecorderConfig::new(clock.clone()))?;
    let (quotas, _clerk) = Quotas::new(clock.clone());
    let tls = config.listen.first().is_some_and(|listen| !listen.tls.is_empty());
    let gate = Gate::new(snapshot, Arc::new(keys), quotas, recorder, clock);
    let walk = dry::walk(&gate, request, from, 0, tls, store.is_some()).await;
    guard.stop(std::time::Duration::from_secs(1)).await;
    if json {
        terminal::say(&as_json(&walk).to_string());
    } else {
        tell(&walk);
    }
    Ok(if walk.refusal.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// For a key table without keys.
fn no_peppers() -> Peppers {
    Peppers { current: Pepper::new(0, &[0; 32]), all: BTreeMap::new() }
}

/// The store, if it is there and no gate holds it. A check creates nothing.
async fn held(config: &Config, clock: &Clock) -> Option<Store> {
    if !config.data_dir.join("callgate.db").exists() {
        return None;
    }
    Store::open(&config.data_dir, clock.clone()).await.ok()
}

/// Reads `METHOD TARGET [Field:value …]`.
fn parse(call: &str) -> Result<Request<()>> {
    let mut words = call.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        bail!(
            "`{call}` is not a call: write it as `GET /path Field:value`, for example `GET /shop/books X-API-Key:cg_live_…`"
        );
    };
    let mut request = Request::builder().method(method.to_ascii_uppercase().as_str()).uri(target);
    let mut has_host = false;
    for word in words {
        let (name, value) =
            word.split_once(':').with_context(|| format!("`{word}` is not a field: write it as `Name:value`"))?;
        has_host |= name.eq_ignore_ascii_case("host");
        request = request.header(name, value);
    }
    if !has_host {
        request = request.header("host", "localhost");
    }
    request.body(()).with_context(|| format!("`{call}` is not a call that could be sent"))
}

fn tell(walk: &Walk) {
    for (phase, found) in &walk.passed {
        terminal::say(&format!("  ✓ {:<10} {found}", phase.name()));
    }
    for refusal in &walk.would_refuse {
        let rule = refusal.rule.as_deref().unwrap_or("-");
        terminal::say(&format!(
            "  ! {:<10} would refuse: {} ({rule}): {}",
            refusal.code.phase().name(),
            refusal.code.name(),
            refusal.detail
        ));
    }
    match &walk.refusal {
        None if walk.key_unknown => {
            terminal::say(
                "The call would be forwarded if its key is good here and has the scopes; the key was not looked up.",
            );
        }
        None => terminal::say("The call would be forwarded."),
        Some((phase, refusal)) => {
            terminal::say(&format!(
                "  ✗ {:<10} {} {}: {}",
                phase.name(),
                refusal.code.status(),
                refusal.code.name(),
                refusal.detail
            ));
            if let Some(rule) = &refusal.rule {
                terminal::say(&format!("    {:<10} {rule}", "rule"));
            }
            if let Some(gate_side) = &refusal.gate_side {
                terminal::say(&format!("    {:<10} {gate_side}", "because"));
            }
            terminal::say(&format!("The call would be refused. More: callgate explain {}", refusal.code.name()));
        }
    }
}

fn as_json(walk: &Walk) -> serde_json::Value {
    let passed: Vec<_> =
        walk.passed.iter().map(|(phase, found)| serde_json::json!({ "phase": phase, "found": found })).collect();
    let refusal =
        walk.refusal.as_ref().map(|(phase, refusal)| serde_json::json!({ "phase": phase, "refusal": refusal }));
    serde_json::json!({ "passed": passed, "refused": refusal, "would_refuse": walk.would_refuse, "key_unknown": walk.key_unknown })
}
