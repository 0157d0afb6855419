//! `callgate demo`: the sample API, the gate before it, a handful of real calls, and what came of each.

mod calls;

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use callgate_bookshop::Bookshop;
use callgate_identity::KeyRequest;
use callgate_store::Actor;
use clap::Args;

use super::serve;
use crate::gateway::{Leave, Reloader, Running};
use crate::signals::Signals;
use crate::terminal;

/// Folders of demos with one process id that are stepped over.
const FOLDERS_MAX: u32 = 1000;

/// Start the sample API and the gate before it, make real calls, show what came of each
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the calls; exit 0 only if every answer was as expected
    #[arg(long)]
    once: bool,
    /// Where the demo keeps its file and its data; a new temporary folder unless written
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Keys of the demo, as text.
#[derive(Debug)]
struct Keys {
    /// On plan `free`, may order books.
    ada: String,
    /// Revoked before the first call.
    revoked: String,
    /// On plan `free`, may only read.
    reader: String,
}

// === impl Demo ===

impl Demo {
    /// Runs the demo; without `--once` it keeps serving until Ctrl-C.
    ///
    /// # Errors
    /// Something could not be started.
    pub async fn run(self) -> Result<ExitCode> {
        let signals = Signals::listen()?;
        let folder = self.folder()?;
        let shop =
            Bookshop::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.context("the bookshop could not start")?;
        let file = folder.join("callgate.yaml");
        std::fs::write(&file, configuration(shop.addr))
            .with_context(|| format!("{} could not be written", file.display()))?;
        let running = Running::start(serve::load(&file)?).await?;
        let gate = running.listening.first().map(ToString::to_string).context("the gate listens nowhere")?;
        let keys = keys(&running).await?;
        terminal::say(&format!(
            "bookshop  http://{}   (the sample API)\ngate      {gate}   guards it as API `bookshop` under /shop\n",
            shop.addr
        ));

        let outcome = calls::make(&gate, &keys).await?;
        running.gate.recorder.flush().await;
        let expected = outcome.iter().filter(|call| call.as_expected()).count();
        tell_next(&gate, &keys.ada, &file, &outcome, self.once);
        if self.once {
            running.stop(Leave::AtOnce).await;
            let all = outcome.len();
            terminal::say(&format!("{expected} of {all} answers were as expected"));
            return Ok(if expected == all { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        terminal::say(&format!("callgate is ready: {gate}   Ctrl-C ends it"));
        let reloader = Reloader::new(&file, running.gate.clone(), running.registry.clone());
        serve::follow_until_stopped(running, Some(reloader), signals).await?;
        Ok(ExitCode::SUCCESS)
    }

    fn folder(&self) -> Result<PathBuf> {
        let Some(folder) = self.folder.clone() else { return new_folder() };
        let file = folder.join("callgate.yaml");
        if file.exists() {
            bail!("{} exists already; choose another --folder, or remove it", file.display());
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("{} could not be made", folder.display()))?;
        Ok(folder)
    }
}

/// A folder that was not there before: process ids come again, and an earlier demo leaves its folder for `explain`.
fn new_folder() -> Result<PathBuf> {
    let first = std::env::temp_dir().join(format!("callgate-demo-{}", std::process::id()));
    let mut folder = first.clone();
    for number in 2..FOLDERS_MAX {
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                folder = PathBuf::from(format!("{}-{number}", first.display()));
            }
            Err(error) => return Err(error).with_context(|| format!("{} could not be made", folder.display())),
        }
    }
    bail!("{} exists already, and so do those after it; choose another --folder, or remove them", first.display())
}

fn configuration(shop: SocketAddr) -> String {
    format!(
        "\
# What `callgate demo` guards the sample API with.
version: 1
listen: {{ address: 127.0.0.1:0 }}
data_dir: ./callgate-data
log: {{ access: ./access.log }}

plans:
  free: {{ limits: [20/s burst 50], quota: 1000/day }}

apis:
  bookshop:
    path: /shop                          # GET /shop/books is forwarded as GET /books
    upstream: http://{shop}
    access: key
    limits: [100/s burst 200 per ip]
    accepts: [application/json]
    body_max: 64KiB
    routes:
      - GET /books: {{}}
      - GET /books/{{id}}: {{ limits: [\"reading: 3/min per key\"] }}
      - POST /orders: {{ scopes: [orders:write], well_formed: true }}
      - GET /orders/{{id}}: {{}}
      - GET /headers: {{}}
      - GET /health: {{ access: public }}
      - \"* /admin/**\": {{ ip: {{ deny: [127.0.0.0/8] }} }}
"
    )
}

async fn keys(running: &Running) -> Result<Keys> {
    let registry = &running.registry;
    registry.create_consumer(&Actor::Local, "ada", Some("free")).await?;
    let request = |scopes: &[&str]| KeyRequest {
        consumer: "ada".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..KeyRequest::default()
    };
    let (_, ada) = registry.create_key(&Actor::Local, request(&["orders:write"])).await?;
    let (_, reader) = registry.create_key(&Actor::Local, request(&[])).await?;
    let (old, revoked) = registry.create_key(&Actor::Local, request(&[])).await?;
    registry.revoke_key(&Actor::Local, old.id).await?;
    Ok(Keys { ada, revoked, reader })
}

fn tell_next(gate: &str, key: &str, file: &Path, outcome: &[calls::Made], ends: bool) {
    let refused = outcome.iter().rev().find(|call| call.code.is_some()).and_then(|call| call.call_id.as_deref());
    let file = file.display();
    // As it was typed: after `cargo run` nothing called `callgate` is on the PATH.
    let program = std::env::args_os().next().unwrap_or_else(|| "callgate".into());
    let program = program.display();
    terminal::say(if ends { "\nthis gate ends now; without --once you could go on:" } else { "\ntry it yourself:" });
    terminal::say(&format!("  curl -i -H 'X-API-Key: {key}' {gate}/shop/books"));
    terminal::say(&format!("  {program} get {gate}/shop/books X-API-Key:{key}"));
    if let Some(call_id) = refused {
        terminal::say(&format!("  {program} explain {call_id} -c {file}"));
    }
    terminal::say(&format!("the configuration: {file}\n"));
}
