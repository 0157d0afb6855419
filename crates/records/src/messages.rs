//! The gate's own messages: lines on standard error that never hold up whoever says them.
//!
//! A pipe that nobody reads takes 64 KiB and then nothing: a worker that wrote to it by itself would stop, and with it all
//! of its calls. A pipe whose reader is gone fails every write. So messages go through a bounded queue to a thread of
//! their own; what finds the queue full, or is not taken, is lost and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use callgate_model::bounds;

use crate::patience;

/// A process has one standard error.
static STANDARD_ERROR: OnceLock<Messages> = OnceLock::new();

/// Where messages go; cheap to clone, and a writer of whole lines.
#[derive(Debug, Clone)]
pub struct Messages {
    queue: SyncSender<Order>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Order {
    Say(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Messages that standard error did not take since this process began.
pub(crate) fn lost() -> u64 {
    STANDARD_ERROR.get().map_or(0, |messages| messages.lost.load(Ordering::Relaxed))
}

// === impl Messages ===

impl Messages {
    /// Those of this process, on standard error.
    ///
    /// # Errors
    /// The machine gives no thread.
    pub fn to_standard_error() -> io::Result<&'static Messages> {
        match STANDARD_ERROR.get() {
            Some(messages) => Ok(messages),
            None => {
                let messages = Messages::start(Box::new(io::stderr()), bounds::MESSAGES_WAITING_MAX)?;
                Ok(STANDARD_ERROR.get_or_init(|| messages))
            }
        }
    }

    fn start(mut target: Box<dyn Write + Send>, waiting_max: usize) -> io::Result<Messages> {
        let (queue, inbox) = mpsc::sync_channel(waiting_max);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let run = move || run(&inbox, &mut *target, &counted);
        std::thread::Builder::new().name("messages".to_owned()).spawn(run)?;
        Ok(Messages { queue, lost })
    }

    /// Waits until everything said before this is written or lost, at most so long.
    pub fn flush(&self, within: Duration) {
        let (done, heard) = mpsc::sync_channel(1);
        // A queue that is full is one that nobody reads.
        if self.queue.try_send(Order::Flush(done)).is_ok() {
            heard.recv_timeout(within).unwrap_or_default();
        }
    }
}

/// Never fails and never waits.
impl Write for &Messages {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Order::Say(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(inbox: &Receiver<Order>, target: &mut dyn Write, lost: &AtomicU64) {
    for order in inbox {
        match order {
            Order::Say(line) => {
                if patience::write_all(target, &line).1.is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            // Whoever waited may have had enough.
            Order::Flush(done) => done.try_send(()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a line whenever the test says so, and fails once the test is tired of it.
    struct Slow(Receiver<()>, mpsc::Sender<String>);

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.1.send(String::from_utf8_lossy(line).into_owned()).unwrap();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_says_something_waits_for_nobody_and_what_is_lost_is_counted() {
        let (take, asked) = mpsc::channel();
        let (gives, taken) = mpsc::channel();
        let messages = Messages::start(Box::new(Slow(asked, gives)), 2).unwrap();
        let lost = || messages.lost.load(Ordering::Relaxed);
        // One may be in the thread's hand, two wait.
        for number in 0..10 {
            assert_eq!((&messages).write(format!("{number}\n").as_bytes()).unwrap(), 2);
        }
        assert!((7..=8).contains(&lost()), "{}", lost());
        messages.flush(Duration::from_millis(1));
        take.send(()).unwrap();
        assert_eq!(taken.recv().unwrap(), "0\n");
        // Its reader is gone: the two that waited are lost too, and nothing else happens.
        drop(take);
        while lost() < 9 {
            std::thread::yield_now();
        }
        messages.flush(Duration::from_secs(10));
        (&messages).write_all(b"nobody hears\n").unwrap();
        messages.flush(Duration::from_secs(10));
        assert_eq!(lost(), 10);
    }
}
