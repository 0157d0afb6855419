//! The one writer of a database: a thread that commits what was asked for in groups.
//!
//! With `synchronous=FULL` a commit costs a write to the disk, a few milliseconds. Whatever waits when a commit begins
//! goes into it together, each act behind a savepoint of its own, so that one that fails takes nothing else with it. A
//! thread, not a task: it must not end with whichever runtime happened to open the store.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::Work;
use crate::error::{Fault, StoreError};
use crate::file::FileError;
use crate::folder::Hold;

/// The door to the writer.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    file: Arc<Path>,
    /// Bounded: whoever asks while the disk is slow waits here.
    commands: mpsc::Sender<Command>,
}

enum Command {
    Act(Box<dyn Act>),
    Stop(oneshot::Sender<()>),
}

/// An act whose types are forgotten.
trait Act: Send {
    /// Does it, and says what SQLite stumbled over, if it did, or that the act itself refused.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection)
    -> Pin<Box<dyn Future<Output = Ending> + Send + 'c>>;

    /// Answers whoever asked; `lost` when the transaction around it did not make it to the disk.
    fn answer(self: Box<Self>, lost: Option<&Arc<sqlx::Error>>);
}

/// How an act ended, before its commit.
enum Ending {
    Keep,
    Undo(Option<Arc<sqlx::Error>>),
}

struct Asked<T, F> {
    file: Arc<Path>,
    /// Taken when it runs.
    act: Option<F>,
    /// None until it ran.
    result: Option<Result<T, Fault>>,
    asker: oneshot::Sender<Result<T, StoreError>>,
}

/// Acts waiting for the writer.
const QUEUE_MAX: usize = 1024;
/// Acts in one commit: enough to share the disk's time, few enough that the first does not wait for long.
const GROUP_MAX: usize = 256;

// === impl Writer ===

impl Writer {
    /// Starts the thread. It lets go of the data folder after it has closed the file.
    pub(super) fn start(
        file: Arc<Path>,
        connection: SqliteConnection,
        hold: Option<Hold>,
    ) -> Result<Writer, StoreError> {
        let (commands, queue) = mpsc::channel(QUEUE_MAX);
        let failed = |error| FileError { path: file.to_path_buf(), act: "start the writer thread of", error };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let stopped = runtime.block_on(write(connection, queue));
                drop(hold);
                if let Some(stopped) = stopped {
                    // Whoever stopped us may have gone away meanwhile.
                    stopped.send(()).ok();
                }
            })
            .map_err(failed)?;
        Ok(Writer { file, commands })
    }

    pub(super) async fn act<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
    {
        let (asker, answer) = oneshot::channel();
        let asked = Asked { file: Arc::clone(&self.file), act: Some(act), result: None, asker };
        self.commands.send(Command::Act(Box::new(asked))).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Waits until the queue before this is done and the file is closed.
    pub(super) async fn stop(&self) {
        let (stopped, wait) = oneshot::channel();
        if self.commands.send(Command::Stop(stopped)).await.is_ok() {
            // An error says that the thread is gone already.
            wait.await.ok();
        }
    }
}

/// Until every door is closed or one says stop; then closes the file.
async fn write(mut connection: SqliteConnection, mut queue: mpsc::Receiver<Command>) -> Option<oneshot::Sender<()>> {
    let mut stopped = None;
    while stopped.is_none()
        && let Some(first) = queue.recv().await
    {
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Act(act) => group.push(act),
                Command::Stop(asker) => {
                    stopped = Some(asker);
                    break;
                }
            }
            next = if group.len() < GROUP_MAX { queue.try_recv().ok() } else { None };
        }
        commit(&mut connection, group).await;
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "closing a database");
    }
    stopped
}

/// Does a group of acts in one transaction and answers all of them.
async fn commit(connection: &mut SqliteConnection, mut group: Vec<Box<dyn Act>>) {
    if group.is_empty() {
        return;
    }
    let lost = run(connection, &mut group).await.err();
    if lost.is_some() {
        // Fails when SQLite has rolled back on its own, as it may on a full disk; either way nothing is left open.
        execute(connection, "ROLLBACK").await.ok();
    }
    for act in group {
        act.answer(lost.as_ref());
    }
}

async fn run(connection: &mut SqliteConnection, group: &mut [Box<dyn Act>]) -> Result<(), Arc<sqlx::Error>> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    for act in group {
        execute(connection, "SAVEPOINT act").await?;
        match act.run(connection).await {
            Ending::Keep => execute(connection, "RELEASE act").await?,
            Ending::Undo(cause) => execute(connection, "ROLLBACK TO act; RELEASE act")
                .await
                // No savepoint to go back to: SQLite gave up the whole transaction over what this act met.
                .map_err(|error| cause.unwrap_or(error))?,
        }
    }
    execute(connection, "COMMIT").await
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), Arc<sqlx::Error>> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop).map_err(Arc::new)
}

// === impl Asked ===

impl<T, F> Act for Asked<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Work<'c, T> + Send + 'static,
{
    fn run<'c>(
        &'c mut self,
        connection: &'c mut SqliteConnection,
    ) -> Pin<Box<dyn Future<Output = Ending> + Send + 'c>> {
        Box::pin(async move {
            let Some(act) = self.act.take() else { return Ending::Undo(None) };
            match self.result.insert(act(connection).await) {
                Ok(_) => Ending::Keep,
                Err(Fault::Refused(_)) => Ending::Undo(None),
                Err(Fault::Sqlite(cause)) => Ending::Undo(Some(Arc::clone(cause))),
            }
        })
    }

    fn answer(self: Box<Self>, lost: Option<&Arc<sqlx::Error>>) {
        let answer = match (self.result, lost) {
            (Some(Err(fault)), _) => Err(fault.into_error(&self.file)),
            (Some(Ok(value)), None) => Ok(value),
            (_, Some(cause)) => Err(StoreError::from_sqlite(&self.file, Arc::clone(cause))),
            (None, None) => Err(StoreError::Closed),
        };
        // Whoever asked may have stopped waiting; the act stands all the same.
        self.asker.send(answer).ok();
    }
}
