//! `callgate admin-tokens`: who may administer over TCP.

use anyhow::Result;
use callgate_admin::views::{AdminTokenCreated, AdminTokenRole, AdminTokens as Listed};
use clap::{Args, Subcommand, ValueEnum};

use super::ask::Ask;
use crate::moment::Moments;
use crate::terminal;

/// Make, list and remove tokens for the admin API over TCP
#[derive(Debug, Args)]
pub struct AdminTokens {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a token; its text is shown once and kept nowhere
    Create {
        /// 1 to 64 letters, digits, `.`, `_` or `-`; the audit log calls its holder token:NAME
        name: String,
        /// What its holder may do
        #[arg(long)]
        role: Role,
        #[command(flatten)]
        ask: Ask,
    },
    /// List every token
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Take a token's power away
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
}

/// As typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    /// Look
    Read,
    /// Look and change
    Write,
}

// === impl AdminTokens ===

impl AdminTokens {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Act::Create { name, role, ask } => {
                let role = match role {
                    Role::Read => AdminTokenRole::Read,
                    Role::Write => AdminTokenRole::Write,
                };
                ask.show(&ask.act(async |gate| gate.admin_tokens_create(&name, role).await).await?, created)
            }
            Act::List { ask } => ask.show(&ask.read(async |gate| gate.admin_tokens_list().await).await?, list),
            Act::Remove { name, ask } => {
                let removed = ask.act(async |gate| gate.admin_tokens_remove(&name).await).await?;
                ask.show(&removed, |removed| {
                    format!("admin token `{}` is removed: it opens nothing any more", removed.name)
                })
            }
        }
    }
}

fn created(made: &AdminTokenCreated) -> String {
    terminal::facts(&[
        ("token", format!("{}   (shown once, kept nowhere)", made.token.0)),
        ("name", made.record.name.clone()),
        ("role", may(made.record.role).to_owned()),
        ("use", "set CALLGATE_ADMIN_TOKEN to it, then: callgate consumers list --admin https://HOST:PORT".to_owned()),
    ])
}

fn list(listed: &Listed) -> String {
    if listed.tokens.is_empty() {
        return "there are no admin tokens; make one: callgate admin-tokens create NAME --role read".to_owned();
    }
    let moments = Moments::now();
    let mut table = terminal::table(["token", "role", "created"]);
    for token in &listed.tokens {
        table.add_row([&token.name, may(token.role), &moments.tell(token.created_ms)]);
    }
    table.trim_fmt()
}

fn may(role: AdminTokenRole) -> &'static str {
    match role {
        AdminTokenRole::Read => "read",
        AdminTokenRole::Write => "write",
    }
}
