//! `callgate users`: people who sign in at this gate's issuer.

use anyhow::Result;
use callgate_admin::views::{Sessions, User, UserCreate, Users as Listed};
use callgate_records::printable;
use clap::{Args, Subcommand};

use super::ask::Ask;
use super::secret;
use crate::moment::Moments;
use crate::terminal;
use crate::which::Which;

/// Make, list, disable and remove people's accounts: who may sign in, so that a client may act for them
#[derive(Debug, Args)]
pub struct Users {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make an account; its password is read from standard input, never from an argument
    Create {
        /// 1 to 64 letters, digits, `.`, `_` or `-`; no client has it
        name: String,
        /// Read the password from standard input: 12 to 256 characters
        #[arg(long, required = true)]
        password_stdin: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// List every account
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Let nobody sign in to an account; its sessions end, and the next call with a token of it is refused
    Disable {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Let somebody sign in again
    Enable {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Give an account another password; its sessions end, and the next call with a token of it is refused
    Password {
        /// Its name
        name: String,
        /// Read the password from standard input: 12 to 256 characters
        #[arg(long, required = true)]
        password_stdin: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Remove an account with everything that came of it
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// List the browsers in which somebody is signed in
    Sessions {
        /// Whose
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// End every session of somebody; tokens live on (`callgate tokens revoke --user`)
    SignOut {
        /// Whose
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
}

// === impl Users ===

impl Users {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Act::Create { name, password_stdin: _, ask } => {
                let asked = UserCreate { name, password: secret::text(None, "password")? };
                let made = ask.act(async |gate| gate.users_create(&asked).await).await?;
                ask.show(&made, |made| format!("`{}` can sign in", made.name))
            }
            Act::Password { name, password_stdin: _, ask } => {
                let password = secret::text(None, "password")?;
                let now = ask.act(async |gate| gate.users_password(&name, password.clone()).await).await?;
                ask.show(&now, |now| format!("`{}` has another password; {ENDED}", now.name))
            }
            Act::List { ask } => {
                let listed = ask.read(async |gate| gate.users_list().await).await?;
                ask.show(&listed, |listed| list(listed, &ask.which))
            }
            Act::Disable { name, ask } => {
                let now = ask.act(async |gate| gate.users_disable(&name).await).await?;
                ask.show(&now, |now| format!("`{}` can't sign in any more; {ENDED}", now.name))
            }
            Act::Enable { name, ask } => {
                let now = ask.act(async |gate| gate.users_enable(&name).await).await?;
                ask.show(&now, |now| format!("`{}` can sign in", now.name))
            }
            Act::Remove { name, ask } => {
                let gone = ask.act(async |gate| gate.users_remove(&name).await).await?;
                ask.show(&gone, |gone| format!("`{}` is removed; {ENDED}", gone.name))
            }
            Act::Sessions { name, ask } => {
                let listed = ask.read(async |gate| gate.users_sessions(&name).await).await?;
                ask.show(&listed, |listed| sessions(&name, listed))
            }
            Act::SignOut { name, ask } => {
                let ended = ask.act(async |gate| gate.users_sign_out(&name).await).await?;
                ask.show(&ended, |ended| format!("sessions of `{}` that were ended: {}", ended.user, ended.sessions))
            }
        }
    }
}

/// What goes with a password or an account.
const ENDED: &str = "sessions are ended, and every call with a token of it is refused";

fn list(listed: &Listed, which: &Which) -> String {
    if listed.users.is_empty() {
        let which = which.repeated();
        return format!("there are no users; make one: callgate users create NAME --password-stdin{which}");
    }
    let moments = Moments::now();
    let mut table = terminal::table(["user", "can sign in", "created"]);
    for User { name, disabled, created_ms } in &listed.users {
        table.add_row([name.as_str(), if *disabled { "no" } else { "yes" }, &moments.tell(*created_ms)]);
    }
    terminal::with_rest(&table, listed.truncated)
}

fn sessions(name: &str, listed: &Sessions) -> String {
    if listed.sessions.is_empty() {
        return format!("`{name}` is signed in nowhere");
    }
    let moments = Moments::now();
    let mut table = terminal::table(["session", "from", "browser", "began", "last used"]);
    for session in &listed.sessions {
        table.add_row([
            session.id.to_string(),
            session.address.clone(),
            printable(&session.agent).into_owned(),
            moments.tell(session.created_ms),
            moments.tell(session.used_ms),
        ]);
    }
    terminal::with_rest(&table, false)
}
