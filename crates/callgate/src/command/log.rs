//! `callgate log`: recent calls, and calls as they come.

mod follow;

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use callgate_admin::views::CallsQuery;
use callgate_model::CallRecord;
use callgate_records::explain;
use clap::{Args, Subcommand};

use super::ask::Ask;
use crate::terminal;

/// Calls that are shown before those that come.
const TAIL: usize = 20;

/// Show recent calls, one line each; follow them as they come; find some
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Log {
    #[command(subcommand)]
    act: Option<Act>,
    /// Go on with calls as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Find recent calls, newest last
    Find {
        /// Before this moment
        #[arg(long, value_name = "MOMENT")]
        until: Option<String>,
        #[command(flatten)]
        wanted: Box<Wanted>,
        #[command(flatten)]
        ask: Box<Ask>,
    },
}

/// Which calls; everything that is given must hold.
#[derive(Debug, Args)]
struct Wanted {
    /// With the key of this id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Of this consumer
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// Answered so: 401, 4xx, 400-499
    #[arg(long)]
    status: Option<String>,
    /// Refused with this code, or in observe mode would be: rate_limited
    #[arg(long)]
    code: Option<String>,
    /// The path begins so
    #[arg(long, value_name = "PREFIX")]
    path: Option<String>,
    /// Of this API
    #[arg(long)]
    api: Option<String>,
    /// Of this route, by its template
    #[arg(long)]
    route: Option<String>,
    /// Not before this moment: 1h (ago), 2027-01-31, 2027-01-31T12:00:00Z
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    /// At most so many of the newest [default: 100 to find, 20 to follow]
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// Calls to show, in which form.
struct Shown {
    json: bool,
    colours: bool,
}

// === impl Log ===

impl Log {
    /// Shows, follows or finds.
    ///
    /// # Errors
    /// There is no way to the gate, a filter is not understood, or the gate that was followed has ended.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Some(Act::Find { until, wanted, ask }) => find(wanted.query(until), &ask).await,
            None if self.follow => follow::run(self.wanted.query(None), &self.ask).await,
            None => {
                let query = self.wanted.query(None);
                find(CallsQuery { limit: query.limit.or(Some(TAIL)), ..query }, &self.ask).await
            }
        }
    }
}

async fn find(query: CallsQuery, ask: &Ask) -> Result<()> {
    let found = ask.read(async |gate| gate.calls_find(&query).await).await?.calls;
    if found.is_empty() && !ask.json {
        anstream::eprintln!("no such call is kept");
    }
    let shown = Shown::of(ask);
    // A reader that went away has seen what it wanted.
    let _enough = found.iter().rev().try_for_each(|call| shown.line(call));
    Ok(())
}

// === impl Wanted ===

impl Wanted {
    fn query(self, until: Option<String>) -> CallsQuery {
        let Wanted { key, consumer, status, code, path, api, route, since, limit } = self;
        CallsQuery { api, route, consumer, key, status, code, path, since, until, before: None, limit }
    }
}

// === impl Shown ===

impl Shown {
    fn of(ask: &Ask) -> Shown {
        Shown { json: ask.json, colours: terminal::colours_on_stdout() }
    }

    /// One call on a line of its own.
    fn line(&self, call: &CallRecord) -> std::io::Result<()> {
        let mut out = anstream::stdout();
        if self.json {
            return writeln!(out, "{}", serde_json::to_string(call)?);
        }
        let line = explain::call_in_short(call);
        match style(call).filter(|_| self.colours) {
            Some(style) => writeln!(out, "{style}{line}{style:#}"),
            None => writeln!(out, "{line}"),
        }
    }
}

fn style(call: &CallRecord) -> Option<Style> {
    match call.status {
        500.. => Some(AnsiColor::Red.on_default()),
        400..=499 => Some(AnsiColor::Yellow.on_default()),
        _ => None,
    }
}
