//! The pace of an HTTP/2 request body.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::alarm::Alarm;
use crate::http1::pace::Pace;
use crate::{BoxError, Timing};

/// A request body that must come fast enough: over HTTP/2 the bytes of many streams share the connection, and only the body
/// itself knows. The error is a [`crate::http1::BodyFault`], for `BodyFault::find`.
#[derive(Debug)]
pub(crate) struct PacedBody {
    /// None once it was dropped.
    incoming: Option<Incoming>,
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
    /// A body with a clock of its own.
    pub(crate) fn new(incoming: Incoming, timing: &Timing) -> PacedBody {
        let clock = Clock { timing: *timing, pace: Pace::default(), alarm: Alarm::default() };
        let clock = (!incoming.is_end_stream()).then(|| Box::new(clock));
        PacedBody { incoming: Some(incoming), clock }
    }

    /// See [`crate::http1::RequestBody::may_pause`].
    pub(crate) fn may_pause(&mut self, idle_max: Duration) {
        if let Some(clock) = &mut self.clock {
            clock.timing.body_idle_max = idle_max;
            clock.timing.body_rate_grace = Duration::MAX;
        }
    }
}

/// Over HTTP/2 a body that is dropped unread resets its stream, and clients that are still sending (curl before 8) take
/// the reset for a failure although the whole answer came before it (RFC 9113 section 8.1 says they must not). So the
/// rest is discarded within the bounds of a linger, as HTTP/1 connections do.
impl Drop for PacedBody {
    fn drop(&mut self) {
        if let (Some(incoming), Some(clock)) = (self.incoming.take(), self.clock.take())
            && !incoming.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(discard(incoming, clock.timing));
        }
    }
}

async fn discard(mut incoming: Incoming, timing: Timing) {
    let mut left = timing.linger_bytes_max;
    let all = async {
        while left > 0 {
            let frame = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context));
            let Ok(Some(Ok(frame))) = tokio::time::timeout(timing.linger_quiet_max, frame).await else { break };
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
    };
    // Late or not: the body is dropped now.
    let _late = tokio::time::timeout(timing.linger_max, all).await;
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        let Some(incoming) = &mut body.incoming else { return Poll::Ready(None) };
        let frame = Pin::new(incoming).poll_frame(context).map_err(BoxError::from);
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
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}
