//! A gate in process, and what the tests ask of it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use callgate_gateway::gate::ReloadReport;
use callgate_gateway::plane::{Bound, Patience, Plane};
use callgate_gateway::quota::Quotas;
use callgate_gateway::{Gate, Local, Snapshot, Visitor};
use callgate_identity::{KeyRequest, Registry};
use callgate_model::{CallRecord, Clock, KeyId};
use callgate_records::{Followed, Recorder, RecorderConfig, RecorderGuard};
use callgate_store::{Actor, CallFilter, Store};
use callgate_testkit::{Answer, Call, ScriptedUpstream, eventually};
use callgate_transport::listen;
use http::{Request, Response};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Noon of a day in the middle of a month, so that no test meets the end of a period by chance.
pub(crate) const NOON_MS: i64 = 1_763_121_600_000;

const PATIENCE: Patience = Patience { within: Duration::from_secs(10), leaves_idle: false };

/// A running gate. Its clock stands still until a test moves it.
pub(crate) struct House {
    pub(crate) gate: Arc<Gate>,
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) listeners: Vec<SocketAddr>,
    records: Arc<Mutex<Vec<Arc<CallRecord>>>>,
    plane: Option<Plane>,
    clerk: JoinHandle<()>,
    _recorder: RecorderGuard,
    folder: TempDir,
    pub(crate) runtime: Runtime,
}

/// In the place of the issuer: says what it was asked.
#[derive(Debug)]
struct Echo;

impl Local for Echo {
    fn answer(&self, request: Request<Bytes>, _: Visitor) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> {
        let text = format!("{} {} {}", request.method(), request.uri(), String::from_utf8_lossy(request.body()));
        Box::pin(async move { Response::new(text.into()) })
    }
}

/// A file with these lines at the top, and one API `shop` at `/shop` with those. `UPSTREAM` stands for the upstream's URL.
pub(crate) fn shop_yaml(top: &str, lines: &str) -> String {
    let mut api = String::from("  shop:\n    path: /shop\n    upstream: UPSTREAM\n");
    for line in lines.lines() {
        api += &format!("    {line}\n");
    }
    let listen = if top.contains("listen:") { "" } else { "listen: { address: 127.0.0.1:0 }\n" };
    format!("version: 1\n{listen}{top}\napis:\n{api}")
}

/// A gate with one API.
#[track_caller]
pub(crate) fn shop(upstream: &ScriptedUpstream, lines: &str) -> House {
    House::start(&shop_yaml("", lines).replace("UPSTREAM", &upstream.url()))
}

/// A gate with these lines at the top of its file, and one API.
#[track_caller]
pub(crate) fn shop_with(upstream: &ScriptedUpstream, top: &str, lines: &str) -> House {
    House::start(&shop_yaml(top, lines).replace("UPSTREAM", &upstream.url()))
}

/// Makes the call and compares the answer's summary: `200`, or `401 credential_missing` for a refusal of the gate.
#[track_caller]
pub(crate) fn check(call: &Call, expect: &str) -> Answer {
    let answer = call.send();
    assert_eq!(answer.summary(), expect, "{}\n{answer}", String::from_utf8_lossy(&call.bytes()));
    answer
}

// === impl House ===

impl House {
    #[track_caller]
    pub(crate) fn start(yaml: &str) -> House {
        House::start_in(tempfile::tempdir().unwrap(), yaml, Clock::manual(NOON_MS))
    }

    /// A gate over a store that may have been used before.
    #[track_caller]
    pub(crate) fn start_in(folder: TempDir, yaml: &str, clock: Clock) -> House {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let config = Arc::new(read(yaml, &folder));
        let snapshot = Snapshot::compile(Arc::clone(&config), None).unwrap_or_else(|error| panic!("{error}"));
        let bound: Vec<Bound> = config
            .listen
            .iter()
            .enumerate()
            .map(|(index, listen)| Bound {
                listener: listen::bind(listen.address, false).unwrap(),
                index,
                tls: !listen.tls.is_empty(),
            })
            .collect();
        let listeners = bound.iter().map(|bound| bound.listener.address()).collect();
        let (handle, recorder) = Recorder::start(RecorderConfig::new(clock.clone())).unwrap();
        let records = Arc::new(Mutex::new(Vec::new()));
        follow(&runtime, &handle, Arc::clone(&records));
        let (quotas, clerk) = Quotas::new(clock.clone());
        let (registry, clerk) = runtime.block_on(async {
            let store = Store::open(&folder.path().join("data"), clock.clone()).await.unwrap();
            let registry = Registry::open(store.clone(), clock.clone(), "cg").await.unwrap();
            quotas.recall(&store).await.unwrap();
            (registry, tokio::spawn(clerk.run(store, clock.clone())))
        });
        let gate = Gate::new(snapshot, Arc::clone(registry.table()), quotas, handle, clock.clone());
        let gate =
            Arc::new(gate.with_issuer(Arc::clone(registry.tokens()), Arc::clone(registry.proofs()), Arc::new(Echo)));
        let plane = Plane::start(&gate, bound, config.workers.unwrap_or(2), 7).unwrap();
        let plane = Some(plane);
        House { gate, registry, clock, listeners, records, plane, clerk, _recorder: recorder, folder, runtime }
    }

    /// A call on the first listener.
    #[track_caller]
    pub(crate) fn call(&self, what: &str) -> Call {
        Call::new(self.listeners[0], what)
    }

    /// Takes over another file.
    #[track_caller]
    pub(crate) fn reload(&self, yaml: &str) -> ReloadReport {
        self.gate.reload(Arc::new(read(yaml, &self.folder))).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A key of a consumer, who is made if need be; nobody is on a plan.
    pub(crate) fn key(&self, consumer: &str) -> String {
        self.key_with(consumer, |_| {}).1
    }

    /// A key of a consumer on a plan.
    pub(crate) fn key_on(&self, consumer: &str, plan: &str) -> String {
        let set = self.registry.create_consumer(&Actor::Local, consumer, Some(plan));
        self.runtime.block_on(set).unwrap();
        self.key(consumer)
    }

    /// A key that was asked for in this way, with its id.
    pub(crate) fn key_with(&self, consumer: &str, ask: impl FnOnce(&mut KeyRequest)) -> (KeyId, String) {
        let mut request = KeyRequest { consumer: consumer.to_owned(), ..KeyRequest::default() };
        ask(&mut request);
        self.runtime.block_on(async {
            let _known = self.registry.create_consumer(&Actor::Local, consumer, None).await;
            let (key, text) = self.registry.create_key(&Actor::Local, request).await.unwrap();
            (key.id, text)
        })
    }

    pub(crate) fn revoke(&self, id: KeyId) {
        self.runtime.block_on(self.registry.revoke_key(&Actor::Local, id)).unwrap();
    }

    /// Every record so far.
    pub(crate) fn records(&self) -> Vec<Arc<CallRecord>> {
        self.records.lock().unwrap().clone()
    }

    /// The record of an answered call; waits for it.
    #[track_caller]
    pub(crate) fn record(&self, answer: &Answer) -> Arc<CallRecord> {
        let id = answer.call_id();
        eventually("the record of a call", || {
            self.records().into_iter().find(|record| record.call_id.to_string() == id)
        })
    }

    /// The records of all calls to a path once there are as many as expected; panics when there are more.
    #[track_caller]
    pub(crate) fn records_of(&self, path: &str, count: usize) -> Vec<Arc<CallRecord>> {
        let of_path = || self.records().into_iter().filter(|record| &*record.path == path).collect::<Vec<_>>();
        eventually(&format!("{count} records of {path}"), || (of_path().len() >= count).then_some(()));
        // Whatever was recorded twice was recorded by now: the recorder takes records in their order.
        let last = check(&self.call("GET /nowhere/else"), "404 no_such_route");
        self.record(&last);
        let found = of_path();
        assert_eq!(found.len(), count, "{found:#?}");
        found
    }

    /// What would have refused an answered call.
    #[track_caller]
    pub(crate) fn would_refuse(&self, answer: &Answer) -> Vec<&'static str> {
        self.record(answer).would_refuse.iter().map(|refusal| refusal.code.name()).collect()
    }

    /// Stops it as SIGTERM would, and gives its folder for another one.
    #[track_caller]
    pub(crate) fn stop(mut self) -> TempDir {
        self.plane.take().unwrap().stop(PATIENCE);
        self.runtime.block_on(self.gate.quotas.return_all(self.registry.store()));
        self.close()
    }

    /// Ends it as a crash would, as far as quotas can tell.
    #[track_caller]
    pub(crate) fn crash(mut self) -> TempDir {
        self.plane.take().unwrap().stop(PATIENCE);
        self.close()
    }

    fn close(self) -> TempDir {
        self.clerk.abort();
        let store = self.registry.store().clone();
        self.runtime.block_on(store.close());
        self.folder
    }
}

#[track_caller]
fn read(yaml: &str, folder: &TempDir) -> callgate_config::Config {
    match callgate_config::parse(yaml, folder.path(), &|_| None) {
        Ok(loaded) => loaded.config,
        Err(report) => panic!("{}", report.render(false)),
    }
}

fn follow(runtime: &Runtime, handle: &callgate_records::RecorderHandle, records: Arc<Mutex<Vec<Arc<CallRecord>>>>) {
    let mut follow = handle.follow(CallFilter::default()).unwrap();
    runtime.spawn(async move {
        while let Some(followed) = follow.next().await {
            match followed {
                Followed::Call(record) => records.lock().unwrap().push(record),
                Followed::Missed(count) => panic!("{count} records were missed"),
            }
        }
    });
}
