//! `callgate keys`: the long-lived keys that consumers call with.

mod sample;
mod told;

use std::path::PathBuf;

use anyhow::{Result, bail};
use callgate_admin::views::{KeyCreate, KeyImport, KeyKind, KeyRotate};
use callgate_model::{KeyId, key};
use clap::{Args, Subcommand};

use super::ask::Ask;
use super::secret;
pub(super) use told::table;

/// Make, list, show, rotate, revoke and import API keys
#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a key; its text is shown once and kept nowhere
    Create {
        /// Whose it will be
        consumer: String,
        #[command(flatten)]
        may: May,
        /// A key for trying things out: its text says `test`
        #[arg(long)]
        test: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// List the keys of a consumer, or all
    List {
        /// Whose
        consumer: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Show a key: how it stands, what it may do, when it was last used
    Show {
        /// The key's id: 8 letters or digits
        id: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Make a key that may do the same; the old one is taken for a while more
    Rotate {
        /// The old key's id
        id: String,
        /// How long the old key is still taken; 0s for not at all [default: 1d]
        #[arg(long, value_name = "DURATION")]
        overlap: Option<String>,
        /// Until when the new key is valid; unless written, as long as the old one was given
        #[arg(long, value_name = "MOMENT")]
        expires: Option<String>,
        /// The new key is for trying things out
        #[arg(long)]
        test: bool,
        #[command(flatten)]
        ask: Ask,
    },
    /// Revoke a key for ever: the next call with it is refused
    Revoke {
        /// The key's id
        id: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Take over a key from elsewhere; its text is read from standard input or a file, never from an argument
    Import {
        /// Whose it will be
        consumer: String,
        /// The file with the key's text; without it, standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        may: May,
        #[command(flatten)]
        ask: Ask,
    },
}

/// What a key may do.
#[derive(Debug, Args)]
struct May {
    /// What it may do; several times for several
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// The API it may call; several times for several; without it, every one
    #[arg(long = "api", value_name = "API")]
    apis: Vec<String>,
    /// The address or network it may call from; several times for several; without it, every one
    #[arg(long = "ip", value_name = "CIDR")]
    ips: Vec<String>,
    /// From when it is valid: 12h (from now), 2027-01-31, 2027-01-31T12:00:00Z
    #[arg(long, value_name = "MOMENT")]
    not_before: Option<String>,
    /// Until when it is valid: 30d (from now), 2027-01-31
    #[arg(long, value_name = "MOMENT")]
    expires: Option<String>,
    /// A name for people
    #[arg(long)]
    label: Option<String>,
}

// === impl Keys ===

impl Keys {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Act::Create { consumer, may, test, ask } => {
                let May { scopes, apis, ips, not_before, expires, label } = may;
                let kind = kind(test);
                let asked = KeyCreate { consumer, label, kind, scopes, apis, ips, not_before, expires };
                let act = async |gate: &callgate_admin::AdminClient| {
                    let made = gate.keys_create(&asked).await?;
                    Ok((made, gate.status().await.ok()))
                };
                let (made, status) = ask.act(act).await.map_err(|error| ask.of_consumer(&asked.consumer, error))?;
                ask.show(&made, |made| told::created(made, &sample::curl(made, status, &ask.which)))
            }
            Act::List { consumer, ask } => {
                let listed = ask.read(async |gate| gate.keys_list(consumer.as_deref()).await).await;
                let listed = listed.map_err(|error| match &consumer {
                    Some(name) => ask.of_consumer(name, error),
                    None => error,
                })?;
                ask.show(&listed, |listed| told::list(listed, consumer.as_deref(), &ask.which))
            }
            Act::Show { id, ask } => {
                let id = id_of(&id)?;
                ask.show(&ask.read(async |gate| gate.keys_show(id).await).await?, told::show)
            }
            Act::Rotate { id, overlap, expires, test, ask } => {
                let id = id_of(&id)?;
                let asked = KeyRotate { overlap, expires, kind: kind(test) };
                let act = async |gate: &callgate_admin::AdminClient| {
                    let made = gate.keys_rotate(id, &asked).await?;
                    Ok((made, gate.keys_show(id).await.ok(), gate.status().await.ok()))
                };
                let (made, old, status) = ask.act(act).await?;
                ask.show(&made, |made| {
                    let created = told::created(made, &sample::curl(made, status, &ask.which));
                    old.map_or_else(|| created.clone(), |old| format!("{created}\n{}", told::rotated(&old)))
                })
            }
            Act::Revoke { id, ask } => {
                let id = id_of(&id)?;
                ask.show(&ask.act(async |gate| gate.keys_revoke(id).await).await?, told::revoked)
            }
            Act::Import { consumer, file, may, ask } => {
                let key = secret::text(file.as_deref(), "key")?;
                let May { scopes, apis, ips, not_before, expires, label } = may;
                let asked = KeyImport { consumer, key, label, scopes, apis, ips, not_before, expires };
                let taken = ask.act(async |gate| gate.keys_import(&asked).await).await;
                let taken = taken.map_err(|error| ask.of_consumer(&asked.consumer, error))?;
                ask.show(&taken, told::imported)
            }
        }
    }
}

fn kind(test: bool) -> KeyKind {
    if test { KeyKind::Test } else { KeyKind::Live }
}

/// The id that was meant. What was written is not repeated: people paste whole keys.
fn id_of(text: &str) -> Result<KeyId> {
    if let Some(id) = KeyId::parse(text) {
        return Ok(id);
    }
    match key::inspect(text) {
        Ok(id) => bail!(
            "that is a whole key; write its id, {id}. It is in this shell's history now: if others can read that, revoke it"
        ),
        Err(_) => bail!(
            "a key's id is 8 letters or digits: the first 8 after `_live_` or `_test_` in the key; `callgate keys list` shows them"
        ),
    }
}
