//! Callgate beside nginx, HAProxy, Envoy and a raw relay, with equal features on: what a call costs.
//!
//! Ratios within one run on one machine are what counts; absolute times of two machines, or of two days, can't be compared.
//! Start reading in `scenario.rs`, then `rounds.rs`: how one program is measured beside another. `bars.rs` says what
//! Callgate is to reach, `checks.rs` what makes a run worth nothing.

mod bars;
mod checks;
mod cpu;
mod ground;
mod group;
mod http;
mod load;
mod machine;
mod options;
mod peers;
mod report;
mod roles;
mod rounds;
mod scenario;
mod statistics;

use std::process::ExitCode;

use anyhow::{Context, Result};

use ground::Ground;
use machine::Machine;
use options::Options;
use report::Report;
use scenario::SCENARIOS;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether every scenario ran and every check held. A bar that was not reached is no failure: it is red in the table.
fn run(words: &[String]) -> Result<bool> {
    if let Some((role, arguments)) = words.split_first()
        && roles::play(role, arguments)?
    {
        return Ok(true);
    }
    let options = Options::of(words)?;
    if options.list {
        for scenario in SCENARIOS {
            println!("{:<12} {}", scenario.name, scenario.about);
        }
        return Ok(true);
    }
    let ground = Ground::prepare(&options)?;
    let mut report = Report::new(Machine::here(&options), &options);
    let mut all_ran = true;
    for scenario in &options.scenarios {
        eprint!("{} ", scenario.name);
        match (scenario.run)(&ground, options.effort) {
            Ok(findings) => report.add(scenario, findings),
            // What the others found took an hour; it is not thrown away.
            Err(error) => {
                anstream::eprintln!("\nbench: scenario {}: {error:#}", scenario.name);
                all_ran = false;
            }
        }
    }
    report.print();
    if let Some(file) = &options.json {
        std::fs::write(file, report.json()).with_context(|| format!("writing {}", file.display()))?;
    }
    if let Some(file) = &options.markdown {
        std::fs::write(file, report.markdown()).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(all_ran && report.checks_hold())
}
