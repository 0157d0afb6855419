//! The old process's side: it passes what it has, and gives nothing up before the new one serves.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callgate_admin::operations::Handover;
use callgate_admin::{AdminCode, AdminError};
use callgate_identity::Registry;
use callgate_identity::registry::Paused;
use callgate_model::bounds::{UPGRADE_SOCKETS_MAX, UPGRADE_TIME_MAX};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::sockets::Named;
use super::{Inventory, Talk, pass};

/// A rename.
const PLACED_WITHIN: Duration = Duration::from_secs(2);

/// What a gate has to pass on.
#[derive(Debug)]
pub(in super::super) struct Estate {
    /// Sockets: descriptors of their own, beside those that are served.
    pub(in super::super) sockets: Vec<Named>,
    /// Acts, and the store below them.
    pub(in super::super) registry: Registry,
}

/// Those who may take a gate's place: one at a time.
#[derive(Debug)]
pub(in super::super) struct Heirs {
    /// Gone when the gate stops, so that no socket stays open because of it.
    estate: Mutex<Option<Arc<Estate>>>,
    busy: Arc<AtomicBool>,
    /// Another process serves now.
    handed_over: watch::Sender<bool>,
}

/// A place as the one heir, until it is dropped.
struct Turn(Arc<AtomicBool>);

// === impl Heirs ===

impl Heirs {
    pub(in super::super) fn of(estate: Estate) -> Heirs {
        let handed_over = watch::Sender::new(false);
        Heirs { estate: Mutex::new(Some(Arc::new(estate))), busy: Arc::default(), handed_over }
    }

    /// The gate is stopping: nothing is passed on any more.
    pub(in super::super) fn end(&self) {
        self.estate.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits until another process serves in this one's place.
    pub(in super::super) async fn handed_over(&self) {
        let mut handed_over = self.handed_over.subscribe();
        while !*handed_over.borrow_and_update() {
            if handed_over.changed().await.is_err() {
                return;
            }
        }
    }

    pub(in super::super) fn begin(&self) -> Result<Handover, AdminError> {
        let conflict = |detail: &str| AdminError::new(AdminCode::Conflict, detail);
        let estate = self.estate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let estate = estate.ok_or_else(|| conflict("this gate is stopping: start the new one without `--upgrade`"))?;
        let turn = Turn::take(&self.busy);
        let turn = turn
            .ok_or_else(|| conflict("this gate is being handed over already: wait until that has come to its end"))?;
        let handed_over = self.handed_over.clone();
        Ok(Box::new(move |stream| Box::pin(give(estate, turn, stream, handed_over))))
    }
}

impl Turn {
    fn take(busy: &Arc<AtomicBool>) -> Option<Turn> {
        (!busy.swap(true, Ordering::AcqRel)).then(|| Turn(Arc::clone(busy)))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn give(estate: Arc<Estate>, _turn: Turn, stream: UnixStream, handed_over: watch::Sender<bool>) {
    let registry = estate.registry.clone();
    let (mut talk, paused) = match until_it_serves(estate, stream).await {
        Ok(given) => given,
        Err(error) => {
            return tracing::error!("this gate was not handed over, and goes on: {error:#}");
        }
    };
    registry.hand_over(paused);
    // It serves, or it has just ended: two gates must not go on beside each other, so there is no way back.
    if let Err(error) = until_it_is_placed(&mut talk).await {
        tracing::warn!("the new process did not say that it has taken over: {error:#}");
    }
    handed_over.send_replace(true);
    // Until this process has ended, or the new one has: nobody acts then.
    while let Ok(Some(word)) = talk.hear().await {
        let taken_in = match word.as_str() {
            "changed" => registry.take_in().await.context("what changed could not be read"),
            _ => Ok(()),
        };
        match taken_in {
            Ok(()) if talk.say("seen").await.is_ok() => {}
            Ok(()) => break,
            Err(error) => tracing::error!("{error:#}: the last calls here are judged without it"),
        }
    }
}

/// This process's admin socket stays until the new one's is in its place: commands find one or the other.
async fn until_it_is_placed(talk: &mut Talk) -> Result<()> {
    talk.say("over").await?;
    timeout(PLACED_WITHIN, talk.expect("placed")).await.context("it took too long")?
}

async fn until_it_serves(estate: Arc<Estate>, stream: UnixStream) -> Result<(Talk, Paused)> {
    let lock = estate.registry.store().share_lock().context("the store is closed")?;
    ensure!(
        estate.sockets.len() <= UPGRADE_SOCKETS_MAX,
        "it has {} sockets, and at most {UPGRADE_SOCKETS_MAX} can be passed: restart it instead",
        estate.sockets.len()
    );
    let sockets = estate.sockets.iter().map(|named| (named.purpose, named.address)).collect();
    let inventory = serde_json::to_string(&Inventory { pid: std::process::id(), sockets })? + "\n";
    let mut descriptors: Vec<_> = estate.sockets.iter().map(|named| named.socket.as_fd()).collect();
    descriptors.push(lock.as_fd());
    pass::send(&stream, &inventory, &descriptors).await.context("its sockets could not be passed")?;
    drop(descriptors);
    let mut talk = Talk::over(stream);
    timeout(UPGRADE_TIME_MAX, talk.expect("prepared")).await.context("the new process took too long to prepare")??;
    let paused = estate.registry.pause().await;
    if let Err(error) = estate.registry.write_touched().await {
        tracing::warn!(%error, "the last use of some keys was not written");
    }
    talk.say("paused").await?;
    timeout(UPGRADE_TIME_MAX, talk.expect("serving")).await.context("the new process took too long to serve")??;
    Ok((talk, paused))
}
