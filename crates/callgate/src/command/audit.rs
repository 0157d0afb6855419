//! `callgate audit`: who did what, and whether that log is as it was written.

use std::process::ExitCode;

use anyhow::Result;
use callgate_admin::views::{AuditEntries, AuditQuery, AuditVerdict};
use callgate_records::printable;
use clap::{Args, Subcommand};

use super::ask::Ask;
use crate::moment::Moments;
use crate::terminal;

/// List administrative acts, and verify that nobody changed their log
#[derive(Debug, Args)]
pub struct Audit {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List who did what to what, newest last
    List {
        /// An act (key.revoke), or all on one kind of thing (key)
        #[arg(long)]
        act: Option<String>,
        /// Who: uid:1000, token:NAME, local
        #[arg(long)]
        actor: Option<String>,
        /// What it was done to: a consumer's name, a key's id
        #[arg(long)]
        subject: Option<String>,
        /// Not before: 24h (ago), 2027-01-31
        #[arg(long, value_name = "MOMENT")]
        since: Option<String>,
        /// At most so many of the newest [default: 100]
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Walk along the chain of entries; exit code 1 when one was changed or is missing
    Verify {
        #[command(flatten)]
        ask: Ask,
    },
}

// === impl Audit ===

impl Audit {
    /// Lists, or verifies.
    ///
    /// # Errors
    /// There is no way to the gate, or a filter that is not understood.
    pub async fn run(self) -> Result<ExitCode> {
        match self.act {
            Act::List { act, actor, subject, since, limit, ask } => {
                let query = AuditQuery { act, actor, subject, since, before: None, limit };
                let mut listed = ask.read(async |gate| gate.audit_list(&query).await).await?;
                // The admin API pages from the newest back; here, as in every log, the newest stands last.
                listed.entries.reverse();
                ask.show(&listed, list)?;
                Ok(ExitCode::SUCCESS)
            }
            Act::Verify { ask } => {
                let verdict = ask.read(async |gate| gate.audit_verify().await).await?;
                ask.show(&verdict, told)?;
                let intact = matches!(verdict, AuditVerdict::Intact { .. });
                Ok(if intact { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        }
    }
}

fn list(listed: &AuditEntries) -> String {
    if listed.entries.is_empty() {
        return "there are no such entries".to_owned();
    }
    let moments = Moments::now();
    let mut table = terminal::table(["seq", "at", "who", "act", "to what", "detail"]);
    for entry in &listed.entries {
        let detail = if entry.detail.as_object().is_some_and(serde_json::Map::is_empty) {
            String::new()
        } else {
            entry.detail.to_string()
        };
        table.add_row([
            entry.seq.to_string(),
            moments.tell(entry.at_ms),
            printable(&entry.actor).into_owned(),
            entry.act.clone(),
            printable(&entry.subject).into_owned(),
            printable(&detail).into_owned(),
        ]);
    }
    table.trim_fmt()
}

fn told(verdict: &AuditVerdict) -> String {
    match verdict {
        AuditVerdict::Intact { entries: 0, .. } => "the audit log is intact: it has no entries yet".to_owned(),
        AuditVerdict::Intact { entries, head } => format!(
            "the audit log is intact: {entries} entries, each as it was written\nhead {head}   (noted elsewhere, it proves later that nothing before it changed)"
        ),
        AuditVerdict::Broken { seq, why } => format!("the audit log is BROKEN at entry {seq}: {why}"),
    }
}
