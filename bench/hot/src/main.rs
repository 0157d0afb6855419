//! The gate's hot functions, alone: `hot NAME N` does N operations of one of them after a setup that does not depend on
//! N. Run under an instruction counter with N and with 2N, the difference is N operations and nothing else.
//!
//! Start reading at [`OPERATIONS`]. `cargo xtask test instructions` counts them and holds them to `bench/hot/budgets.toml`.

mod call;
mod gate;
mod head;
mod key;
mod limit;
mod path;
mod record;
mod token;
mod upstream;

use std::process::ExitCode;

use anyhow::{Result, bail};

/// As the shipped program: a count with another allocator would be a count of another program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One thing to count.
struct Operation {
    name: &'static str,
    /// How many are counted: so many that what threads do by the clock meanwhile is a small part.
    times: u64,
    about: &'static str,
    /// Does it so many times, and fails when one of them did not come out as it should: a count of refusals would look
    /// very good.
    run: fn(u64) -> Result<()>,
}

const OPERATIONS: &[Operation] = &[
    Operation { name: "path", times: 20_000, about: "normalises a request's path", run: path::run },
    Operation {
        name: "head",
        times: 10_000,
        about: "finds the end of a request's head and inspects it",
        run: head::run,
    },
    Operation {
        name: "key",
        times: 10_000,
        about: "verifies a presented key against a table of 10,000",
        run: key::run,
    },
    Operation { name: "token", times: 10_000, about: "verifies a token that was verified before", run: token::warm },
    Operation { name: "token-cold", times: 500, about: "verifies a token for the first time", run: token::cold },
    Operation { name: "limit", times: 20_000, about: "charges one limit of a key", run: limit::run },
    Operation {
        name: "record",
        times: 10_000,
        about: "hands a record over, with its log line and everything counted",
        run: record::run,
    },
    Operation {
        name: "call",
        times: 2_000,
        about: "a whole call without sockets, answered by the gate",
        run: call::answered,
    },
    Operation {
        name: "call-refused",
        times: 2_000,
        about: "the same with a key of another gate: 401",
        run: call::refused,
    },
    Operation {
        name: "call-forwarded",
        times: 2_000,
        about: "the same to an upstream on loopback and back",
        run: call::forwarded,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => {
            for operation in OPERATIONS {
                println!("{:<16} {:>6}  {}", operation.name, operation.times, operation.about);
            }
            Ok(())
        }
        [name, times] => run(name, times),
        _ => Err(anyhow::anyhow!("hot NAME N does N operations of NAME; hot alone shows the names, each with an N")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, times: &str) -> Result<()> {
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == name) else {
        bail!("there is no operation `{name}`: `hot` alone shows the names");
    };
    let Ok(times) = times.parse() else {
        bail!("`{times}` is no number of times");
    };
    (operation.run)(times)
}
