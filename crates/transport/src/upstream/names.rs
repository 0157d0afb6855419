//! The addresses behind a server's name, as this process knows them: shared by its workers, and handed on by reloads.
//!
//! A name is looked up again while connections to it are in use, so that calls follow a name that moves although they never
//! need a new connection. While the look-up fails, or takes its time, the addresses of the last good answer serve: a name
//! service that is gone takes no API down.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use callgate_model::bounds;
use tokio::time::{Instant, timeout};

use super::error::{Kind, UpstreamError};

/// How long an answer serves new connections without another look. The system's resolver doesn't tell its real lifetime; this
/// is short enough for a fail-over by DNS and spares a look-up per connection.
const FRESH: Duration = Duration::from_secs(5);

/// Look-ups of this process that failed.
static FAILED: AtomicU64 = AtomicU64::new(0);

/// A name and its addresses. The lock is held for a few instructions, and only where a connection is opened or none is busy.
#[derive(Debug, Default)]
pub struct Name {
    known: Mutex<Known>,
    /// Counts the answers that lacked an address of the one before: connections from before then are not used again.
    moves: AtomicU32,
}

#[derive(Debug, Default)]
struct Known {
    /// Of the last good answer; empty before it.
    addresses: Arc<[SocketAddr]>,
    /// When it was last asked for, whatever came of it.
    asked: Option<Instant>,
    /// The last look-up failed.
    failing: bool,
}

/// Where a name stood when a connection was opened.
#[derive(Debug, Clone)]
pub(super) struct Since {
    name: Arc<Name>,
    moves: u32,
}

/// How many look-ups of names have failed in this process.
#[must_use]
pub fn lookups_failed() -> u64 {
    FAILED.load(Ordering::Relaxed)
}

// === impl Name ===

impl Name {
    /// Addresses for a new connection.
    pub(super) async fn addresses(self: &Arc<Self>, host: &str, port: u16) -> Result<Arc<[SocketAddr]>, UpstreamError> {
        let known = {
            let mut known = self.known();
            if !known.addresses.is_empty() && known.is_fresh(FRESH) {
                return Ok(Arc::clone(&known.addresses));
            }
            if !known.addresses.is_empty() {
                // Whoever comes meanwhile takes what is known.
                known.asked = Some(Instant::now());
            }
            Arc::clone(&known.addresses)
        };
        let asking = self.look_up(host, port);
        if known.is_empty() {
            return asking.await.unwrap_or_else(|ended| Err(UpstreamError::unsent(Kind::Resolve, ended)));
        }
        // The answer is taken in also if it comes too late for this connection.
        match timeout(bounds::NAME_TIME_MAX, asking).await {
            Ok(Ok(Ok(addresses))) => Ok(addresses),
            _ => Ok(known),
        }
    }

    /// Looks it up again if that was long ago, for connections that are in use.
    pub(super) fn look_after(self: &Arc<Self>, host: &str, port: u16) {
        let mut known = self.known();
        if !known.is_fresh(bounds::NAME_KEPT_TIME) {
            known.asked = Some(Instant::now());
            drop(known);
            drop(self.look_up(host, port));
        }
    }

    /// Its addresses take no connections: it may have moved.
    pub(super) fn ask_again(&self) {
        self.known().asked = None;
    }

    pub(super) fn since(self: &Arc<Self>) -> Since {
        Since { name: Arc::clone(self), moves: self.moves.load(Ordering::Relaxed) }
    }

    /// By getaddrinfo, on tokio's blocking threads: it reads files and may wait for seconds.
    fn look_up(
        self: &Arc<Self>,
        host: &str,
        port: u16,
    ) -> tokio::task::JoinHandle<Result<Arc<[SocketAddr]>, UpstreamError>> {
        let (name, host) = (Arc::clone(self), host.to_owned());
        tokio::spawn(async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            name.take_in(&host, found.map(Iterator::collect))
        })
    }

    /// Takes an answer in, and gives the addresses that are known now.
    fn take_in(&self, host: &str, found: io::Result<Vec<SocketAddr>>) -> Result<Arc<[SocketAddr]>, UpstreamError> {
        let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name exists and has no address");
        let found = found.and_then(|found| if found.is_empty() { Err(nothing()) } else { Ok(found) });
        let mut known = self.known();
        let failing = std::mem::replace(&mut known.failing, found.is_err());
        match found {
            Ok(found) => {
                if failing {
                    tracing::info!(host, "the name of an upstream server is found again");
                }
                if known.addresses.iter().any(|address| !found.contains(address)) {
                    self.moves.fetch_add(1, Ordering::Relaxed);
                }
                known.addresses = found.into();
                known.asked = Some(Instant::now());
                Ok(Arc::clone(&known.addresses))
            }
            Err(error) => {
                FAILED.fetch_add(1, Ordering::Relaxed);
                if known.addresses.is_empty() {
                    return Err(UpstreamError::unsent(Kind::Resolve, error));
                }
                if !failing {
                    tracing::warn!(host, %error, "the name of an upstream server is not found; its last addresses serve");
                }
                Ok(Arc::clone(&known.addresses))
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Known ===

impl Known {
    fn is_fresh(&self, within: Duration) -> bool {
        self.asked.is_some_and(|asked| asked.elapsed() < within)
    }
}

// === impl Since ===

impl Since {
    /// Whether an address has left the name since. Which one does not matter: another connection costs little.
    pub(super) fn has_moved(&self) -> bool {
        self.name.moves.load(Ordering::Relaxed) != self.moves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect()
    }

    fn gone() -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no name service"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_answer_serves_while_there_is_none() {
        let name = Name::default();
        let before = lookups_failed();
        assert_eq!(name.take_in("a", gone()).unwrap_err().kind, Kind::Resolve);
        assert_eq!(name.take_in("a", Ok(Vec::new())).unwrap_err().kind, Kind::Resolve);
        assert_eq!(*name.take_in("a", Ok(addresses(&[1, 2]))).unwrap(), addresses(&[1, 2]));
        assert_eq!(*name.take_in("a", gone()).unwrap(), addresses(&[1, 2]));
        assert_eq!(*name.take_in("a", Ok(Vec::new())).unwrap(), addresses(&[1, 2]));
        assert_eq!(*name.take_in("a", Ok(addresses(&[3]))).unwrap(), addresses(&[3]));
        assert!(lookups_failed() >= before + 4);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_end_when_an_address_leaves() {
        let name = Arc::new(Name::default());
        let check = |ports: &[u16], moved: bool| {
            let since = name.since();
            name.take_in("a", Ok(addresses(ports))).unwrap();
            assert_eq!(since.has_moved(), moved, "{ports:?}");
        };
        check(&[1, 2], false);
        check(&[2, 1], false);
        check(&[1, 2, 3], false);
        check(&[1, 3], true);
        check(&[1, 3], false);
        check(&[4], true);
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_told_at_once() {
        let name = Arc::new(Name::default());
        let began = Instant::now();
        let error = name.addresses("no.such.name.invalid", 80).await.unwrap_err();
        assert_eq!((error.kind, error.retry_safe), (Kind::Resolve, true));
        assert!(began.elapsed() < bounds::CONNECT_TIME_MAX);
    }
}
