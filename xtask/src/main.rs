//! The chores of this repository. `cargo xtask test` runs every check there is; start reading in `test.rs`.

mod bench;
mod dist;
mod documents;
mod graph;
mod instructions;
mod shell;
mod soak;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [STEP…]    every check, or only these; stops at the first that fails
cargo xtask test --list     the steps, in their order
cargo xtask bench [SCENARIO…] [--quick] [--json FILE]    Callgate beside its peers; --help shows the rest
cargo xtask budgets [--write | --profile NAME]           instructions of the gate's hot functions, and where they are
cargo xtask soak --minutes N [--binary FILE]             load, reloads, revocations, failing upstreams, slow clients at once
cargo xtask dist [--binary FILE] [--try-package]         a release: archive, Debian package, SHA-256 sums; --help says more
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test", "--list"] => {
            test::list();
            return ExitCode::SUCCESS;
        }
        ["test", steps @ ..] => test::run(steps),
        ["bench", words @ ..] => bench::run(words),
        ["dist", words @ ..] => dist::run(words),
        ["soak", words @ ..] => soak::run(words),
        ["budgets", words @ ..] => instructions::budgets(words),
        ["help" | "-h" | "--help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
