//! The body of an answer, whoever made it. The call's record lives in it and is made when it ends.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use callgate_model::bounds;
use callgate_model::record::End;
use callgate_transport::switch::{Answering, Session};
use callgate_transport::websocket::Relay;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::{BoxError, UpstreamBody, cleaned};
use crate::call::CallGuard;
use crate::watch::{Lapsed, Watch};
use crate::websocket::Websocket;

/// The body of an answer.
#[derive(Debug)]
pub struct AnswerBody {
    content: Content,
    guard: CallGuard,
}

#[derive(Debug)]
enum Content {
    /// The gate's own.
    Whole(Option<Bytes>),
    /// The upstream's, streaming.
    Upstream(Upstream),
    /// None; the connection goes on as this.
    Websocket(Box<Relay>, Watch),
}

#[derive(Debug)]
struct Upstream {
    body: UpstreamBody,
    /// Bytes until the declared length is reached; none without one.
    left: Option<u64>,
    times: BodyTimes,
    /// Made when the upstream first lets us wait, so that an answer that comes whole costs no timer.
    alarm: Option<Pin<Box<Sleep>>>,
    /// When the last byte came since the alarm was set.
    moved_at: Option<Instant>,
    watch: Watch,
    /// It takes long enough for its credential to be looked at.
    watched: bool,
    /// Pieces so far.
    frames: u8,
    /// Bytes of the request that had passed when the alarm was set: an answer is not late while its request still comes.
    asked: u64,
}

/// From this piece on an answer has its credential looked at, however fast it comes: nearly all are over by then.
const FRAMES_UNWATCHED: u8 = 32;

/// How long an upstream's body may take.
#[derive(Debug, Clone, Copy)]
pub struct BodyTimes {
    /// Between two bytes.
    pub idle: Duration,
    /// The end of the whole call.
    pub deadline: Option<Instant>,
}

/// Why an answer's body broke off.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's answer took too long")]
struct TimedOut;

/// The other one.
#[derive(Debug, thiserror::Error)]
#[error("the credential of the call has lapsed: {0:?}")]
struct CredentialLapsed(Lapsed);

// === impl AnswerBody ===

impl AnswerBody {
    /// A body of the gate's own.
    #[must_use]
    pub fn whole(bytes: Bytes, mut guard: CallGuard) -> AnswerBody {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        if bytes.is_none() {
            guard.complete();
        }
        AnswerBody { content: Content::Whole(bytes), guard }
    }

    /// None: the call goes on as a WebSocket.
    #[must_use]
    pub(crate) fn websocket(relay: Box<Relay>, watch: Watch, guard: CallGuard) -> AnswerBody {
        AnswerBody { content: Content::Websocket(relay, watch), guard }
    }

    /// An upstream's body.
    #[must_use]
    pub(crate) fn upstream(body: UpstreamBody, times: BodyTimes, watch: Watch, mut guard: CallGuard) -> AnswerBody {
        if body.is_end_stream() {
            guard.complete();
        }
        let left = body.size_hint().exact();
        let upstream =
            Upstream { body, left, times, alarm: None, moved_at: None, watch, watched: false, frames: 0, asked: 0 };
        AnswerBody { content: Content::Upstream(upstream), guard }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        match &mut this.content {
            Content::Whole(bytes) => {
                let bytes = bytes.take();
                this.guard.sent(bytes.as_ref().map_or(0, Bytes::len));
                this.guard.complete();
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Content::Upstream(upstream) => upstream.poll(context, &mut this.guard),
            Content::Websocket(..) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Upstream(upstream) => upstream.body.is_end_stream(),
            Content::Websocket(..) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Upstream(upstream) => upstream.body.size_hint(),
            Content::Websocket(..) => SizeHint::with_exact(0),
        }
    }
}

impl Answering for AnswerBody {
    fn into_session(self) -> Result<Box<dyn Session>, AnswerBody> {
        match self.content {
            Content::Websocket(relay, watch) => Ok(Box::new(Websocket::new(*relay, watch, self.guard))),
            _ => Err(self),
        }
    }
}

// === impl Upstream ===

impl Upstream {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        guard: &mut CallGuard,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.watched
            && let Some(lapsed) = self.watch.lapsed()
        {
            return broken_off(guard, lapsed);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                guard.sent(length);
                self.frames = self.frames.saturating_add(1);
                // One that never lets us wait would otherwise never be looked at.
                if self.frames == FRAMES_UNWATCHED {
                    self.watched = true;
                    self.watch.poll_lapsed(context);
                }
                self.moved_at = self.alarm.is_some().then(Instant::now);
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(length as u64);
                }
                // hyper stops polling once a declared length is reached, so this is the last chance to know.
                if self.left == Some(0) || self.body.is_end_stream() {
                    guard.complete();
                }
                Poll::Ready(Some(Ok(cleaned(frame))))
            }
            Poll::Ready(None) => {
                guard.complete();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                guard.upstream_broke();
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Pending => self.wait(context, guard),
        }
    }

    fn wait(
        &mut self,
        context: &mut Context<'_>,
        guard: &mut CallGuard,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let times = self.times;
        let next = |from: Instant| {
            let idle_at = from + times.idle;
            times.deadline.map_or(idle_at, |deadline| deadline.min(idle_at))
        };
        let asked = || guard.request.as_ref().map_or(0, |progress| progress.bytes());
        if self.alarm.is_none() {
            self.asked = asked();
        }
        let is_watched = self.watch.is_over_any();
        let moved_at = &mut self.moved_at;
        let alarm = self.alarm.get_or_insert_with(|| {
            let now = Instant::now();
            let first = if is_watched { next(now).min(now + bounds::CREDENTIAL_WATCHED_AFTER) } else { next(now) };
            *moved_at = Some(now);
            Box::pin(tokio::time::sleep_until(first))
        });
        while alarm.as_mut().poll(context).is_ready() {
            self.watched = true;
            if self.asked != asked() {
                self.asked = asked();
                self.moved_at = Some(Instant::now());
            }
            // Bytes have moved since the alarm was set: it is set anew now, instead of at every byte.
            let due = self.moved_at.take().map(next).filter(|due| *due > Instant::now());
            let Some(due) = due else {
                guard.broke(End::TimedOut);
                return Poll::Ready(Some(Err(Box::new(TimedOut))));
            };
            alarm.as_mut().reset(due);
        }
        if self.watched
            && let Some(lapsed) = self.watch.poll_lapsed(context)
        {
            return broken_off(guard, lapsed);
        }
        Poll::Pending
    }
}

fn broken_off(guard: &mut CallGuard, lapsed: Lapsed) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
    let end = match lapsed {
        Lapsed::Revoked => End::Revoked,
        Lapsed::Expired => End::Expired,
    };
    guard.broke(end);
    Poll::Ready(Some(Err(Box::new(CredentialLapsed(lapsed)))))
}
