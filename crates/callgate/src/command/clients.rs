//! `callgate clients`: programs that ask for access tokens.

use anyhow::Result;
use callgate_admin::views::{Client, ClientCreate, ClientCreated, ClientGrant, Clients as Listed};
use clap::{Args, Subcommand, ValueEnum};

use super::ask::Ask;
use crate::moment::Moments;
use crate::terminal;
use crate::which::Which;

/// Make, list, show and remove OAuth clients: programs that ask this gate for access tokens
#[derive(Debug, Args)]
pub struct Clients {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a client; its secret is shown once and kept nowhere
    Create {
        /// 1 to 64 letters, digits, `.`, `_` or `-`; what the program sends as `client_id`
        name: String,
        /// How it may come to tokens; several times for several
        #[arg(
            long = "grant",
            value_name = "GRANT",
            default_value = "client_credentials",
            default_value_if("public", "true", "authorization_code")
        )]
        grants: Vec<Grant>,
        /// A scope that it may ask for; several times for several
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Where a person's browser may be sent back to (grant authorization_code); several times for several
        #[arg(long = "redirect", value_name = "URI")]
        redirects: Vec<String>,
        /// It can keep no secret: a program in a browser, on a desk, on a phone; its default grant is authorization_code
        #[arg(long)]
        public: bool,
        /// Whose it is: that consumer's plan holds for its tokens [default: a consumer of its own name, made if it is missing]
        #[arg(long)]
        consumer: Option<String>,
        #[command(flatten)]
        ask: Ask,
    },
    /// List every client
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Show a client
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Give a client another secret; the old one is refused at once, its tokens are good until they end
    RotateSecret {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Remove a client; the next call with a token of it is refused
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
}

/// As OAuth writes it.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Grant {
    /// On its own account, with its own secret
    ClientCredentials,
    /// For a person who signs in and agrees
    AuthorizationCode,
    /// For that person again, without asking
    RefreshToken,
}

// === impl Clients ===

impl Clients {
    /// Does the act.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn run(self) -> Result<()> {
        match self.act {
            Act::Create { name, grants, scopes, redirects, public, consumer, ask } => {
                let grants = grants.into_iter().map(ClientGrant::from).collect();
                let asked = ClientCreate { name, consumer, grants, scopes, redirects, public };
                let made = ask.act(async |gate| gate.clients_create(&asked).await).await;
                let made = made.map_err(|error| match &asked.consumer {
                    Some(consumer) => ask.of_consumer(consumer, error),
                    None => error,
                });
                ask.show(&made?, created)
            }
            Act::List { ask } => {
                let listed = ask.read(async |gate| gate.clients_list().await).await?;
                ask.show(&listed, |listed| list(listed, &ask.which))
            }
            Act::Show { name, ask } => ask.show(&ask.read(async |gate| gate.clients_show(&name).await).await?, show),
            Act::RotateSecret { name, ask } => ask
                .show(&ask.act(async |gate| gate.clients_rotate_secret(&name).await).await?, |made| {
                    format!("{}\nthe old secret is refused from now on", created(made))
                }),
            Act::Remove { name, ask } => {
                ask.show(&ask.act(async |gate| gate.clients_remove(&name).await).await?, |removed| {
                    format!("client `{}` is removed: every call with a token of it is refused", removed.client_id)
                })
            }
        }
    }
}

fn created(made: &ClientCreated) -> String {
    let Client { client_id, consumer, .. } = &made.record;
    let secret = made.client_secret.as_ref();
    let mut rows = vec![
        ("client_id", client_id.clone()),
        ("client_secret", secret.map_or_else(|| "none: it is public".to_owned(), |secret| secret.0.clone())),
        ("", if secret.is_some() { "shown once, kept nowhere" } else { "it proves itself by PKCE" }.to_owned()),
        ("consumer", consumer.clone()),
        ("grants", grants(&made.record)),
        ("scopes", scopes(&made.record.scopes)),
    ];
    rows.extend(made.record.redirects.iter().map(|redirect| ("redirect", redirect.clone())));
    rows.push(match &made.token_endpoint {
        Some(endpoint) if !made.record.grants.contains(&ClientGrant::ClientCredentials) => {
            let authorize = endpoint.replace("/oauth/token", "/oauth/authorize");
            (
                "sign-in",
                format!(
                    "{authorize}?response_type=code&client_id={client_id}&code_challenge=…&code_challenge_method=S256"
                ),
            )
        }
        Some(endpoint) => ("try", format!("curl -u {client_id}:SECRET -d grant_type=client_credentials {endpoint}")),
        None => ("note", "no gate issues tokens here at the moment: write `issuer:` into its configuration".to_owned()),
    });
    terminal::facts(&rows)
}

fn list(listed: &Listed, which: &Which) -> String {
    if listed.clients.is_empty() {
        return format!("there are no clients; make one: callgate clients create NAME{}", which.repeated());
    }
    let moments = Moments::now();
    let mut table = terminal::table(["client", "consumer", "grants", "scopes", "created"]);
    for client in &listed.clients {
        table.add_row([
            client.client_id.clone(),
            client.consumer.clone(),
            grants(client),
            scopes(&client.scopes),
            moments.tell(client.created_ms),
        ]);
    }
    terminal::with_rest(&table, listed.truncated)
}

fn show(client: &Client) -> String {
    let mut rows = vec![
        ("client_id", client.client_id.clone()),
        ("consumer", client.consumer.clone()),
        ("grants", grants(client)),
        ("scopes", scopes(&client.scopes)),
        ("secret", if client.public { "none: it is public" } else { "hashed" }.to_owned()),
        ("created", Moments::now().tell(client.created_ms)),
    ];
    rows.extend(client.redirects.iter().map(|redirect| ("redirect", redirect.clone())));
    terminal::facts(&rows)
}

fn grants(client: &Client) -> String {
    let names: Vec<_> = client.grants.iter().map(|grant| callgate_model::Grant::from(*grant).name()).collect();
    names.join(" ")
}

fn scopes(scopes: &[String]) -> String {
    if scopes.is_empty() { "none".to_owned() } else { scopes.join(" ") }
}

// === impl Grant ===

impl From<Grant> for ClientGrant {
    fn from(grant: Grant) -> ClientGrant {
        match grant {
            Grant::ClientCredentials => ClientGrant::ClientCredentials,
            Grant::AuthorizationCode => ClientGrant::AuthorizationCode,
            Grant::RefreshToken => ClientGrant::RefreshToken,
        }
    }
}
