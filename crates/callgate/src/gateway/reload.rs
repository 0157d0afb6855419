//! Following the file: on change, on SIGHUP, and when the admin API asks. A broken file keeps the last good snapshot.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use callgate_config::{Config, Loaded};
use callgate_gateway::Gate;
use callgate_gateway::gate::ReloadReport;
use callgate_identity::Registry;
use notify::{RecursiveMode, Watcher};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::certificates;
use crate::moment::Moments;

/// Editors write a file in several steps, and orchestrators swap links: two reads this far apart must be equal.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Network file systems tell of no change that another machine made, nor does a folder above that is another one now. So the
/// files are read anyway, this often; they are few.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// More than a configuration may have, and far more than a certificate.
const COMPARED_BYTES_MAX: u64 = 64 << 20;
/// The kernel itself follows 40, and no chain that somebody set up is longer than three.
const LINKS_MAX: usize = 8;

/// The file and those that it names, with what was in each; nothing where it could not be read.
type Contents = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// What a configuration was read from.
#[derive(Debug)]
pub struct Files(Contents);

/// Takes a changed file over.
#[derive(Debug, Clone)]
pub struct Reloader {
    path: PathBuf,
    gate: Arc<Gate>,
    registry: Registry,
    /// One reload at a time; and the folders that are watched.
    turn: Arc<Mutex<()>>,
    /// Why the file as it is now is not the running configuration.
    problem: Arc<Mutex<Option<String>>>,
    /// The files as they were when they were last read, or when the gate started: whatever differs from it is a change.
    known: Arc<Mutex<Contents>>,
}

// === impl Files ===

impl Files {
    /// Those of a configuration that was read just now.
    #[must_use]
    pub fn of(path: &Path, config: &Config) -> Files {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Files(contents(std::iter::once(path).chain(config.watched.iter().cloned())))
    }
}

// === impl Reloader ===

impl Reloader {
    /// For the gate that was started from this file.
    #[must_use]
    pub fn new(path: &Path, gate: Arc<Gate>, registry: Registry) -> Reloader {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let Files(known) = Files::of(&path, &gate.snapshot().config);
        let known = Arc::new(Mutex::new(known));
        Reloader { path, gate, registry, turn: Arc::default(), problem: Arc::default(), known }
    }

    /// What differs from these is a change: the gate took its time to start, and they were read before.
    #[must_use]
    pub fn since(self, Files(known): Files) -> Reloader {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        self
    }

    /// Reads the file and takes it over, wholly or not at all. Blocks: reading certificates and compiling ten thousand
    /// routes takes a moment that no worker should spend.
    ///
    /// # Errors
    /// The rendered diagnostics, or why it does not compile.
    pub fn reload(&self) -> Result<ReloadReport> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.take_over();
        let problem = outcome.as_ref().err().map(|error| format!("{error:#}"));
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        outcome
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why the file as it is now is not the running configuration.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_over(&self) -> Result<ReloadReport> {
        // Opening a pipe would wait for its other end, and with it every reload and the end of the gate.
        if std::fs::metadata(&self.path).is_ok_and(|metadata| !metadata.is_file()) {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            // Said once: what stands there now is known.
            *known = contents(known.keys().cloned().collect::<Vec<_>>());
            bail!("{} is not a regular file: put a file in its place", self.path.display());
        }
        // Read before they are taken over: what changes in between is found afterwards, because it differs.
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = contents(self.named());
        let loaded = callgate_config::load(&self.path).map_err(|report| anyhow!("{}", report.render(false)))?;
        let Loaded { config, report: mut told } = loaded;
        let brand = config.key_brand.clone();
        let issuer = config.issuer.as_ref().map(|issuer| (issuer.url.clone(), issuer.algorithm));
        let report = self.gate.reload(Arc::new(config));
        let report =
            report.map_err(|error| anyhow!("{}", certificates::refused(told.clone(), &error).render(false)))?;
        let warned = told.diagnostics.len();
        certificates::warn(&self.gate.snapshot(), &mut told, Moments::now());
        if told.diagnostics.len() > warned {
            tracing::warn!("configuration {} has a certificate to renew\n{}", report.generation, told.render(false));
        }
        self.registry.set_brand(brand);
        // This thread is one that may wait; until it is done the issuer answers that it can't.
        let taken = Handle::current()
            .block_on(self.registry.set_issuer(issuer.as_ref().map(|(url, algorithm)| (url.as_str(), *algorithm))));
        taken.map_err(|error| anyhow!("the configuration is taken over, but its issuer is not: {error}"))?;
        self.gate.recorder.set_config_generation(report.generation);
        Ok(report)
    }

    /// The same, told in the log: for signals and file changes, where nobody waits for the answer.
    pub async fn reload_and_tell(&self) {
        let reloader = self.clone();
        match tokio::task::spawn_blocking(move || reloader.reload()).await {
            Ok(Ok(report)) => {
                tracing::info!("configuration {} taken over: {}", report.generation, told(&report));
            }
            Ok(Err(error)) => {
                tracing::error!("the changed configuration is not taken over; the last good one stays.\n{error:#}");
            }
            Err(error) => tracing::error!(%error, "the reload ended by a panic; this is a defect"),
        }
    }

    /// Reloads whenever the file, or a file that it names, changes. Watches folders, not files: a file that is replaced by
    /// a rename, or behind a swapped link, is another file. What the watcher doesn't tell is found by looking.
    pub async fn follow(self) {
        let (sender, mut changed) = mpsc::channel::<()>(1);
        // Kept beside the watcher's own: without a watcher nobody may take the channel's end for the gate's.
        let _open = sender.clone();
        let notice = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel means that a change is already known.
                let _known = sender.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(notice)
            .inspect_err(|error| tracing::warn!(%error, "files are not watched, only looked at every {LOOK_EVERY:?}"))
            .ok();
        let mut watched = Vec::new();
        self.watch_folders(watcher.as_mut(), &mut watched);
        loop {
            // Looked at before the first notice too: the file may have changed while the gate was starting.
            let Some(now) = self.changed() else {
                // No word in that time is no error: then the files themselves are asked.
                let _word = timeout(LOOK_EVERY, changed.recv()).await;
                // Not until the folder is still: an access log in it never is.
                tokio::time::sleep(DEBOUNCE).await;
                let _known = changed.try_recv();
                // A reload that somebody asked for may have found other files named.
                self.watch_folders(watcher.as_mut(), &mut watched);
                continue;
            };
            tokio::time::sleep(DEBOUNCE).await;
            // Two equal reads: nobody is in the middle of writing. Or somebody asked for a reload meanwhile.
            if self.changed() != Some(now) {
                continue;
            }
            self.reload_and_tell().await;
            self.watch_folders(watcher.as_mut(), &mut watched);
        }
    }

    /// The files as they are, if they are not as they were when they were last read.
    fn changed(&self) -> Option<Contents> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = contents(known.keys().cloned());
        (now != known).then_some(now)
    }

    /// The file, and those that it names as it is now. Mistakes in it hide none before them: a file that is not there yet may be
    /// the very mistake.
    fn named(&self) -> Vec<PathBuf> {
        let files = match callgate_config::load(&self.path) {
            Ok(loaded) => loaded.report.files_read,
            Err(report) => report.files_read,
        };
        // Those of the running configuration too: they may come to be what it was started with again.
        files.into_iter().chain(self.gate.snapshot().config.watched.iter().cloned()).collect()
    }

    fn watch_folders(&self, watcher: Option<&mut impl Watcher>, watched: &mut Vec<PathBuf>) {
        let Some(watcher) = watcher else { return };
        let files: Vec<PathBuf> = self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for place in files.iter().flat_map(|file| places(file)) {
            let Some(folder) = place.parent() else { continue };
            if watched.iter().any(|known| known == folder) {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => watched.push(folder.to_owned()),
                Err(error) => tracing::warn!(folder = %folder.display(), %error, "this folder is not watched"),
            }
        }
    }
}

fn contents(files: impl IntoIterator<Item = PathBuf>) -> Contents {
    let read = |file: PathBuf| {
        let bytes = bytes_of(&file).ok();
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}

fn bytes_of(file: &Path) -> std::io::Result<Vec<u8>> {
    // Looked at before it is opened, as a mistake may have named it: opening a pipe would wait for its other end.
    if !std::fs::metadata(file)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(COMPARED_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file, and where its links lead: whoever renews certificates replaces one at the end of a link, or the link.
fn places(file: &Path) -> Vec<PathBuf> {
    let mut places = vec![file.to_owned()];
    let mut here = file.to_owned();
    while let (Ok(target), true) = (std::fs::read_link(&here), places.len() < LINKS_MAX) {
        here = here.parent().unwrap_or(Path::new("/")).join(target);
        places.push(here.clone());
    }
    places
}

pub(super) fn told(report: &ReloadReport) -> String {
    let mut text = format!("+{} −{} routes", report.routes_added, report.routes_removed);
    if !report.needs_restart.is_empty() {
        text.push_str(&format!("; a restart is needed for: {}", report.needs_restart.join(", ")));
    }
    text
}
