//! `GET /events`: server-sent events (HTML standard, section 9.2), five of them, to see that nothing in between buffers.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep, sleep};

use crate::answer::Answer;
use crate::ask::Ask;

const EVENTS: u32 = 5;
const PAUSE_MS_DEFAULT: u32 = 200;
const PAUSE_MS_MAX: u32 = 10_000;

/// The events, made while they are sent.
struct EventBody {
    sent: u32,
    pause: Duration,
    /// Runs out when the next event is due.
    due: Pin<Box<Sleep>>,
}

/// Five events with `ms` milliseconds between them, then the end.
pub(crate) fn get(ask: &Ask) -> Answer {
    let pause_ms = ask.query_number("ms")?.unwrap_or(PAUSE_MS_DEFAULT).min(PAUSE_MS_MAX);
    let pause = Duration::from_millis(pause_ms.into());
    let body = EventBody { sent: 0, pause, due: Box::pin(sleep(Duration::ZERO)) };
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

// === impl EventBody ===

impl http_body::Body for EventBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.sent == EVENTS {
            return Poll::Ready(None);
        }
        ready!(self.due.as_mut().poll(context));
        self.sent += 1;
        let next = Instant::now() + self.pause;
        self.due.as_mut().reset(next);
        let event = format!("id: {n}\nevent: sale\ndata: {{\"book\":{n},\"of\":{EVENTS}}}\n\n", n = self.sent);
        Poll::Ready(Some(Ok(Frame::data(event.into()))))
    }
}
