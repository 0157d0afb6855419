//! The thread that writes the access log.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};

use callgate_model::bounds;
use tokio::sync::oneshot;

use super::file::{LogFile, Rotation};
use super::{LogCounts, LogTarget};
use crate::patience::write_all;

/// What is written to.
pub(crate) enum Sink {
    /// A duplicate of standard output: no lock that a `println!` elsewhere would wait for.
    Stdout(File),
    File(LogFile),
    #[cfg(test)]
    Test(Box<dyn Write + Send>),
}

/// The recorder's end.
#[derive(Debug)]
pub(crate) struct WriterThread {
    /// Unbounded for orders; buffers are bounded by `counts.waiting`.
    orders: Sender<Order>,
    /// Empty buffers on their way back.
    spares: Receiver<Vec<u8>>,
    counts: Arc<LogCounts>,
}

enum Order {
    Write { buffer: Vec<u8>, lines: u64 },
    Flush(oneshot::Sender<()>),
    Reopen,
}

/// The thread's end.
struct Writer {
    sink: Sink,
    counts: Arc<LogCounts>,
    /// The last write stopped inside a line: the next begins with a line feed, so that only that line is broken.
    cut: bool,
    /// Lines lost since writing began to fail; none while it works. The failure is said once, not per write.
    failing_since: Option<u64>,
    /// The last rotation failed: said once, tried again before every write.
    rotation_failing: bool,
}

// === impl Sink ===

impl Sink {
    /// Opens the target; none for [`LogTarget::Off`].
    pub(crate) fn open(target: &LogTarget, rotation: Option<Rotation>) -> io::Result<Option<Sink>> {
        Ok(match target {
            LogTarget::Off => None,
            LogTarget::Stdout => Some(Sink::Stdout(io::stdout().as_fd().try_clone_to_owned()?.into())),
            LogTarget::File(path) => Some(Sink::File(LogFile::open(path, rotation)?)),
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Sink::Stdout(file) => file,
            Sink::File(file) => file,
            #[cfg(test)]
            Sink::Test(writer) => writer,
        }
    }

    fn name(&self) -> String {
        match self {
            Sink::Stdout(_) => "standard output".to_owned(),
            Sink::File(file) => file.path().display().to_string(),
            #[cfg(test)]
            Sink::Test(_) => "test".to_owned(),
        }
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sink({})", self.name())
    }
}

// === impl WriterThread ===

impl WriterThread {
    pub(crate) fn start(sink: Sink, counts: Arc<LogCounts>) -> io::Result<WriterThread> {
        let (orders, inbox) = mpsc::channel();
        let (give_back, spares) = mpsc::channel();
        let counted = Arc::clone(&counts);
        let mut writer = Writer { sink, counts: counted, cut: false, failing_since: None, rotation_failing: false };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&inbox, &give_back))?;
        Ok(WriterThread { orders, spares, counts })
    }

    /// Hands a buffer over; gives it back when too many are waiting.
    pub(crate) fn write(&self, buffer: Vec<u8>, lines: u64) -> Result<(), Vec<u8>> {
        if self.counts.waiting.load(Ordering::Acquire) >= bounds::LOG_BUFFERS_MAX as u64 {
            return Err(buffer);
        }
        self.counts.waiting.fetch_add(1, Ordering::AcqRel);
        self.orders.send(Order::Write { buffer, lines }).map_err(|refused| match refused.0 {
            Order::Write { buffer, .. } => buffer,
            Order::Flush(_) | Order::Reopen => Vec::new(),
        })
    }

    /// An empty buffer, used before where there is one.
    pub(crate) fn spare(&self) -> Vec<u8> {
        self.spares.try_recv().unwrap_or_default()
    }

    pub(crate) fn flush(&self, done: oneshot::Sender<()>) {
        // A writer that is gone drops `done`, which the waiting side hears as well.
        drop(self.orders.send(Order::Flush(done)));
    }

    pub(crate) fn reopen(&self) {
        drop(self.orders.send(Order::Reopen));
    }
}

// === impl Writer ===

impl Writer {
    /// Ends when the recorder has dropped its end and everything before that is written.
    fn run(&mut self, inbox: &Receiver<Order>, give_back: &Sender<Vec<u8>>) {
        for order in inbox {
            match order {
                Order::Write { mut buffer, lines } => {
                    self.write(&buffer, lines);
                    self.counts.waiting.fetch_sub(1, Ordering::AcqRel);
                    buffer.clear();
                    drop(give_back.send(buffer));
                }
                // Nobody waits any more when this fails: a flush has a bound.
                Order::Flush(done) => done.send(()).unwrap_or_default(),
                Order::Reopen => self.reopen(),
            }
        }
    }

    fn write(&mut self, buffer: &[u8], lines: u64) {
        self.make_room(buffer.len());
        let mended = if self.cut { write_all(self.sink.writer(), b"\n").1 } else { Ok(()) };
        let (written, result) = match mended {
            Ok(()) => {
                let (written, result) = write_all(self.sink.writer(), buffer);
                self.cut = written > 0 && buffer.get(written - 1) != Some(&b'\n');
                (written, result)
            }
            Err(error) => (0, Err(error)),
        };
        let whole = match result {
            Ok(()) => lines,
            Err(_) => buffer.iter().take(written).filter(|byte| **byte == b'\n').count() as u64,
        };
        self.counts.written.fetch_add(whole, Ordering::Relaxed);
        self.counts.lose(lines - whole);
        match result {
            Ok(()) => self.say_recovered(),
            Err(error) => self.say_failed(&error, lines - whole),
        }
    }

    fn say_failed(&mut self, error: &io::Error, lost: u64) {
        self.counts.errors.fetch_add(1, Ordering::Relaxed);
        match &mut self.failing_since {
            Some(lost_so_far) => *lost_so_far += lost,
            None => {
                let target = self.sink.name();
                tracing::error!(%target, %error, "the access log is not being written; calls go on, lost lines are counted");
                self.failing_since = Some(lost);
            }
        }
    }

    fn say_recovered(&mut self) {
        if let Some(lost) = self.failing_since.take() {
            let target = self.sink.name();
            tracing::warn!(%target, lost, "the access log is being written again; that many lines are missing");
        }
    }

    fn make_room(&mut self, coming: usize) {
        let Sink::File(file) = &mut self.sink else { return };
        match file.make_room(coming) {
            Ok(rotated) => {
                self.cut &= !rotated;
                self.rotation_failing &= !rotated;
            }
            Err(error) if !self.rotation_failing => {
                self.rotation_failing = true;
                self.counts.errors.fetch_add(1, Ordering::Relaxed);
                let path = file.path().display();
                tracing::error!(%path, %error, "the full access log was not moved aside; lines still go to it");
            }
            Err(_said) => {}
        }
    }

    fn reopen(&mut self) {
        let Sink::File(file) = &mut self.sink else { return };
        match file.reopen() {
            Ok(()) => self.cut = false,
            Err(error) => {
                self.counts.errors.fetch_add(1, Ordering::Relaxed);
                let path = file.path().display();
                tracing::error!(%path, %error, "the access log was not opened anew; lines still go to the file opened before");
            }
        }
    }
}
