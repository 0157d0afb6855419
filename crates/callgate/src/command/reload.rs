//! `callgate reload`: the running gate takes its changed file over.

use anyhow::Result;
use callgate_admin::views::Reloaded;
use clap::Args;

use super::ask::Ask;

/// Have the running gate read its configuration again
#[derive(Debug, Args)]
pub struct Reload {
    #[command(flatten)]
    ask: Ask,
}

// === impl Reload ===

impl Reload {
    /// Asks for it.
    ///
    /// # Errors
    /// No gate is running, or the file has mistakes; the gate goes on with what it has.
    pub async fn run(self) -> Result<()> {
        self.ask.show(&self.ask.read(async |gate| gate.reload().await).await?, told)
    }
}

fn told(reloaded: &Reloaded) -> String {
    match reloaded.changed {
        // The summary names what needs a restart.
        true => format!("the configuration is taken over: {}", reloaded.summary),
        false => "the configuration is as it was".to_owned(),
    }
}
