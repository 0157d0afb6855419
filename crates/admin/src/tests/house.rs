//! A data folder with a socket on it, and a stand-in for the running gate.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use callgate_identity::Registry;
use callgate_model::Clock;
use callgate_records::{Follow, RecorderHandle};
use callgate_store::{CallFilter, CallsDb, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::operations::Boxed;
use crate::views::{GateSummary, Plan, Reloaded};
use crate::{AdminError, AdminSocket, Desk, Door, NoGate, Operations, serve};

/// 2027-01-31T00:00:00Z.
pub(super) const NOW_MS: i64 = 1_801_353_600_000;

pub(super) struct House {
    pub(super) folder: TempDir,
    pub(super) clock: Clock,
    pub(super) registry: Registry,
    pub(super) calls: CallsDb,
    pub(super) gate: Arc<StandIn>,
    pub(super) desk: Desk,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
}

/// What the gate would be asked to do, counted.
#[derive(Default)]
pub(super) struct StandIn {
    pub(super) reloads: AtomicU64,
    pub(super) flushes: AtomicU64,
    /// Where calls would come from.
    pub(super) recorder: OnceLock<RecorderHandle>,
}

impl Operations for StandIn {
    fn summary(&self) -> Option<GateSummary> {
        Some(GateSummary { mode: "enforce".to_owned(), ..GateSummary::default() })
    }

    fn plans(&self) -> Vec<Plan> {
        ["free", "gold"].map(|name| Plan { name: name.to_owned(), ..Plan::default() }).into()
    }

    fn apis(&self) -> Vec<String> {
        vec!["bookshop".to_owned()]
    }

    fn reload(&self) -> Boxed<'_, Result<Reloaded, AdminError>> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Reloaded { changed: true, summary: "+2 −1 routes".to_owned(), needs_restart: vec![] }) })
    }

    fn flush(&self) -> Boxed<'_, ()> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {})
    }

    fn follow(&self, filter: CallFilter) -> Option<Follow> {
        self.recorder.get()?.follow(filter)
    }
}

// === impl House ===

impl House {
    pub(super) async fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let clock = Clock::manual(NOW_MS);
        let store = Store::open(&data_dir, clock.clone()).await.unwrap();
        let calls = CallsDb::open(&data_dir, 1 << 30).await.unwrap();
        let registry = Registry::open(store, clock.clone(), "cg").await.unwrap();
        let gate = Arc::new(StandIn::default());
        let desk = Desk::new(registry.clone(), Some(calls.clone()), Arc::clone(&gate) as Arc<dyn Operations>);
        let mut house = House { folder, clock, registry, calls, gate, desk, stop: None, serving: None };
        house.serve();
        house
    }

    fn serve(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let socket = AdminSocket::bind_with(&self.data_dir(), None).unwrap();
        let desk = self.desk.clone();
        let stopped = async { drop(stopped.await) };
        self.serving = Some(tokio::spawn(serve::socket(socket, desk, stopped)));
        self.stop = Some(stop);
    }

    pub(super) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(super) async fn door(&self) -> Door {
        Door::open(&self.data_dir(), self.clock.clone(), "cg", NoGate::default()).await.unwrap()
    }

    /// Ends the gate as a clean stop does, and lets the folder go.
    pub(super) async fn stop(mut self) -> (TempDir, Clock) {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.take().unwrap().await.unwrap();
        self.calls.close().await;
        self.registry.store().clone().close().await;
        let House { folder, clock, registry, desk, calls, .. } = self;
        drop((registry, desk, calls));
        (folder, clock)
    }

    /// Sends bytes as they are; gives the status and the body, without what differs from run to run.
    pub(super) async fn raw(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.data_dir().join("admin/sock")).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        told(&mut stream).await
    }

    /// A request with a JSON body.
    pub(super) async fn post(&self, path: &str, body: &str) -> String {
        let length = body.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    pub(super) async fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    }
}

/// Status and body of an answer, read to the end.
pub(super) async fn told(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A server that answers before it has read everything may reset; what it said counts.
    let _reset_at_the_end = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).unwrap_or("no status");
    format!("{status} {}", body.trim_end())
}
