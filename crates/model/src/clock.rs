//! Time, from one place, so that tests can stop it and turn it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Two clocks in one: the wall clock for people and calendar periods, the monotonic one for limits and timeouts. A wall
/// clock that jumps never moves a limit.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { start: Instant },
    Manual(Arc<Manual>),
}

#[derive(Debug)]
struct Manual {
    unix_ms: AtomicI64,
    mono_ns: AtomicU64,
}

/// Added to the monotonic reading so that "long ago" is always representable: limits subtract from now.
const MONO_ORIGIN_NS: u64 = 1 << 62;

// === impl Clock ===

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Clock {
        Clock(Source::System { start: Instant::now() })
    }

    /// A clock that stands still until it is moved.
    #[must_use]
    pub fn manual(unix_ms: i64) -> Clock {
        Clock(Source::Manual(Arc::new(Manual {
            unix_ms: AtomicI64::new(unix_ms),
            mono_ns: AtomicU64::new(MONO_ORIGIN_NS),
        })))
    }

    /// Wall clock, milliseconds since 1970.
    #[must_use]
    pub fn unix_ms(&self) -> i64 {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            Source::System { .. } => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            Source::Manual(manual) => manual.unix_ms.load(Ordering::Relaxed),
        }
    }

    /// Monotonic clock, nanoseconds from an origin of its own.
    #[must_use]
    pub fn mono_ns(&self) -> u64 {
        match &self.0 {
            Source::System { start } => {
                MONO_ORIGIN_NS + u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX >> 2)
            }
            Source::Manual(manual) => manual.mono_ns.load(Ordering::Relaxed),
        }
    }

    /// Moves a manual clock forward; both of its faces. Does nothing to the machine's.
    pub fn advance_ms(&self, by_ms: u64) {
        if let Source::Manual(manual) = &self.0 {
            manual.mono_ns.fetch_add(by_ms.saturating_mul(1_000_000), Ordering::Relaxed);
            manual.unix_ms.fetch_add(i64::try_from(by_ms).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Sets only the wall face of a manual clock, as an operator or NTP would.
    pub fn set_unix_ms(&self, unix_ms: i64) {
        if let Source::Manual(manual) = &self.0 {
            manual.unix_ms.store(unix_ms, Ordering::Relaxed);
        }
    }
}
