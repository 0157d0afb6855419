use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use callgate_model::{CallId, Code, KeyId, Refusal};
use callgate_store::{CallFilter, UsageFilter};

use super::*;
use crate::follow::Followed;
use crate::sample;

/// A target that a test reads.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A target that a test holds up: it takes nothing until the sender is dropped.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.recv().ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk that fills up after so many bytes, until a test makes room.
struct Filling {
    page: Page,
    room: Arc<Mutex<usize>>,
}

impl Write for Filling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut room = self.room.lock().unwrap();
        if *room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let count = bytes.len().min(*room);
        *room -= count;
        self.page.write(&bytes[..count])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(sink: impl Write + Send + 'static, queue_max: usize) -> (RecorderHandle, RecorderGuard) {
    let config = RecorderConfig::new(Clock::system());
    Recorder::start_with(config, Some(Sink::Test(Box::new(sink))), queue_max).unwrap()
}

async fn database(folder: &tempfile::TempDir) -> CallsDb {
    CallsDb::open(folder.path(), bounds::CALLS_DB_BYTES_MAX).await.unwrap()
}

/// Written and lost lines.
fn counted(handle: &RecorderHandle) -> (u64, u64) {
    let counts = &handle.0.log_counts;
    (counts.written.load(Ordering::Relaxed), counts.lost.load(Ordering::Relaxed))
}

const STOP: Duration = Duration::from_secs(10);

#[tokio::test]
async fn after_a_flush_everything_recorded_before_is_in_the_log_and_the_metrics() {
    let page = Page::default();
    let (handle, guard) = start(page.clone(), 1024);
    for _ in 0..100 {
        handle.record(sample::good());
    }
    handle.record(sample::refused(Refusal::new(Code::RateLimited, "limit")));
    assert!(handle.flush().await);
    assert_eq!(page.lines().len(), 101);
    let metrics = handle.metrics();
    let expect = r#"callgate_calls_total{api="bookshop",route="GET /books/{id}",method="GET",status="200"} 100"#;
    assert!(metrics.contains(expect), "{metrics}");
    assert!(metrics.contains(r#"callgate_refusals_total{api="bookshop",code="rate_limited"} 1"#), "{metrics}");
    assert!(guard.stop(STOP).await);
    assert!(!handle.flush().await, "a recorder that has ended says so");
}

#[tokio::test]
async fn a_line_reaches_a_quiet_log_and_usage_the_database_without_anybody_asking() {
    let page = Page::default();
    let folder = tempfile::tempdir().unwrap();
    let config = RecorderConfig::new(Clock::system()).calls(database(&folder).await);
    let sink = Sink::Test(Box::new(page.clone()));
    let (handle, guard) = Recorder::start_with(config, Some(sink), 1024).unwrap();
    handle.record(sample::good());
    while page.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    let reader = database(&folder).await;
    while reader.usage(UsageFilter::default()).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_stop_takes_what_is_still_queued() {
    let page = Page::default();
    let folder = tempfile::tempdir().unwrap();
    let config = RecorderConfig::new(Clock::system()).calls(database(&folder).await);
    let (handle, guard) = Recorder::start_with(config, Some(Sink::Test(Box::new(page.clone()))), 1 << 14).unwrap();
    for _ in 0..10_000 {
        handle.record(sample::good());
    }
    assert!(guard.stop(STOP).await);
    assert_eq!(page.lines().len(), 10_000);
    let usage = database(&folder).await.usage(UsageFilter::default()).await.unwrap();
    assert_eq!(usage.iter().map(|row| row.count).sum::<u64>(), 10_000);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_and_refusals_have_their_own() {
    let page = Page::default();
    let (handle, guard) = start(page.clone(), 8);
    // Holding the tallies holds the recorder, as a starved machine would.
    let held = handle.0.tallies.lock().unwrap();
    for _ in 0..1_000 {
        handle.record(sample::good());
    }
    handle.record(sample::refused(Refusal::new(Code::IpDenied, "ip")));
    drop(held);
    assert!(handle.flush().await);
    let dropped = handle.dropped();
    assert!((900..1_000).contains(&dropped), "{dropped}");
    assert_eq!(page.lines().len() as u64, 1_001 - dropped, "every call is either written or counted");
    let metrics = handle.metrics();
    let expect = format!(r#"callgate_records_dropped_total{{queue="calls",class="2xx"}} {dropped}"#);
    assert!(metrics.contains(&expect), "{metrics}");
    assert!(metrics.contains(r#"callgate_refusals_total{api="bookshop",code="ip_denied"} 1"#), "{metrics}");
    assert_eq!(handle.stats().dropped, dropped);
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_target_that_takes_nothing_holds_up_neither_calls_nor_metrics() {
    let (release, hold) = mpsc::channel();
    let (handle, guard) = start(Stuck(hold), 1 << 14);
    let count = 2 * bounds::LOG_BUFFERS_MAX * 64 * 1024 / 400;
    for batch in 0..count.div_ceil(10_000) {
        for _ in 0..10_000.min(count - batch * 10_000) {
            handle.record(sample::good());
        }
        let expect = format!("status=\"200\"}} {}\n", count.min((batch + 1) * 10_000));
        while !handle.metrics().contains(&expect) {
            tokio::task::yield_now().await;
        }
    }
    drop(release);
    assert!(handle.flush().await);
    assert_eq!(handle.dropped(), 0);
    let (written, lost) = counted(&handle);
    assert_eq!(written + lost, count as u64);
    assert!(lost > 0 && written > 0, "{written} written, {lost} lost");
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_closed_pipe_costs_lines_and_nothing_else() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let sink = Sink::Stdout(std::fs::File::from(std::os::fd::OwnedFd::from(writer)));
    let (handle, guard) = Recorder::start_with(RecorderConfig::new(Clock::system()), Some(sink), 1024).unwrap();
    for round in 1..=3 {
        handle.record(sample::good());
        assert!(handle.flush().await);
        assert_eq!(counted(&handle), (0, round));
    }
    assert!(handle.metrics().contains("\ncallgate_log_errors_total 3\n"));
    assert!(handle.metrics().contains("status=\"200\"} 3\n"));
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_full_disk_breaks_one_line_and_the_log_goes_on_when_there_is_room_again() {
    let (page, room) = (Page::default(), Arc::new(Mutex::new(1_000)));
    let (handle, guard) = start(Filling { page: page.clone(), room: Arc::clone(&room) }, 1024);
    for _ in 0..10 {
        handle.record(sample::good());
    }
    assert!(handle.flush().await);
    *room.lock().unwrap() = 1 << 20;
    handle.record(sample::refused(Refusal::new(Code::IpDenied, "ip")));
    assert!(handle.flush().await);
    let text = page.text();
    let whole = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).count();
    let (written, lost) = counted(&handle);
    assert_eq!((whole as u64, lost), (written, 11 - written));
    assert_eq!(text.lines().count(), whole + 1, "only the line in which the room ended is broken");
    assert!(text.lines().last().unwrap().contains("ip_denied"));
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_rotated_file_is_opened_anew_and_a_file_that_cannot_be_opened_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let config = || RecorderConfig::new(Clock::system()).log(LogTarget::File(path.clone()));
    let (handle, guard) = Recorder::start(config()).unwrap();
    handle.record(sample::good());
    assert!(handle.flush().await);
    std::fs::rename(&path, &moved).unwrap();
    handle.record(sample::good());
    handle.reopen_log();
    handle.record(sample::good());
    assert!(handle.flush().await);
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    // The one in the middle was recorded before the order, and may be taken after it.
    assert_eq!(lines(&path) + lines(&moved), 3);
    assert!(lines(&path) >= 1 && lines(&moved) >= 1);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o137, 0, "{mode:o}");
    assert!(guard.stop(STOP).await);

    let nowhere = RecorderConfig::new(Clock::system()).log(LogTarget::File(folder.path().join("no/access.log")));
    let error = Recorder::start(nowhere).unwrap_err().to_string();
    assert!(error.contains("no/access.log") && error.contains("log.access"), "{error}");
}

#[tokio::test]
async fn usage_is_exact_over_a_hundred_thousand_calls_from_four_threads() {
    const PER_THREAD: u64 = 25_000;
    let folder = tempfile::tempdir().unwrap();
    let config = RecorderConfig::new(Clock::system()).calls(database(&folder).await);
    let (handle, guard) = Recorder::start_with(config, None, 1 << 17).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let handle = handle.clone();
            scope.spawn(move || {
                for call in 0..PER_THREAD {
                    let mut record = match call % 5 {
                        0 => sample::refused(Refusal::new(Code::RateLimited, "limit")),
                        _ => sample::good(),
                    };
                    record.call_id = CallId::from_parts(thread * PER_THREAD + call, &[0; 10]);
                    record.key_id = KeyId::parse(&format!("key0000{}", call % 3));
                    record.consumer = Some(Arc::from(format!("consumer{thread}")));
                    record.started_ms += i64::try_from(call % 2).unwrap() * 3_600_000;
                    record.request_bytes = call;
                    record.response_bytes = 1;
                    handle.record(record);
                }
            });
        }
    });
    assert!(handle.flush().await);
    assert_eq!(handle.dropped(), 0);
    let rows = database(&folder).await.usage(UsageFilter::default()).await.unwrap();
    let sum = |value: fn(&callgate_store::UsageRow) -> u64| rows.iter().map(value).sum::<u64>();
    assert_eq!(sum(|row| row.count), 4 * PER_THREAD);
    assert_eq!(sum(|row| row.response_bytes), 4 * PER_THREAD);
    assert_eq!(sum(|row| row.request_bytes), 4 * (PER_THREAD * (PER_THREAD - 1) / 2));
    assert_eq!(rows.len(), 2 * 4 * 3 * 2, "hours, consumers, keys, statuses");
    for row in &rows {
        // Every residue modulo 30 comes equally often, up to the remainder of 25,000.
        let share = if row.status == 429 { 5 * 6 } else { 5 * 6 / 4 };
        assert!(row.count.abs_diff(PER_THREAD / share) <= PER_THREAD / share, "{row:?}");
    }
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_call_is_found_and_explained_right_after_it_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let config = RecorderConfig::new(Clock::system()).calls(database(&folder).await);
    let (handle, guard) = Recorder::start(config).unwrap();
    let refused = sample::refused(Refusal::new(Code::IpDenied, "ip").rule("apis.bookshop.ip.deny"));
    let id = refused.call_id;
    handle.record(refused);
    let found = handle.get(id).await.unwrap().unwrap();
    assert_eq!(found.refusal.unwrap().rule.as_deref(), Some("apis.bookshop.ip.deny"));
    let by_code = handle.find(CallFilter { code: Some(Code::IpDenied), ..CallFilter::default() }).await.unwrap();
    assert_eq!(by_code.len(), 1);
    assert!(guard.stop(STOP).await);

    let (handle, guard) = Recorder::start(RecorderConfig::new(Clock::system())).unwrap();
    assert!(matches!(handle.get(id).await, Err(RecordsError::NotKept)));
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_database_that_is_gone_is_said_by_a_flush_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let calls = database(&folder).await;
    let config = RecorderConfig::new(Clock::system()).calls(calls.clone());
    let (handle, guard) = Recorder::start(config).unwrap();
    calls.close().await;
    handle.record(sample::good());
    assert!(!handle.flush().await);
    assert!(!handle.metrics().contains("callgate_records_store_errors_total 0"));
    let usage: u64 = {
        let mut tallies = handle.0.tallies.lock().unwrap();
        let Tallies { usage, names, .. } = &mut *tallies;
        usage.take(names).iter().map(|row| row.count).sum()
    };
    assert_eq!(usage, 1, "what was not taken is kept for the next write");
    assert!(guard.stop(STOP).await);
}

#[tokio::test]
async fn a_follower_sees_calls_as_they_come_and_hears_what_it_missed() {
    let (handle, guard) = Recorder::start(RecorderConfig::new(Clock::system())).unwrap();
    let refusals = CallFilter { status: Some(400..=499), ..CallFilter::default() };
    let mut follow = handle.follow(refusals).unwrap();
    handle.record(sample::good());
    handle.record(sample::refused(Refusal::new(Code::IpDenied, "ip")));
    let Some(Followed::Call(record)) = follow.next().await else { panic!("a call was recorded") };
    assert_eq!(record.status, 403);

    for _ in 0..3 * bounds::FOLLOW_QUEUE_MAX {
        handle.record(sample::good());
    }
    assert!(handle.flush().await);
    let Some(Followed::Missed(count)) = follow.next().await else { panic!("it lagged") };
    assert!(count >= 2 * bounds::FOLLOW_QUEUE_MAX as u64, "{count}");
    assert!(guard.stop(STOP).await);
    assert!(follow.next().await.is_none());
    assert!(handle.follow(CallFilter::default()).is_none());
}

#[tokio::test]
async fn dropping_the_guard_ends_the_recorder() {
    let (handle, guard) = Recorder::start(RecorderConfig::new(Clock::system())).unwrap();
    let mut follow = handle.follow(CallFilter::default()).unwrap();
    drop(guard);
    assert!(follow.next().await.is_none());
}

#[tokio::test]
async fn gauges_are_read_at_every_scrape() {
    let (handle, guard) = Recorder::start(RecorderConfig::new(Clock::system())).unwrap();
    handle.register_gauge("callgate_connections", "Open connections.", || 3.0);
    for worker in ["0", "1"] {
        handle.register_gauge_with("callgate_worker_calls", "Calls.", &[("worker", worker)], || 0.5);
    }
    handle.register_gauge("callgate_connections", "Open connections.", || 4.0);
    handle.register_gauges("callgate_ends", "When.", &["listener", "name"], || {
        vec![(vec!["a".to_owned(), "x".to_owned()], 1.0), (vec!["b".to_owned(), "y".to_owned()], 2.0)]
    });
    handle.set_config_generation(7);
    let metrics = handle.metrics();
    for expect in [
        "# HELP callgate_connections Open connections.\n# TYPE callgate_connections gauge\ncallgate_connections 4\n",
        "callgate_worker_calls{worker=\"0\"} 0.5\ncallgate_worker_calls{worker=\"1\"} 0.5\n",
        "# TYPE callgate_ends gauge\ncallgate_ends{listener=\"a\",name=\"x\"} 1\ncallgate_ends{listener=\"b\",name=\"y\"} 2\n",
        "\ncallgate_config_generation 7\n",
    ] {
        assert!(metrics.contains(expect), "{metrics}");
    }
    assert!(guard.stop(STOP).await);
}
