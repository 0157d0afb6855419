//! Everything at once, for minutes or hours: calls over every protocol, while the configuration, certificates, keys and the
//! process itself change, upstreams fail and clients are slow. Not one call may fail that should not, and memory must stay flat.
//!
//! It sees what a user sees: the real binary, started from a file. Start reading in `ground.rs`, then `callers.rs`.

mod callers;
mod changes;
mod counters;
mod crowd;
mod ground;
mod process;
mod random;
mod sessions;
mod talkers;
mod tally;
mod upstream;
mod verdict;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use ground::Ground;
use tally::Tally;
use verdict::Verdict;

const USAGE: &str = "callgate-soak --minutes N    (cargo xtask soak builds and starts it)";
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(verdict) if verdict.holds() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Verdict> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let minutes = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--minutes", minutes] => minutes.parse::<u32>().ok().filter(|minutes| (1..=10_000).contains(minutes)),
        _ => bail!("{USAGE}"),
    };
    let minutes = minutes.context("--minutes needs a whole number from 1 on")?;
    let lasts = MINUTE * minutes;
    let ground = Ground::prepare(lasts);
    println!("{minutes} minutes of everything at once; the gate is process {}", ground.process());
    println!("{}", Tally::HEAD);
    let tally = Tally::new(minutes as usize);
    let mut verdict = Verdict::before(&ground);
    let until = Instant::now() + lasts;
    std::thread::scope(|scope| {
        let callers = callers::all().into_iter().chain(talkers::all()).chain(sessions::all());
        for work in callers.chain(changes::all()).chain(crowd::all()) {
            let (ground, tally) = (&ground, &tally);
            scope.spawn(move || work(ground, tally));
        }
        let mut told = 0;
        while Instant::now() < until {
            std::thread::sleep(SECOND);
            verdict.sample(&ground);
            let whole = tally.whole_minutes();
            if whole > told {
                println!("{}", tally.line(told, verdict.memory_mib()));
                told = whole;
            }
        }
        ground.over.end();
    });
    verdict.after(ground, &tally);
    print!("{verdict}");
    Ok(verdict)
}
