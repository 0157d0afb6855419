//! A flag that one thread raises and others wait for.

use std::sync::{Arc, Condvar, Mutex};

use crate::wait::PATIENCE;

/// Raised once, stays raised. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<(Mutex<bool>, Condvar)>);

// === impl Signal ===

impl Signal {
    /// A signal that is not raised.
    #[must_use]
    pub fn new() -> Signal {
        Signal::default()
    }

    /// Lets everybody who waits go on.
    pub fn raise(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Whether it was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.0.0.lock().unwrap()
    }

    /// Waits until it is raised; panics after [`PATIENCE`].
    #[track_caller]
    pub fn wait(&self) {
        let raised = self.0.0.lock().unwrap();
        let (raised, _) = self.0.1.wait_timeout_while(raised, PATIENCE, |raised| !*raised).unwrap();
        assert!(*raised, "a signal was not raised within {PATIENCE:?}");
    }
}
