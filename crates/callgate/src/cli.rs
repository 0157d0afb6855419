//! What can be typed, and what comes of it.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tracing_subscriber::fmt;

use crate::command::{bookshop, check, guard, serve};

/// Make, serve, guard, know and test API calls
#[derive(Debug, Parser)]
#[command(name = "callgate", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Guard(guard::Guard),
    Serve(serve::Serve),
    Check(check::Check),
    Bookshop(bookshop::BookshopArgs),
}

/// Reads the arguments and runs the command. Exit codes: 0 done, 1 not done and said why, 2 not understood; the calling
/// commands have their own.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    fmt().with_writer(std::io::stderr).with_target(false).with_ansi(crate::terminal::colours_on_stderr()).init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("no runtime could be started")),
    };
    match runtime.block_on(dispatch(cli.command)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Guard(guard) => guard.run().await.map(|()| ExitCode::SUCCESS),
        Command::Serve(serve) => serve.run().await.map(|()| ExitCode::SUCCESS),
        Command::Check(check) => check.run(),
        Command::Bookshop(bookshop) => bookshop.run().await.map(|()| ExitCode::SUCCESS),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    anstream::eprintln!("callgate: {error:#}");
    ExitCode::FAILURE
}
