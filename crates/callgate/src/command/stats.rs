//! `callgate stats`: what passes and what does not, by route and by consumer.

mod table;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;
use callgate_admin::views::{Stats as Counted, StatsQuery};
use callgate_admin::{AdminClient, Door};
use clap::Args;

use super::ask::Ask;
use crate::terminal;

const EVERY: Duration = Duration::from_secs(1);
/// Clears the screen, and goes to its first line.
const FIRST_LINE: &str = "\x1b[2J\x1b[H";

/// Show calls by route and by consumer; on a terminal, anew each second
#[derive(Debug, Args)]
pub struct Stats {
    /// Show it once, as in a pipe
    #[arg(long)]
    once: bool,
    /// Hours from this moment: 24h (ago), 2027-01-31 [default: the running hour]
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    #[command(flatten)]
    ask: Ask,
}

// === impl Stats ===

impl Stats {
    /// Shows it.
    ///
    /// # Errors
    /// There is no way to the gate.
    pub async fn run(self) -> Result<()> {
        let query = StatsQuery { since: self.since.clone() };
        let live = std::io::stdout().is_terminal() && !self.once && !self.ask.json;
        if !live {
            let counted = self.ask.read(async |gate| gate.stats(&query).await).await?;
            return self.ask.show(&counted, table::whole);
        }
        match self.ask.which.reading_door().await? {
            Door::Gate(gate) => follow(&gate, &query).await,
            // Nothing moves without a gate, and a folder that is held for long keeps one from starting.
            door @ Door::Store(_) => {
                let counted = door.stats(&query).await;
                door.close().await;
                terminal::say(&table::whole(&counted?));
                Ok(())
            }
        }
    }
}

/// Until Ctrl-C, the end of the terminal, or the end of the gate.
async fn follow(gate: &AdminClient, query: &StatsQuery) -> Result<()> {
    let mut beat = tokio::time::interval(EVERY);
    let mut before: Option<Counted> = None;
    loop {
        beat.tick().await;
        let counted = gate.stats(query).await?;
        let shown = table::live(&counted, before.as_ref());
        let mut out = anstream::stdout();
        if writeln!(out, "{FIRST_LINE}{shown}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
        before = Some(counted);
    }
}
