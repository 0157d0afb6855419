//! `callgate consumers`: who calls, as a customer.

use anyhow::Result;
use callgate_admin::views::{Consumer, ConsumerRemoved, Consumers as Listed, Key};
use clap::{Args, Subcommand};

use super::ask::Ask;
use super::keys;
use crate::moment::Moments;
use crate::terminal;
use crate::which::Which;

/// Make, list, show and remove consumers, and put them on plans
#[derive(Debug, Args)]
pub struct Consumers {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a consumer: a person, a team, a program that calls
    Create {
        /// 1 to 64 letters, digits, `.`, `_` or `-`
        name: String,
        /// A plan of the configuration
        #[arg(long)]
        plan: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// List every consumer
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Show a consumer and its keys
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Put a consumer on a plan, or take it off every one
    Plan {
        /// Its name
        name: String,
        /// A plan of the configuration
        #[arg(required_unless_present = "none")]
        plan: Option<String>,
        /// Take it off every plan: nothing but the APIs' own limits holds then
        #[arg(long, conflicts_with = "plan")]
        none: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Remove a consumer and all its keys
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
}

// === impl Consumers ===

impl Consumers {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Act::Create { name, plan, ask } => {
                let made = ask.act(async |gate| gate.consumers_create(&name, plan.as_deref()).await).await?;
                ask.show(&made, |made| {
                    let next = format!("callgate keys create {name}{}", ask.which.repeated());
                    format!("consumer `{name}` is made, {}\nnext: {next}", on_plan(made))
                })
            }
            Act::List { ask } => {
                let listed = ask.read(async |gate| gate.consumers_list().await).await?;
                ask.show(&listed, |listed| list(listed, &ask.which))
            }
            Act::Show { name, ask } => {
                let both = async |gate: &callgate_admin::AdminClient| {
                    Ok((gate.consumers_show(&name).await?, gate.keys_list(Some(&name)).await?.keys))
                };
                let (consumer, keys) = ask.read(both).await.map_err(|error| ask.of_consumer(&name, error))?;
                ask.show(&consumer, |consumer| show(consumer, &keys, &ask.which))
            }
            Act::Plan { name, plan, none: _, ask } => {
                let now = ask.act(async |gate| gate.consumers_set_plan(&name, plan.as_deref()).await).await;
                let now = now.map_err(|error| ask.of_consumer(&name, error))?;
                ask.show(&now, |now| format!("consumer `{name}` is {} from the next call on", on_plan(now)))
            }
            Act::Remove { name, ask } => {
                ask.show(&ask.act(async |gate| gate.consumers_remove(&name).await).await?, removed)
            }
        }
    }
}

fn on_plan(consumer: &Consumer) -> String {
    match &consumer.plan {
        Some(plan) => format!("on plan `{plan}`"),
        None => "on no plan".to_owned(),
    }
}

fn list(listed: &Listed, which: &Which) -> String {
    if listed.consumers.is_empty() {
        return format!("there are no consumers; make one: callgate consumers create NAME{}", which.repeated());
    }
    let moments = Moments::now();
    let mut table = terminal::table(["consumer", "plan", "created"]);
    for Consumer { name, plan, created_ms } in &listed.consumers {
        table.add_row([name, plan.as_deref().unwrap_or("-"), &moments.tell(*created_ms)]);
    }
    terminal::with_rest(&table, listed.truncated)
}

fn show(consumer: &Consumer, of_it: &[Key], which: &Which) -> String {
    let facts = terminal::facts(&[
        ("consumer", consumer.name.clone()),
        ("plan", consumer.plan.clone().unwrap_or_else(|| "none".to_owned())),
        ("created", Moments::now().tell(consumer.created_ms)),
    ]);
    match of_it {
        [] => {
            format!("{facts}\nit has no keys; make one: callgate keys create {}{}", consumer.name, which.repeated())
        }
        keys => format!("{facts}\n\n{}", keys::table(keys).trim_fmt()),
    }
}

fn removed(removed: &ConsumerRemoved) -> String {
    let name = &removed.consumer.name;
    match removed.keys.as_slice() {
        [] => format!("consumer `{name}` is removed; it had no keys"),
        [one] => format!("consumer `{name}` is removed, and its key with it, which is refused from now on: {one}"),
        keys => format!(
            "consumer `{name}` is removed, and its {} keys with it, which are refused from now on: {}",
            keys.len(),
            keys.join(", ")
        ),
    }
}
