//! `callgate guard URL`: guards any upstream at once, with no file at all.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use callgate_config::Report;
use callgate_config::write::Minimal;
use callgate_identity::{KeyRequest, Registry};
use callgate_store::Actor;
use clap::Args;

use super::serve;
use crate::gateway::{Reloader, Running};
use crate::signals::Signals;
use crate::terminal;

/// The consumer that `guard` makes.
const CONSUMER: &str = "me";
/// Generous for a person, tight for a flood.
const LIMITS: [&str; 2] = ["50/s burst 100 per ip", "20/s burst 40 per key"];

/// Guard an upstream at once: a gate, a consumer and a key, with no file at all
#[derive(Debug, Args)]
pub struct Guard {
    /// The upstream, for example http://localhost:3000
    url: String,
    /// Where calls arrive; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Refuse nothing; record what would be refused
    #[arg(long)]
    observe: bool,
    /// Write the configuration this stands for, and go on
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// The data folder
    #[arg(long, default_value = "./callgate-data", value_name = "FOLDER")]
    data_dir: PathBuf,
}

// === impl Guard ===

impl Guard {
    /// Guards until Ctrl-C.
    ///
    /// # Errors
    /// Why it could not start.
    pub async fn run(self) -> Result<()> {
        let text = self.configuration();
        let folder = std::env::current_dir().context("the current folder can't be read")?;
        let config = match callgate_config::parse(&text, &folder, &|name| std::env::var(name).ok()) {
            Ok(loaded) => loaded.config,
            Err(report) => bail!("{}", in_words(&report)),
        };
        if let Some(file) = &self.save {
            let shown = file.display();
            ensure!(
                !file.exists(),
                "{shown} exists already and is not overwritten: `callgate serve -c {shown}` serves it, or choose another file"
            );
        }
        let signals = Signals::listen()?;
        let running = Running::start(config).await?;
        // Only now: a port in use must not leave a file that the next try would not overwrite.
        if let Some(file) = &self.save {
            save(file, &text)?;
        }
        let key = key(&running.registry).await?;
        self.tell(&running, key.as_deref());
        let reloader =
            self.save.as_deref().map(|file| Reloader::new(file, running.gate.clone(), running.registry.clone()));
        serve::follow_until_stopped(running, reloader, signals).await
    }

    fn configuration(&self) -> String {
        callgate_config::write::minimal(&Minimal {
            api: "upstream".to_owned(),
            upstream: self.url.clone(),
            listen: self.listen,
            data_dir: self.data_dir.display().to_string(),
            log: Some(self.log().display().to_string()),
            limits: LIMITS.iter().map(|limit| (*limit).to_owned()).collect(),
            plan: None,
            observe: self.observe,
        })
    }

    fn log(&self) -> PathBuf {
        self.data_dir.join("access.log")
    }

    fn tell(&self, running: &Running, key: Option<&str>) {
        let at = running.listening.first().map(ToString::to_string).unwrap_or_default();
        terminal::say(&format!("callgate is ready: {at} guards {}", self.url));
        match key {
            Some(key) => {
                terminal::say(&format!("\n  key   {key}   (shown once; consumer `{CONSUMER}`)"));
                terminal::say(&format!("  try   curl -H 'X-API-Key: {key}' {at}/"));
            }
            None => terminal::say(&format!(
                "\n  key   made earlier and shown once then; another: callgate keys create {CONSUMER}"
            )),
        }
        terminal::say(&format!("  log   {}", self.log().display()));
        if self.observe {
            terminal::say("  mode  observe: nothing is refused, `would refuse` is in the log");
        }
    }
}

fn save(file: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let shown = file.display();
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).open(file);
    let mut opened = opened.with_context(|| format!("{shown} is not written"))?;
    opened.write_all(text.as_bytes()).with_context(|| format!("{shown} could not be written"))
}

/// The mistakes of a file that nobody wrote: without lines of it, which would only puzzle whoever typed a URL.
pub(super) fn in_words(report: &Report) -> String {
    let told = report.diagnostics.iter().map(|mistake| match &mistake.help {
        Some(help) => format!("{}: {help}", mistake.message),
        None => mistake.message.clone(),
    });
    told.collect::<Vec<_>>().join("\n")
}

/// A key of the consumer, made with it the first time; later it can't be shown again.
async fn key(registry: &Registry) -> Result<Option<String>> {
    if registry.consumer(CONSUMER).await.is_ok() {
        return Ok(None);
    }
    registry.create_consumer(&Actor::Local, CONSUMER, None).await?;
    let request = KeyRequest { consumer: CONSUMER.to_owned(), ..KeyRequest::default() };
    let (_, text) = registry.create_key(&Actor::Local, request).await?;
    Ok(Some(text))
}
