//! What can be typed, and what comes of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use callgate_records::Messages;
use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::fmt;

use crate::command::{
    admin_tokens, audit, auth, backup, call, check, clients, completions, consumers, curl, explain, guard, init,
    issuers, keys, log, man_pages, plans, reload, restore, serve, signing_keys, stats, tokens, upstreams, users,
};
#[cfg(feature = "demo")]
use crate::command::{bookshop, demo};

/// How long an end waits for a standard error that does not take what is left to say.
const MESSAGES_WITHIN: Duration = Duration::from_secs(1);

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
    Init(init::Init),
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    #[cfg(feature = "demo")]
    Bookshop(bookshop::BookshopArgs),
    Consumers(consumers::Consumers),
    Keys(keys::Keys),
    Clients(clients::Clients),
    Tokens(tokens::Tokens),
    Users(users::Users),
    SigningKeys(signing_keys::SigningKeys),
    Issuers(issuers::Issuers),
    Plans(plans::Plans),
    Log(log::Log),
    Stats(stats::Stats),
    Upstreams(upstreams::Upstreams),
    Explain(explain::Explain),
    Audit(audit::Audit),
    Reload(reload::Reload),
    Backup(backup::Backup),
    Restore(restore::Restore),
    AdminTokens(admin_tokens::AdminTokens),
    /// Make a GET call
    Get(call::Verb),
    /// Make a POST call
    Post(call::Verb),
    /// Make a PUT call
    Put(call::Verb),
    /// Make a PATCH call
    Patch(call::Verb),
    /// Make a DELETE call
    Delete(call::Verb),
    /// Make a HEAD call
    Head(call::Verb),
    /// Make an OPTIONS call
    Options(call::Verb),
    Call(call::Call),
    Curl(curl::Curl),
    Auth(auth::Auth),
    Completions(completions::Completions),
    ManPages(man_pages::ManPages),
}

/// Reads the arguments and runs the command. Exit codes: 0 done, 1 not done and said why, 2 not understood; the calling
/// commands have their own.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let messages = match Messages::to_standard_error() {
        Ok(messages) => messages,
        Err(error) => return fail(&anyhow::Error::new(error).context("no thread could be started")),
    };
    fmt().with_writer(move || messages).with_target(false).with_ansi(crate::terminal::colours_on_stderr()).init();
    let outcome = run_command(cli.command);
    // What a command said on its way stands before why it failed.
    messages.flush(MESSAGES_WITHIN);
    outcome.unwrap_or_else(|error| fail(&error))
}

fn run_command(command: Command) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("no runtime could be started")?.block_on(dispatch(command))
}

async fn dispatch(command: Command) -> Result<ExitCode> {
    match command {
        Command::Guard(guard) => guard.run().await.map(|()| ExitCode::SUCCESS),
        Command::Serve(serve) => serve.run().await.map(|()| ExitCode::SUCCESS),
        Command::Check(check) => check.run().await,
        Command::Init(init) => init.run().map(|()| ExitCode::SUCCESS),
        Command::Consumers(consumers) => consumers.run().await.map(|()| ExitCode::SUCCESS),
        Command::Keys(keys) => keys.run().await.map(|()| ExitCode::SUCCESS),
        Command::Clients(clients) => clients.run().await.map(|()| ExitCode::SUCCESS),
        Command::Users(users) => users.run().await.map(|()| ExitCode::SUCCESS),
        Command::Tokens(tokens) => tokens.run().await.map(|()| ExitCode::SUCCESS),
        Command::SigningKeys(keys) => keys.run().await.map(|()| ExitCode::SUCCESS),
        Command::Plans(plans) => plans.run().await.map(|()| ExitCode::SUCCESS),
        Command::Issuers(issuers) => issuers.run().await,
        Command::Log(log) => log.run().await.map(|()| ExitCode::SUCCESS),
        Command::Stats(stats) => stats.run().await.map(|()| ExitCode::SUCCESS),
        Command::Upstreams(upstreams) => upstreams.run().await.map(|()| ExitCode::SUCCESS),
        Command::Explain(explain) => explain.run().await,
        Command::Audit(audit) => audit.run().await,
        Command::Reload(reload) => reload.run().await.map(|()| ExitCode::SUCCESS),
        Command::Backup(backup) => backup.run().await.map(|()| ExitCode::SUCCESS),
        Command::Restore(restore) => restore.run().await.map(|()| ExitCode::SUCCESS),
        Command::AdminTokens(tokens) => tokens.run().await.map(|()| ExitCode::SUCCESS),
        Command::Get(verb) => Ok(verb.run("GET").await),
        Command::Post(verb) => Ok(verb.run("POST").await),
        Command::Put(verb) => Ok(verb.run("PUT").await),
        Command::Patch(verb) => Ok(verb.run("PATCH").await),
        Command::Delete(verb) => Ok(verb.run("DELETE").await),
        Command::Head(verb) => Ok(verb.run("HEAD").await),
        Command::Options(verb) => Ok(verb.run("OPTIONS").await),
        Command::Call(call) => Ok(call.run().await),
        Command::Auth(auth) => auth.run().await.map(|()| ExitCode::SUCCESS),
        Command::Curl(curl) => Ok(curl.run().await),
        Command::Completions(completions) => {
            completions.run(&mut Cli::command());
            Ok(ExitCode::SUCCESS)
        }
        Command::ManPages(pages) => pages.run(Cli::command()).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run().await,
        #[cfg(feature = "demo")]
        Command::Bookshop(bookshop) => bookshop.run().await.map(|()| ExitCode::SUCCESS),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    crate::terminal::tell(&format!("callgate: {}", format!("{error:#}").trim_end()));
    ExitCode::FAILURE
}
