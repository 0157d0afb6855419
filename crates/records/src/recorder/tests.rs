use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use callgate_model::{Clock, Code, Refusal};

use super::*;
use crate::sample;

/// A target that a test reads.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A target that a test holds up: it takes nothing until the sender is dropped.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.recv().ok();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn start(sink: impl Write + Send + 'static, queue_max: usize) -> (RecorderHandle, RecorderGuard) {
    let config = RecorderConfig::new(Clock::system());
    Recorder::start_with(config, Some(Sink::Test(Box::new(sink))), queue_max).unwrap()
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
async fn a_stop_takes_what_is_still_queued() {
    let page = Page::default();
    let (handle, guard) = start(page.clone(), 1 << 14);
    for _ in 0..10_000 {
        handle.record(sample::good());
    }
    assert!(guard.stop(STOP).await);
    assert_eq!(page.lines().len(), 10_000);
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
    let counts = &handle.0.log_counts;
    let (written, lost) = (
        counts.written.load(std::sync::atomic::Ordering::Relaxed),
        counts.lost.load(std::sync::atomic::Ordering::Relaxed),
    );
    assert_eq!(written + lost, count as u64);
    assert!(lost > 0 && written > 0, "{written} written, {lost} lost");
    assert!(guard.stop(STOP).await);
}
