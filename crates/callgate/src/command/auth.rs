//! `callgate auth`: access tokens for calls.

use anyhow::{Context, Result};
use callgate_calling::auth::{self, Keeping, Kept, Login};
use callgate_model::Clock;
use clap::{Args, Subcommand};
use serde_json::json;

use super::secret;
use crate::moment::Moments;
use crate::terminal;

/// Get access tokens for calls: for a person who signs in, or for a client with a secret
#[derive(Debug, Args)]
#[command(after_help = "\
A call with it:  callgate get URL \"Authorization:Bearer $(callgate auth token)\"

What is got is kept in ~/.config/callgate/auth.json, which only its owner can
read. Nothing of it is sent to another origin than the issuer's.")]
pub struct Auth {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Sign in at an issuer, in a browser; or by the client's secret, for the client itself
    Login {
        /// The issuer's URL
        issuer: String,
        /// The client's name there; one for people has the redirect http://127.0.0.1/back
        #[arg(long, value_name = "NAME")]
        client: String,
        /// The client asks for itself, with the secret that standard input holds
        #[arg(long)]
        secret_stdin: bool,
        /// What the token shall be able to do; several times for several [default: all that the client may]
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Whom the token is for
        #[arg(long, value_name = "URI")]
        resource: Option<String>,
    },
    /// Print an access token that is good for at least half a minute; it is led on by itself
    Token {
        /// Whose [default: the only one]
        issuer: Option<String>,
    },
    /// Say what is kept
    Status {
        /// Machine-readable output, without a secret
        #[arg(long)]
        json: bool,
    },
    /// Have the issuer end the token, and forget it
    Logout {
        /// Whose [default: the only one]
        issuer: Option<String>,
    },
}

// === impl Auth ===

impl Auth {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        let keeping = Keeping::of_this_person().context("there is no home to keep a token in: set HOME")?;
        let clock = Clock::system();
        match self.act {
            Act::Login { issuer, client, secret_stdin, scopes, resource } => {
                let secret = if secret_stdin { Some(secret::text(None, "secret")?.0) } else { None };
                let login = Login { issuer, client_id: client, secret, scopes, resource };
                let tell =
                    |address: &str| terminal::tell(&format!("open this in a browser, and sign in:\n\n  {address}\n"));
                let kept = auth::login(&login, &keeping, &clock, tell).await?;
                terminal::say(&format!("logged in at {}\n{}", kept.issuer, facts(&kept)));
            }
            Act::Token { issuer } => {
                terminal::say(&auth::token(issuer.as_deref(), &keeping, &clock).await?.access_token);
            }
            Act::Status { json } => {
                let all = auth::status(&keeping)?;
                match (json, &*all) {
                    (true, all) => terminal::say(&serde_json::to_string(
                        &json!({ "kept": all.iter().map(shown).collect::<Vec<_>>() }),
                    )?),
                    (false, []) => terminal::say("no token is kept"),
                    (false, all) => terminal::say(&all.iter().map(facts).collect::<Vec<_>>().join("\n\n")),
                }
            }
            Act::Logout { issuer } => {
                let kept = auth::logout(issuer.as_deref(), &keeping).await?;
                terminal::say(&format!("logged out at {}", kept.issuer));
            }
        }
        Ok(())
    }
}

fn facts(kept: &Kept) -> String {
    let by = match (&kept.secret, &kept.refresh_token) {
        (Some(_), _) => "the client's secret",
        (None, Some(_)) => "a refresh token",
        (None, None) => "nothing: log in again when it ends",
    };
    terminal::facts(&[
        ("issuer", kept.issuer.clone()),
        ("client", kept.client_id.clone()),
        ("scopes", kept.scope.clone().unwrap_or_else(|| "-".to_owned())),
        ("for", kept.resource.clone().unwrap_or_else(|| "-".to_owned())),
        ("expires", Moments::now().tell(kept.expires_ms)),
        ("led on by", by.to_owned()),
    ])
}

fn shown(kept: &Kept) -> serde_json::Value {
    json!({
        "issuer": kept.issuer, "client_id": kept.client_id, "scope": kept.scope, "resource": kept.resource,
        "expires_ms": kept.expires_ms, "refreshable": kept.refresh_token.is_some() || kept.secret.is_some(),
    })
}
