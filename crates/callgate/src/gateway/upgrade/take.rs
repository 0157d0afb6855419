//! The new process's side: it takes what the old one passes, and says when it serves.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use callgate_admin::{AdminError, AdminSocket, client};
use callgate_identity::Registry;
use callgate_identity::registry::Changes;
use callgate_model::Clock;
use callgate_model::bounds::UPGRADE_TIME_MAX;
use callgate_store::Store;
use tokio::time::timeout;

use super::super::Inherited;
use super::super::sockets::Named;
use super::{Inventory, Talk, pass};

/// The process whose place this one takes.
#[derive(Debug)]
pub struct Predecessor {
    talk: Talk,
    lock: Option<File>,
    pid: u32,
}

// === impl Predecessor ===

impl Predecessor {
    /// Asks the gate that runs on a data folder for its place, and receives its sockets.
    ///
    /// # Errors
    /// No gate runs there, or it does not give its place up now.
    pub async fn of(data_dir: &Path) -> Result<(Predecessor, Inherited)> {
        let stream = client::upgrade(data_dir).await.map_err(|AdminError { detail, .. }| anyhow::anyhow!(detail))?;
        let received = timeout(UPGRADE_TIME_MAX, pass::receive(&stream)).await;
        let (line, mut descriptors) = received.context("the running gate passed nothing")??;
        let inventory: Inventory =
            serde_json::from_str(&line).context("the running gate's version passes its sockets differently")?;
        let lock = descriptors.pop().map(File::from);
        ensure!(inventory.sockets.len() == descriptors.len(), "the running gate's sockets did not all arrive");
        let sockets = inventory.sockets.into_iter().zip(descriptors);
        let sockets =
            sockets.map(|((purpose, address), descriptor)| Named { purpose, address, socket: descriptor.into() });
        let predecessor = Predecessor { talk: Talk::over(stream), lock, pid: inventory.pid };
        Ok((predecessor, Inherited::from_predecessor(sockets)))
    }

    /// Opens the store beside the old process, which does no more acts from then on.
    pub(in super::super) async fn share_store(&mut self, folder: &Path, clock: Clock) -> Result<Store> {
        self.talk.say("prepared").await?;
        timeout(UPGRADE_TIME_MAX, self.talk.expect("paused"))
            .await
            .context("the running gate does not pause its acts")??;
        let lock = self.lock.take().context("the running gate passed no lock of its data folder")?;
        Ok(Store::open_inherited(folder, lock, clock).await?)
    }

    /// This process serves: its admin socket takes the place of the old one's, the old process drains, and hears of acts until
    /// it has ended.
    pub(in super::super) async fn dismiss(mut self, registry: &Registry, socket: &mut AdminSocket) -> Result<()> {
        // Before the word: no act may come between the two.
        let changes = registry.changes();
        self.talk.say("serving").await?;
        timeout(UPGRADE_TIME_MAX, self.talk.expect("over"))
            .await
            .context("the running gate does not give its place up")??;
        socket.take_place()?;
        self.talk.say("placed").await?;
        tracing::info!("took the place of process {}, which ends with its connections", self.pid);
        tokio::spawn(tell(self.talk, changes));
        Ok(())
    }
}

async fn tell(mut talk: Talk, mut changes: Changes) {
    loop {
        let taken_in = tokio::select! {
            change = changes.recv() => change,
            // It says nothing of itself but its end.
            _ended = talk.hear() => return,
        };
        let Some(taken_in) = taken_in else { return };
        if talk.say("changed").await.is_err() || talk.expect("seen").await.is_err() {
            return;
        }
        // Whoever acted may have stopped waiting.
        taken_in.send(()).ok();
    }
}
