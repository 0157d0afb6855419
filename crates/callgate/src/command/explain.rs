//! `callgate explain`: why a call was answered as it was, and what a code or a status means.

mod last;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use callgate_calling::LastFailure;
use callgate_model::{CallId, Code};
use callgate_records::explain::{self, Asked, Page};
use clap::Args;
use serde_json::json;

use crate::which::Which;
use crate::{page, terminal};

/// Explain a call, a code of the gate, or a status; without any, list every code
#[derive(Debug, Args)]
pub struct Explain {
    /// A call's id (Callgate-Call-Id), a code (rate_limited), a status (429) or a range (4xx)
    what: Option<String>,
    /// Why your last call that failed did: from its answer, and from the gate where it is this one
    #[arg(long, conflicts_with = "what")]
    last: bool,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

// === impl Explain ===

impl Explain {
    /// Explains. Codes and statuses need no gate.
    ///
    /// # Errors
    /// It is nothing that can be explained, or there is no way to the gate that knows the call.
    pub async fn run(self) -> Result<ExitCode> {
        if self.last {
            return self.last().await;
        }
        let Some(what) = &self.what else {
            list(self.json);
            return Ok(ExitCode::SUCCESS);
        };
        let page = match Asked::parse(what).map_err(|text| anyhow!(text))? {
            Asked::Call(call_id) => return self.call(call_id).await,
            Asked::Code(code) => explain::code(code),
            Asked::Status(status) => taught(explain::status(status), what)?,
            Asked::Class(class) => taught(explain::class(class), what)?,
        };
        match self.json {
            true => terminal::say(&serde_json::to_string(&page)?),
            false => page::show(&page),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn call(&self, call_id: CallId) -> Result<ExitCode> {
        let door = self.which.reading_door().await?;
        let found = door.calls_get(call_id).await;
        door.close().await;
        let found = found?;
        match self.json {
            true => terminal::say(&serde_json::to_string(&found)?),
            false => page::show(&explain::call(&found.call)),
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn last(&self) -> Result<ExitCode> {
        let place = LastFailure::path().context("failed calls are remembered below HOME, and HOME is not set")?;
        let read = LastFailure::load(&place);
        let Some(failure) = read.with_context(|| format!("{} can't be read", place.display()))? else {
            bail!("no call has failed yet: calls of `callgate get`, `post`, `curl` … are remembered when they do");
        };
        let gate = last::ask_gate(&failure, &self.which).await;
        let page = last::page(&failure, &gate);
        match self.json {
            true => terminal::say(&json!({ "last": failure, "call": gate.record(), "explanation": page }).to_string()),
            false => page::show(&page),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn taught(page: Option<Page>, what: &str) -> Result<Page> {
    page.with_context(|| format!("`{what}` is no status: they go from 100 to 599"))
}

fn list(as_json: bool) {
    if as_json {
        let code = |code: &Code| {
            json!({
                "code": code.name(),
                "status": code.status(),
                "phase": code.phase().name(),
                "title": code.title(),
                "hint": code.hint(),
            })
        };
        let codes: Vec<_> = Code::ALL.iter().map(code).collect();
        terminal::say(&json!({ "codes": codes }).to_string());
        return;
    }
    let mut table = terminal::table(["code", "status", "phase", "meaning"]);
    for code in Code::ALL {
        table.add_row([code.name(), &code.status().to_string(), code.phase().name(), code.title()]);
    }
    terminal::say(&table.trim_fmt());
}
