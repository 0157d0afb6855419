//! One timer for many deadlines.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// A sleep that is moved as rarely as can be. Deadlines of a busy connection move away with every call; the sleep stays
/// where it is, fires now and then for nothing, and only then is armed for the deadline of that moment. So the timer
/// wheel is touched about once per idle period, not once per call or per byte.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

// === impl Alarm ===

impl Alarm {
    /// Ready once `deadline` has passed; until then the task is woken at the latest when it does.
    pub(crate) fn poll_until(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}
