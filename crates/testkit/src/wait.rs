//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once. Long, because CI has two busy cores; nothing that
/// passes ever waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is yes, and panics with `what` when that takes longer than [`PATIENCE`].
#[track_caller]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}

/// Asks until there is an answer, and panics with `what` when that takes longer than [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
