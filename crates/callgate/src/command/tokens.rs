//! `callgate tokens`: the access tokens that this gate has issued.

use std::path::PathBuf;

use anyhow::Result;
use callgate_admin::views::{TokenInspected, TokenStanding, Tokens as Listed, TokensRevoke, TokensRevoked};
use callgate_records::printable;
use clap::{Args, Subcommand};

use super::ask::Ask;
use super::secret;
use crate::moment::Moments;
use crate::terminal;

/// List, look into and revoke access tokens
#[derive(Debug, Args)]
pub struct Tokens {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List the tokens that are valid now, newest first; never the tokens themselves
    List {
        /// Those of this client
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Say what a token says and how it stands; it is read from standard input or a file, never from an argument
    Inspect {
        /// The file with the token; without it, standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        ask: Ask,
    },
    /// Revoke one token, or every one of a client or a user so far: the next call with it is refused
    Revoke {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        ask: Ask,
    },
}

/// Which tokens are to be revoked.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The token that standard input holds
    #[arg(long)]
    stdin: bool,
    /// The token that this file holds
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The token with this number, as lists, logs and explanations show it
    #[arg(long)]
    number: Option<i64>,
    /// Every token of this client so far
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Every token on behalf of this user so far; clients must ask again
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

// === impl Tokens ===

impl Tokens {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Act::List { client, ask } => {
                ask.show(&ask.read(async |gate| gate.tokens_list(client.as_deref()).await).await?, list)
            }
            Act::Inspect { file, ask } => {
                let token = secret::text(file.as_deref(), "token")?;
                ask.show(&ask.read(async |gate| gate.tokens_inspect(token.clone()).await).await?, inspected)
            }
            Act::Revoke { what: What { stdin, file, number, client, user }, ask } => {
                let is_text = stdin || file.is_some();
                let token = is_text.then(|| secret::text(file.as_deref(), "token")).transpose()?;
                let asked = TokensRevoke { token, number, client, user };
                ask.show(&ask.act(async |gate| gate.tokens_revoke(&asked).await).await?, revoked)
            }
        }
    }
}

fn list(listed: &Listed) -> String {
    if listed.tokens.is_empty() {
        return "no token is valid at the moment".to_owned();
    }
    let moments = Moments::now();
    let mut table = terminal::table(["number", "client", "user", "scopes", "for", "issued", "expires"]);
    for token in &listed.tokens {
        table.add_row([
            token.number.to_string(),
            token.client_id.clone(),
            token.user.clone().unwrap_or_else(|| "-".to_owned()),
            scopes(&token.scopes),
            printable(&token.audience).into_owned(),
            moments.tell(token.issued_ms),
            moments.tell(token.expires_ms),
        ]);
    }
    terminal::with_rest(&table, listed.truncated)
}

fn inspected(token: &TokenInspected) -> String {
    let standing = match token.standing {
        TokenStanding::Active => "active",
        TokenStanding::Expired => "expired",
        TokenStanding::Revoked => "revoked",
        TokenStanding::NotOurs => "not one of this gate's",
    };
    let mut rows = vec![("standing", standing.to_owned())];
    rows.extend(token.why.clone().map(|why| ("why", why)));
    if let Some(says) = &token.says {
        rows.extend([
            ("number", says.number.to_string()),
            ("client", says.client_id.clone()),
            ("consumer", says.consumer.clone()),
            ("subject", printable(&says.subject).into_owned()),
            ("scopes", scopes(&says.scopes)),
            ("for", printable(&says.audience).into_owned()),
            (
                "bound",
                if says.bound { "to its client's key or certificate" } else { "no: whoever has it can use it" }
                    .to_owned(),
            ),
            ("expires", Moments::now().tell(says.expires_ms)),
        ]);
    }
    terminal::facts(&rows)
}

fn revoked(revoked: &TokensRevoked) -> String {
    match (&revoked.user, revoked.client_id.as_deref().unwrap_or_default(), revoked.number) {
        (Some(user), ..) => format!("every token on behalf of `{user}` so far is revoked, and clients must ask again"),
        (None, client, Some(number)) => {
            format!("token {number} of `{client}` is revoked: every call with it is refused")
        }
        (None, client, None) => format!("every token of `{client}` so far is revoked; it can ask for new ones"),
    }
}

fn scopes(scopes: &[String]) -> String {
    if scopes.is_empty() { "-".to_owned() } else { scopes.join(" ") }
}
