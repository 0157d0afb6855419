//! `callgate plans`: the named sets of limits and quotas that the configuration has.

use anyhow::Result;
use callgate_admin::views::{Consumer, Plans as Listed};
use callgate_admin::{NoGate, Operations};
use clap::{Args, Subcommand};

use super::ask::Ask;
use crate::terminal;

/// List the plans of the configuration, and how many consumers are on each
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Plans {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the plans
    List {
        #[command(flatten)]
        ask: Ask,
    },
}

// === impl Plans ===

impl Plans {
    /// Lists them.
    ///
    /// # Errors
    /// There is no way to the gate.
    pub async fn run(self) -> Result<()> {
        let ask = match self.act {
            Some(Act::List { ask }) => ask,
            None => self.ask,
        };
        let both = async |gate: &callgate_admin::AdminClient| {
            Ok((gate.plans_list().await?, gate.consumers_list().await?.consumers))
        };
        let (plans, consumers) = match ask.which.config().filter(|config| !config.data_dir.exists()) {
            // The plans are the file's: they can be listed before anything has run.
            Some(config) => (Listed { plans: NoGate::of(&config).plans() }, Vec::new()),
            None => ask.read(both).await?,
        };
        ask.show(&plans, |plans| list(plans, &consumers))
    }
}

fn list(listed: &Listed, consumers: &[Consumer]) -> String {
    let mut text = match listed.plans.as_slice() {
        [] => "there are no plans; write them under `plans:` in the configuration".to_owned(),
        plans => {
            let mut table = terminal::table(["plan", "limits", "quotas", "at once", "mode", "consumers"]);
            for plan in plans {
                table.add_row([
                    plan.name.clone(),
                    or_dash(&plan.limits),
                    or_dash(&plan.quotas),
                    plan.concurrent.map_or_else(|| "-".to_owned(), |count| count.to_string()),
                    plan.mode.clone(),
                    plan.consumers.to_string(),
                ]);
            }
            table.trim_fmt()
        }
    };
    for consumer in consumers {
        if let Some(lost) = consumer.plan.as_ref().filter(|name| !listed.plans.iter().any(|plan| plan.name == **name)) {
            text.push_str(&format!(
                "\n`{}` is on `{lost}`, which the configuration does not have: that plan holds it to nothing",
                consumer.name
            ));
        }
    }
    text
}

fn or_dash(texts: &[String]) -> String {
    if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
}
