//! A gate as it is shipped, without its sockets: configuration, keys, limits, quotas, recorder, access log, `calls.db`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use callgate_gateway::quota::{Clerk, Quotas};
use callgate_gateway::{Gate, Snapshot};
use callgate_model::{Clock, bounds};
use callgate_records::{LogTarget, Recorder, RecorderConfig, RecorderGuard, RecorderHandle};
use callgate_store::CallsDb;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::key::Keys;

/// Where the recorder's clock stands, Unix milliseconds. It stands still so that a slow run, and under a counter every run
/// is slow, does not keep more calls one by one or write to the database more often than a fast one.
pub(crate) const NOW_MS: i64 = 1_772_366_400_250;
/// How long what happens beside the calls may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that the recorder made of records, whatever became of them.
const LINES: [&str; 2] = ["callgate_log_lines_total", "callgate_log_lines_lost_total"];
/// What a limit and a quota must be to test every call and refuse none.
const FILE: &str = "
version: 1
listen: { address: 127.0.0.1:8080 }
log: { access: access.log }
# A call that is refused here is counted against its address, and hears what every guesser hears.
lockout: { failures: 1000000 }
plans:
  standard: { quota: 1000000000000/month }
apis:
  shop:
    path: /shop
    upstream: http://UPSTREAM
    accepts: application/json
    limits: 1000000/s per key
    routes:
      - \"GET /books/{id}\": {}
      - \"GET /answers/{id}\":
          respond: { headers: { Content-Type: application/json }, body: '{\"id\":7,\"title\":\"The Dispossessed\",\"author\":\"Ursula K. Le Guin\",\"year\":1974,\"isbn\":7}' }
";

/// The recorder with its log and its database, in a folder of its own.
pub(crate) struct Kept {
    /// Where calls are recorded.
    pub(crate) recorder: RecorderHandle,
    guard: RecorderGuard,
    database: CallsDb,
    folder: TempDir,
}

/// The gate, its keys, and what it keeps.
pub(crate) struct Shipped {
    /// The gate.
    pub(crate) gate: Arc<Gate>,
    /// Texts of keys that it knows.
    pub(crate) texts: Vec<String>,
    /// What it keeps.
    pub(crate) kept: Kept,
    /// Hears what cells of quota ask for, and never answers: each caller lives on its first block, which is large enough. A
    /// clerk at work would be a store's transactions beside the calls, at moments that no two runs share.
    _clerk: Clerk,
}

/// One thread does everything but the recorder's and the databases' work: a count must not depend on who waits for whom.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

// === impl Kept ===

impl Kept {
    /// Starts the recorder.
    pub(crate) async fn start() -> Result<Kept> {
        let folder = tempfile::tempdir()?;
        let database = CallsDb::open(folder.path(), bounds::CALLS_DB_BYTES_MAX).await?;
        let log = LogTarget::File(folder.path().join("access.log"));
        let config = RecorderConfig::new(Clock::manual(NOW_MS)).log(log).calls(database.clone());
        let (recorder, guard) = Recorder::start(config)?;
        Ok(Kept { recorder, guard, database, folder })
    }

    /// Waits until everything is written, and ends the recorder. Each of `times` calls must have had its line: written or,
    /// where the disk is slower than a counted program, made and given up.
    pub(crate) async fn end(self, times: u64) -> Result<()> {
        ensure!(self.recorder.flush().await, "the records were not all written");
        let dropped = self.recorder.dropped();
        ensure!(dropped == 0, "{dropped} of {times} records were dropped: count fewer at once");
        let metrics = self.recorder.metrics();
        let lines = LINES.iter().map(|name| value(&metrics, name)).sum::<Result<u64>>()?;
        ensure!(lines == times, "{lines} lines for the access log after {times} records");
        ensure!(self.guard.stop(PATIENCE).await, "the recorder did not end");
        self.database.close().await;
        Ok(())
    }
}

/// Reads one metric without labels.
fn value(metrics: &str, name: &str) -> Result<u64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).with_context(|| format!("there is no metric {name}"))
}

// === impl Shipped ===

impl Shipped {
    /// Starts it. `upstream` is where routes without an answer of their own lead.
    pub(crate) async fn start(upstream: SocketAddr) -> Result<Shipped> {
        let kept = Kept::start().await?;
        let clock = Clock::system();
        let text = FILE.replace("UPSTREAM", &upstream.to_string());
        let loaded = callgate_config::parse(&text, kept.folder.path(), &|_| None)
            .map_err(|report| anyhow!("the configuration: {}", report.render(false)))?;
        let snapshot = Snapshot::compile(Arc::new(loaded.config), None)?;
        let Keys { table, texts } = Keys::make(Some("standard"));
        let (quotas, clerk) = Quotas::new(clock.clone());
        let gate = Arc::new(Gate::new(snapshot, Arc::new(table), quotas, kept.recorder.clone(), clock));
        Ok(Shipped { gate, texts, kept, _clerk: clerk })
    }

    /// Ends it after so many calls.
    pub(crate) async fn end(self, times: u64) -> Result<()> {
        self.kept.end(times).await?;
        let calls = self.gate.in_flight();
        ensure!(calls == 0, "{calls} calls are still running");
        Ok(())
    }
}
