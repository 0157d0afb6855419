//! Clients that keep their connections and call without a pause while something happens to the gate. Each behaves as HTTP
//! asks: it calls again on a connection until an answer says `Connection: close`, and then opens another one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use callgate_testkit::{Call, RawClient, wait_for};

/// Running callers.
pub(crate) struct Callers {
    over: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Told>>,
}

/// What callers saw.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Calls with an answer.
    pub(crate) answered: usize,
    /// Answers with 429.
    pub(crate) limited: usize,
    /// Answers that said that the connection ends with them.
    pub(crate) ends: usize,
    /// Callers that found nobody listening, and stopped.
    pub(crate) found_nobody: usize,
    /// Calls that were sent and had no whole answer, or a status that is neither 200 nor 429.
    pub(crate) failed: Vec<String>,
}

// === impl Callers ===

impl Callers {
    /// Starts this many, each on its own connection.
    pub(crate) fn start(number: usize, call: &Call, address: SocketAddr) -> Callers {
        let (over, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let threads = (0..number).map(|_| {
            let (over, made, bytes) = (Arc::clone(&over), Arc::clone(&made), call.bytes());
            std::thread::spawn(move || run(address, &bytes, &over, &made))
        });
        Callers { threads: threads.collect(), over, made }
    }

    /// Waits until they have made this many calls more.
    #[track_caller]
    pub(crate) fn make(&self, calls: usize) {
        let before = self.made.load(Ordering::Relaxed);
        wait_for("the callers", || self.made.load(Ordering::Relaxed) >= before + calls);
    }

    /// Ends them after the call that each is making.
    pub(crate) fn end(self) -> Told {
        self.over.store(true, Ordering::Relaxed);
        self.until_gone()
    }

    /// Waits until every one found nobody listening.
    pub(crate) fn until_gone(self) -> Told {
        let mut all = Told::default();
        for thread in self.threads {
            let told = thread.join().unwrap();
            all.answered += told.answered;
            all.limited += told.limited;
            all.ends += told.ends;
            all.found_nobody += told.found_nobody;
            all.failed.extend(told.failed);
        }
        all
    }
}

fn run(address: SocketAddr, bytes: &[u8], over: &AtomicBool, made: &AtomicUsize) -> Told {
    let mut told = Told::default();
    while !over.load(Ordering::Relaxed) {
        let Ok(mut client) = RawClient::try_connect(address) else {
            told.found_nobody += 1;
            return told;
        };
        while !over.load(Ordering::Relaxed) {
            client.send(bytes);
            let answer = match client.try_answer() {
                Ok(answer) => answer,
                Err(fault) => {
                    told.failed.push(format!("{fault:?}"));
                    break;
                }
            };
            made.fetch_add(1, Ordering::Relaxed);
            told.answered += 1;
            told.limited += usize::from(answer.status == 429);
            if !matches!(answer.status, 200 | 429) {
                told.failed.push(answer.to_string());
            }
            if answer.field("connection") == Some("close") {
                told.ends += 1;
                break;
            }
        }
    }
    told
}
