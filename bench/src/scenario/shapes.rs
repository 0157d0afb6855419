//! `tls`, `handshakes`, `h2`, `body`, `many` and `routes`: bare calls of other shapes, beside nginx.

use anyhow::Result;

use super::{Findings, beside};
use crate::ground::Ground;
use crate::load::{Load, Tool};
use crate::machine;
use crate::peers::callgate::Build;
use crate::peers::{Certificate, Setup, Side, callgate, nginx, relay};
use crate::rounds::{self, Effort};

/// Small calls on kept connections with TLS.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn tls(ground: &Ground, effort: Effort) -> Result<Findings> {
    over_tls(ground, effort, Load::PLAIN)
}

/// A TLS handshake for every call: X25519 and a certificate on P-256, nothing resumed.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn handshakes(ground: &Ground, effort: Effort) -> Result<Findings> {
    over_tls(ground, effort, Load { close: true, connections: 16, ..Load::PLAIN })
}

/// HTTP/2 over TLS: 16 connections with four calls under way each.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn h2(ground: &Ground, effort: Effort) -> Result<Findings> {
    over_tls(ground, effort, Load { tool: Tool::H2load, connections: 16, ..Load::PLAIN })
}

/// 10,000 connections that do nothing, and 100 that do. Callgate keeps a descriptor free for the upstream connection of each,
/// so a process that may open fewer than 21,000 files takes fewer of them: then both sides get what fits.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn many(ground: &Ground, effort: Effort) -> Result<Findings> {
    let (wanted, busy, spare) = (10_000, 100, 400);
    let fits = machine::files_max().map_or(wanted, |files| (files / 2).saturating_sub(busy + spare));
    let idle = wanted.min(fits);
    let (own, other) =
        (callgate::start(ground, "callgate", Setup::BARE, Build::Own)?, nginx::start(ground, Setup::BARE, None)?);
    let load = Load { connections: busy, idle, ..Load::PLAIN };
    let mut findings = beside(ground, None, &[own, other], load, effort)?;
    findings.add("idle connections", f64::from(idle), "");
    Ok(findings)
}

/// 5,000 routes, called in turn.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn routes(ground: &Ground, effort: Effort) -> Result<Findings> {
    let routes = 5_000;
    let setup = Setup { routes, ..Setup::BARE };
    let (own, other) = (callgate::start(ground, "callgate", setup, Build::Own)?, nginx::start(ground, setup, None)?);
    beside(ground, None, &[own, other], Load { paths: routes, ..Load::PLAIN }, effort)
}

/// 100 KiB down, and 1 MiB up.
///
/// # Errors
/// A program did not start, or a load could not be made.
pub(super) fn body(ground: &Ground, effort: Effort) -> Result<Findings> {
    let sides = [
        callgate::start(ground, "callgate", Setup::BARE, Build::Own)?,
        nginx::start(ground, Setup::BARE, None)?,
        relay::start(ground)?,
    ];
    let [own, nginx, relay] = &sides;
    let down = Load { path: "/large", connections: 16, ..Load::PLAIN };
    let up = Load { post_bytes: 1024 * 1024, connections: 16, ..Load::PLAIN };
    let mut findings = Findings::default();
    let runs: Vec<(&Side, Load)> =
        [down, up].iter().flat_map(|load| [(own, *load), (nginx, *load), (relay, *load)]).collect();
    let mut all = rounds::alternate(ground, &runs, effort, &mut findings.checks)?;
    let names = ["callgate down", "nginx down", "relay down", "callgate up", "nginx up", "relay up"];
    for (samples, name) in all.iter_mut().zip(names) {
        samples.name = name;
    }
    findings.sides = all;
    findings.ratio("down ÷ nginx", "callgate down", "nginx down", |sample| sample.cpu_us_per_call);
    findings.ratio("down ÷ relay", "callgate down", "relay down", |sample| sample.cpu_us_per_call);
    findings.ratio("up ÷ nginx", "callgate up", "nginx up", |sample| sample.cpu_us_per_call);
    findings.ratio("up ÷ relay", "callgate up", "relay up", |sample| sample.cpu_us_per_call);
    Ok(findings)
}

fn over_tls(ground: &Ground, effort: Effort, load: Load) -> Result<Findings> {
    let certificate = Certificate::make(&ground.folder)?;
    let setup = Setup { tls: Some(&certificate), ..Setup::BARE };
    let (own, other) = (callgate::start(ground, "callgate", setup, Build::Own)?, nginx::start(ground, setup, None)?);
    beside(ground, None, &[own, other], load, effort)
}
