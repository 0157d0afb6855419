//! `scale`: what much of something costs in memory and time. Measured once each: memory hardly varies.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Findings;
use crate::cpu;
use crate::ground::Ground;
use crate::group::{Cores, Group};
use crate::http;
use crate::peers::callgate::Build;
use crate::peers::{Certificate, Features, Setup, Side, callgate};
use crate::roles::Counts;
use crate::rounds::{self, Effort};

const HOLD: &str = include_str!("../../load/hold.lua");
const ADDRESSES: &str = include_str!("../../load/addresses.lua");
const ADDRESSES_COUNT: u32 = 1_000_000;
/// Enough for a million calls at 15,000 a second.
const ADDRESSES_S: u32 = 70;
const ROUTES: u32 = 10_000;
const REVOCATIONS: u32 = 100;
/// Of idle connections. With TLS they all come from one address, of which Callgate takes 1,000.
const IDLE_PLAIN: u32 = 5_000;
const IDLE_TLS: u32 = 900;
const SLOW_CALLS: u32 = 100;
const SLOW_PAUSE: Duration = Duration::from_millis(100);

/// # Errors
/// A program did not start, or did not do what it was asked.
pub(super) fn scale(ground: &Ground, _effort: Effort) -> Result<Findings> {
    let mut findings = Findings::default();
    idle(ground, &mut findings)?;
    eprint!(".");
    reuse(ground, &mut findings)?;
    eprint!(".");
    routes(ground, &mut findings)?;
    eprint!(".");
    addresses(ground, &mut findings)?;
    eprint!(".");
    keys(ground, &mut findings)?;
    eprintln!(".");
    Ok(findings)
}

/// A gate that nobody calls, and what a connection adds that does nothing.
fn idle(ground: &Ground, findings: &mut Findings) -> Result<()> {
    let plain = callgate::start(ground, "callgate", Setup::BARE, Build::Own)?;
    let alone = memory(&plain);
    findings.add("idle gate", mib(alone), " MiB");
    let held = rounds::idle(ground, &plain, IDLE_PLAIN)?;
    findings.add("idle connection, plain", kib_each(alone, memory(&plain), IDLE_PLAIN), " KiB");
    drop(held);

    let certificate = Certificate::make(&ground.folder)?;
    let setup = Setup { tls: Some(&certificate), ..Setup::BARE };
    let tls = callgate::start(ground, "callgate with TLS", setup, Build::Own)?;
    let alone = memory(&tls);
    let script = ground.folder.join("hold.lua");
    std::fs::write(&script, HOLD).context("writing a script")?;
    let (script, url, connections) = (script.display().to_string(), tls.url("/books/1"), IDLE_TLS.to_string());
    let open = format!("-c{connections}");
    let arguments = ["-t1", &open, "-d60s", "-s", &script, &url, "--", &connections];
    let before = Counts::ask(ground.upstream)?.calls;
    let wrk =
        Group::start(Cores::Load, Path::new("wrk"), &arguments, &ground.folder, &ground.folder.join("hold.said"))?;
    thread::sleep(Duration::from_secs(4));
    let calls = Counts::ask(ground.upstream)?.calls - before;
    let each = "each idle connection made its call";
    findings.checks.note("callgate", each, calls == u64::from(IDLE_TLS), || format!("{calls} of {IDLE_TLS}"));
    findings.add("idle connection, TLS", kib_each(alone, memory(&tls), IDLE_TLS), " KiB");
    drop(wrk);
    Ok(())
}

/// How many connections to the upstream ten calls a second need: one, if it is kept.
fn reuse(ground: &Ground, findings: &mut Findings) -> Result<()> {
    let gate = callgate::start(ground, "callgate", Setup::BARE, Build::Own)?;
    let before = Counts::ask(ground.upstream)?;
    let mut client = http::connect(gate.address)?;
    for _ in 0..SLOW_CALLS {
        let status = client.ask("GET", "/books/1", "")?.status;
        findings.checks.note("callgate", "slow calls are answered", status == 200, || status.to_string());
        thread::sleep(SLOW_PAUSE);
    }
    // The second question of ours was a connection too.
    let connections = Counts::ask(ground.upstream)?.since(&before).connections - 1;
    findings.add("upstream connections of 100 calls, 10/s", f64_of(connections), "");
    Ok(())
}

/// From the asking to the answer of a reload that brings 10,000 routes, and of one that finds them there.
fn routes(ground: &Ground, findings: &mut Findings) -> Result<()> {
    let side = callgate::start(ground, "callgate", Setup::BARE, Build::Own)?;
    let gate = side.gate.as_ref().context("a gate is a gate")?;
    let before = memory(&side);
    let first = gate.reload(|text| {
        let mut text = format!("{text}    routes:\n");
        for number in 0..ROUTES {
            // Writing to a String does not fail.
            if writeln!(text, "      - \"GET|POST /route-{number:05}/{{id}}\": {{}}").is_err() {
                break;
            }
        }
        text
    })?;
    let again = gate.reload(|text| text.replace("access: public", "body_max: 5MiB\n    access: public"))?;
    findings.add("10,000 routes: taken over in", first.as_secs_f64() * 1e3, " ms");
    findings.add("10,000 routes: changed in", again.as_secs_f64() * 1e3, " ms");
    findings.add("10,000 routes: memory", mib(memory(&side).saturating_sub(before)), " MiB");
    let status = http::connect(side.address)?.ask("GET", "/route-09999/1", "")?.status;
    findings.checks.note("callgate", "the last route is there", status == 200, || status.to_string());
    Ok(())
}

/// A million callers, one after the other.
fn addresses(ground: &Ground, findings: &mut Findings) -> Result<()> {
    let setup = Setup { features: Features::Addresses, ..Setup::BARE };
    let side = callgate::start(ground, "callgate", setup, Build::Own)?;
    let before = memory(&side);
    let script = ground.folder.join("addresses.lua");
    std::fs::write(&script, ADDRESSES).context("writing a script")?;
    let mut wrk = Cores::Load.command(Path::new("wrk"));
    wrk.args(["-t1", "-c64", &format!("-d{ADDRESSES_S}s"), "-s"]).arg(&script).arg(side.url(""));
    let output = wrk.args(["--", &ADDRESSES_COUNT.to_string()]).stdin(Stdio::null()).output().context("running wrk")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("summary "))
        .with_context(|| format!("wrk gave no summary:\n{said}{}", String::from_utf8_lossy(&output.stderr)))?;
    let summary: Value = serde_json::from_str(line).context("reading wrk's summary")?;
    let calls = summary.get("calls").and_then(Value::as_u64).unwrap_or(0);
    let all = calls >= u64::from(ADDRESSES_COUNT);
    findings.checks.note("callgate", "a million addresses called", all, || format!("{calls} calls"));
    findings.add("1,000,000 addresses: memory", mib(memory(&side).saturating_sub(before)), " MiB");
    Ok(())
}

/// The whole gate with so many keys, after some were revoked and the configuration was read again.
fn keys(ground: &Ground, findings: &mut Findings) -> Result<()> {
    let mut side = callgate::start(ground, "callgate", Setup::GUARDED, Build::Own)?;
    let mut before = 10_000;
    for (keys, name) in [(10_000, "10,000 keys"), (100_000, "100,000 keys"), (1_000_000, "1,000,000 keys")] {
        side = side.restarted(ground, |data| add_keys(data, before, keys))?;
        let gate = side.gate.as_ref().context("a gate is a gate")?;
        let listed =
            sqlite(&gate.folder.join("data"), "SELECT id FROM keys WHERE revoked_ms IS NULL ORDER BY hash LIMIT 100;")?;
        let ids: Vec<&str> = listed.lines().collect();
        let revoked = u32::try_from(ids.len()).unwrap_or(0);
        findings.checks.note("callgate", "there are keys to revoke", revoked == REVOCATIONS, || revoked.to_string());
        for id in ids {
            gate.act(&format!("/v1/keys/{id}/revoke"), &Value::Null)?;
        }
        gate.reload(|text| text.replace("burst", "burst "))?;
        findings.add(name, mib(memory(&side)), " MiB");
        before = keys;
    }
    Ok(())
}

/// Keys that nobody has the text of: making a million through the admin socket would take an hour. In the gate's memory
/// they are as all others.
fn add_keys(data: &Path, before: u32, after: u32) -> Result<()> {
    if before >= after {
        return Ok(());
    }
    let text = format!(
        "PRAGMA synchronous = OFF; WITH RECURSIVE n(n) AS (SELECT {before} UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {after})
         INSERT INTO keys (id, consumer_id, hash, pepper_id, imported, scopes, apis, ips, created_ms)
         SELECT printf('0%07d', n), (SELECT min(id) FROM consumers) + n % 1000, randomblob(32), 1, 0, '[]', '[]', '[]',
                (SELECT max(created_ms) FROM keys) FROM n;"
    );
    sqlite(data, &text).map(drop)
}

fn sqlite(data: &Path, text: &str) -> Result<String> {
    let output = Command::new("sqlite3").arg(data.join("callgate.db")).arg(text).output().context("running sqlite3")?;
    if !output.status.success() {
        bail!("sqlite3: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Bytes, once the gate is idle.
fn memory(side: &Side) -> u64 {
    cpu::settle(side.group.id());
    cpu::memory_bytes(side.group.id())
}

fn mib(bytes: u64) -> f64 {
    f64_of(bytes) / 1024.0 / 1024.0
}

fn kib_each(before: u64, after: u64, number: u32) -> f64 {
    f64_of(after.saturating_sub(before)) / 1024.0 / f64::from(number)
}

fn f64_of(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let number = number as f64;
    number
}
