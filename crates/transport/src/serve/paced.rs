//! The pace of an HTTP/2 request body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::alarm::Alarm;
use crate::checked::pace::Pace;
use crate::{BoxError, Timing};

/// A request body that must come fast enough. Over HTTP/1 the checked stream sees to that below hyper, and this only
/// passes the body through; over HTTP/2 the bytes of many streams share the connection, and only the body itself knows.
/// The error is a [`crate::checked::BodyFault`] in either case, for `BodyFault::find`.
#[derive(Debug)]
pub struct PacedBody {
    incoming: Incoming,
    clock: Option<Box<Clock>>,
}

#[derive(Debug)]
struct Clock {
    timing: Timing,
    pace: Pace,
    alarm: Alarm,
}

// === impl PacedBody ===

impl PacedBody {
    /// A body with a clock of its own, for HTTP/2.
    #[must_use]
    pub fn paced(incoming: Incoming, timing: &Timing) -> PacedBody {
        let clock = Clock { timing: *timing, pace: Pace::default(), alarm: Alarm::default() };
        let clock = (!incoming.is_end_stream()).then(|| Box::new(clock));
        PacedBody { incoming, clock }
    }

    /// A body without, for HTTP/1.
    #[must_use]
    pub fn unpaced(incoming: Incoming) -> PacedBody {
        PacedBody { incoming, clock: None }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        let frame = Pin::new(&mut body.incoming).poll_frame(context).map_err(BoxError::from);
        let Some(clock) = body.clock.as_deref_mut() else { return frame };
        match &frame {
            Poll::Pending => {
                ready!(clock.pace.poll_wait(context, &clock.timing, &mut clock.alarm));
                Poll::Ready(Some(Err(clock.pace.too_slow().into())))
            }
            Poll::Ready(Some(Ok(frame_ready))) => {
                clock.pace.advance(frame_ready.data_ref().map_or(0, Bytes::len) as u64);
                frame
            }
            Poll::Ready(_) => frame,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
