//! `callgate issuers`: issuers of tokens that are not this gate.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use callgate_admin::views::{IssuerKey, Issuers as Listed};
use callgate_config::{KnownIssuer, known_issuer};
use callgate_gateway::issuer_keys::{Found, Look};
use callgate_model::Profile;
use callgate_transport::tls::ClientTlsSet;
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde::Serialize;

use super::ask::Ask;
use crate::moment::Moments;
use crate::terminal;

/// List the issuers whose tokens are taken, and look at one
#[derive(Debug, Args)]
pub struct Issuers {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// List them, with their keys as the running gate saw them last
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Fetch an issuer's metadata and keys now, as the gate would, and say what is there or what is wrong
    Check(Check),
}

#[derive(Debug, Args)]
struct Check {
    /// The issuer, letter by letter as its tokens name it; what the configuration says of it holds
    url: String,
    /// Whose habits its tokens have: rfc9068, keycloak, entra, auth0 or cognito
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Where its keys are, instead of asking its metadata
    #[arg(long, value_name = "URL")]
    jwks: Option<String>,
    /// An address or network that is not public and may be asked all the same
    #[arg(long = "ip", value_name = "ADDRESS")]
    ips: Vec<String>,
    /// Certificates that it is trusted by, besides the system's
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    ask: Ask,
}

/// What was found, for programs.
#[derive(Debug, Serialize)]
struct Checked {
    url: String,
    profile: &'static str,
    key_set: Option<String>,
    fresh_s: Option<u64>,
    keys: Vec<IssuerKey>,
    left_out: Vec<String>,
    problem: Option<String>,
}

// === impl Issuers ===

impl Issuers {
    /// Does the act. A check that finds no keys ends with 1.
    ///
    /// # Errors
    /// There is no way to the gate, or what was asked can't be looked at.
    pub async fn run(self) -> Result<ExitCode> {
        match self.act {
            Act::List { ask } => {
                let listed = ask.read(async |gate| gate.issuers_list().await).await?;
                ask.show(&listed, list).map(|()| ExitCode::SUCCESS)
            }
            Act::Check(check) => check.run().await,
        }
    }
}

// === impl Check ===

impl Check {
    async fn run(self) -> Result<ExitCode> {
        let known = self.known()?;
        let tls = match ClientTlsSet::default().of(None, known.ca.as_deref(), None) {
            Ok(tls) => Some(tls.config),
            // An issuer on loopback is asked without.
            Err(_) if known.url.starts_with("http:") && known.ca.is_none() => None,
            Err(error) => return Err(error.into()),
        };
        let found = Look::default().make(&known, tls).await;
        let checked = Checked::of(&known, found);
        self.ask.show(&checked, told)?;
        Ok(if checked.problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// What the configuration says, and over it what was typed.
    fn known(&self) -> Result<KnownIssuer> {
        let written =
            self.ask.which.config().and_then(|config| config.issuers.into_iter().find(|known| known.url == self.url));
        let of_url = |url: &str| known_issuer(url).ok_or_else(|| anyhow!("`{url}` is not the URL of a server"));
        let mut known = match written {
            Some(known) => known,
            None => of_url(&self.url)?,
        };
        if let Some(name) = &self.profile {
            let names = Profile::ALL.map(Profile::name).join(", ");
            known.profile =
                Profile::from_name(name).with_context(|| format!("there is no profile `{name}`: {names}"))?;
        }
        if let Some(jwks) = &self.jwks {
            known.ips.extend(of_url(jwks)?.ips);
            known.jwks = Some(jwks.clone());
        }
        for text in &self.ips {
            let ip = text.parse::<std::net::IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
            known.ips.push(ip.with_context(|| format!("`{text}` is not an address or network"))?);
        }
        known.ca = self.ca.clone().or(known.ca);
        Ok(known)
    }
}

// === impl Checked ===

impl Checked {
    fn of(known: &KnownIssuer, found: Result<Found, String>) -> Checked {
        let nothing = Checked {
            url: known.url.clone(),
            profile: known.profile.name(),
            key_set: None,
            fresh_s: None,
            keys: Vec::new(),
            left_out: Vec::new(),
            problem: None,
        };
        match found {
            Err(problem) => Checked { problem: Some(problem), ..nothing },
            Ok(found) => {
                let keys = found.keys.keys.iter().map(|key| IssuerKey {
                    kid: key.kid().map(str::to_owned),
                    kind: key.kind.clone(),
                    algorithms: key.algorithms.iter().map(|algorithm| algorithm.name().to_owned()).collect(),
                });
                Checked {
                    key_set: Some(found.place),
                    fresh_s: found.fresh.map(|fresh| fresh.as_secs()),
                    keys: keys.collect(),
                    left_out: found.keys.left_out,
                    ..nothing
                }
            }
        }
    }
}

fn list(listed: &Listed) -> String {
    if listed.issuers.is_empty() {
        return "the configuration takes tokens of no other issuer; an API names one in `tokens: { issuers: […] }`"
            .to_owned();
    }
    let moments = Moments::now();
    let mut table = terminal::table(["issuer", "profile", "apis", "keys", "seen"]);
    for issuer in &listed.issuers {
        let seen = issuer.seen_ms.map_or_else(|| "never".to_owned(), |ms| moments.tell(ms));
        let apis = issuer.apis.join(", ");
        table.add_row([&issuer.url, &issuer.profile, &apis, &issuer.keys.len().to_string(), &seen]);
    }
    let mut text = table.trim_fmt();
    for issuer in &listed.issuers {
        if let Some(problem) = &issuer.problem {
            text.push_str(&format!("\n{}: {problem}", issuer.url));
        }
    }
    text
}

fn told(checked: &Checked) -> String {
    let mut facts = vec![("issuer", checked.url.clone()), ("profile", checked.profile.to_owned())];
    facts.extend(checked.key_set.clone().map(|place| ("key set", place)));
    facts.extend(checked.fresh_s.map(|seconds| ("good for", format!("{seconds} s, as it says"))));
    let mut text = terminal::facts(&facts);
    if let Some(problem) = &checked.problem {
        text.push_str(&format!("\n\nits tokens can't be verified: {problem}"));
        return text;
    }
    let mut table = terminal::table(["kid", "kind", "signs by"]);
    for key in &checked.keys {
        table.add_row([key.kid.as_deref().unwrap_or("-"), &key.kind, &key.algorithms.join(", ")]);
    }
    text.push_str(&format!("\n\n{}", table.trim_fmt()));
    for left_out in &checked.left_out {
        text.push_str(&format!("\nleft out: {left_out}"));
    }
    text
}
