//! `callgate signing-keys`: the keys that sign access tokens.

use anyhow::Result;
use callgate_admin::views::{SigningKeyRole, SigningKeys as Listed};
use clap::{Args, Subcommand};

use super::ask::Ask;
use crate::moment::Moments;
use crate::terminal;

/// List and rotate the keys that sign access tokens
#[derive(Debug, Args)]
pub struct SigningKeys {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the keys: current, next, previous
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Let the next key sign; what the current one signed is good until it ends
    Rotate {
        /// For a key that leaked: give every key up, and with them every token
        #[arg(long)]
        at_once: bool,
        #[command(flatten)]
        ask: Ask,
    },
}

// === impl SigningKeys ===

impl SigningKeys {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Act::List { ask } => ask.show(&ask.read(async |gate| gate.signing_keys_list().await).await?, list),
            Act::Rotate { at_once, ask } => {
                let keys = ask.act(async |gate| gate.signing_keys_rotate(at_once).await).await?;
                ask.show(&keys, |keys| match at_once {
                    true => format!("every token so far is refused from now on\n{}", list(keys)),
                    false => list(keys),
                })
            }
        }
    }
}

fn list(listed: &Listed) -> String {
    if listed.keys.is_empty() {
        return "there are no signing keys: they are made when a gate with `issuer:` in its configuration starts"
            .to_owned();
    }
    let moments = Moments::now();
    let mut table = terminal::table(["kid", "algorithm", "role", "since"]);
    for key in &listed.keys {
        let role = match key.role {
            SigningKeyRole::Current => "current: signs",
            SigningKeyRole::Next => "next: published",
            SigningKeyRole::Previous => "previous: its tokens are good",
        };
        table.add_row([
            key.id.chars().take(8).collect::<String>(),
            key.algorithm.clone(),
            role.to_owned(),
            moments.tell(key.role_since_ms),
        ]);
    }
    table.trim_fmt()
}
