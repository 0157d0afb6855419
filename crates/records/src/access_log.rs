//! The access log: one JSON object a line, gathered on the recorder, written by a thread of its own.
//!
//! The recorder never writes: a pipe that nobody reads would stop it, and with it usage, metrics and recent calls. It
//! fills a buffer and hands it over when it is full or old; a target that doesn't take its buffers loses lines, which are
//! counted.

mod file;
mod json;
mod line;
mod writer;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callgate_model::CallRecord;
use tokio::sync::oneshot;

pub use file::Rotation;
pub(crate) use line::LineWriter;
pub(crate) use writer::Sink;
use writer::WriterThread;

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LogTarget {
    /// Nowhere. Metrics, usage and recent calls are kept all the same.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to; made with mode 0640.
    File(PathBuf),
}

/// A buffer is handed over at this size: one write for about 120 lines.
const BUFFER_BYTES: usize = 64 * 1024;
/// And at this age, so that a quiet gate's log is not far behind.
const BUFFER_AGE: Duration = Duration::from_millis(200);

/// What became of the lines; shared with the writing thread and the metrics.
#[derive(Debug, Default)]
pub(crate) struct LogCounts {
    /// Lines that the target took.
    pub(crate) written: AtomicU64,
    /// Lines that it did not take, or that were dropped because it was slow.
    pub(crate) lost: AtomicU64,
    /// Writes that failed, and a full or moved file that could not be let go.
    pub(crate) errors: AtomicU64,
    /// Buffers handed over and not yet dealt with: the queue's bound.
    waiting: AtomicU64,
}

/// The recorder's side of the access log.
#[derive(Debug)]
pub(crate) struct AccessLog {
    lines: LineWriter,
    buffer: Vec<u8>,
    lines_in_buffer: u64,
    /// When the first line of the buffer came, on the monotonic clock.
    first_ns: u64,
    /// A person watches: every batch is shown at once.
    at_once: bool,
    counts: Arc<LogCounts>,
    /// None when the log is off.
    writer: Option<WriterThread>,
}

// === impl LogCounts ===

impl LogCounts {
    fn lose(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }
}

// === impl AccessLog ===

impl AccessLog {
    pub(crate) fn start(sink: Option<Sink>, counts: Arc<LogCounts>) -> std::io::Result<AccessLog> {
        let at_once = matches!(sink, Some(Sink::Stdout(_))) && std::io::stdout().is_terminal();
        let writer = sink.map(|sink| WriterThread::start(sink, Arc::clone(&counts))).transpose()?;
        Ok(AccessLog {
            lines: LineWriter::default(),
            buffer: Vec::new(),
            lines_in_buffer: 0,
            first_ns: 0,
            at_once,
            counts,
            writer,
        })
    }

    /// Adds the line of one call.
    pub(crate) fn add(&mut self, record: &CallRecord, now_ns: u64) {
        if self.writer.is_none() {
            return;
        }
        if self.buffer.is_empty() {
            self.first_ns = now_ns;
        }
        self.lines.write(record, &mut self.buffer);
        self.lines_in_buffer += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.hand_over();
        }
    }

    /// Called after every batch: hands over what is old enough.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        let age = Duration::from_nanos(now_ns.saturating_sub(self.first_ns));
        if !self.buffer.is_empty() && (self.at_once || age >= BUFFER_AGE) {
            self.hand_over();
        }
    }

    /// Hands everything over; the receiver hears when the target has it, or has refused it.
    pub(crate) fn flush(&mut self) -> oneshot::Receiver<()> {
        self.hand_over();
        let (done, heard) = oneshot::channel();
        if let Some(writer) = &self.writer {
            writer.flush(done);
        }
        // Without a writer `done` is dropped here, which the receiver takes for "nothing to wait for".
        heard
    }

    /// Opens the file anew, after a rotation moved the old one away.
    pub(crate) fn reopen(&mut self) {
        self.hand_over();
        if let Some(writer) = &self.writer {
            writer.reopen();
        }
    }

    fn hand_over(&mut self) {
        let Some(writer) = &self.writer else { return };
        if self.buffer.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.lines_in_buffer);
        match writer.write(std::mem::take(&mut self.buffer), lines) {
            Ok(()) => self.buffer = writer.spare(),
            Err(mut refused) => {
                self.counts.lose(lines);
                refused.clear();
                self.buffer = refused;
            }
        }
    }
}

#[cfg(test)]
mod tests;
