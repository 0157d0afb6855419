//! The caller's body: streamed to the upstream, counted while it passes, and cut when it exceeds its cap.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_transport::http1;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use thiserror::Error;

use super::{BoxError, ClientBody, cleaned};
use crate::policy::size;

/// How far a body has come. Shared by the call and by the body, which lives in the upstream's connection.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes that passed.
    bytes: AtomicU64,
    /// Why it was cut. The upstream's connection only says that the body failed; this says why.
    fault: OnceLock<BodyFault>,
    /// The last byte has passed.
    ended: AtomicBool,
    /// More was asked for than the caller had sent: whoever waits now waits for the caller.
    starved: AtomicBool,
}

/// Why a body was cut.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyFault {
    /// More than its cap, in bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// Its framing is broken.
    #[error("the body's framing is broken: {0}")]
    Malformed(String),
    /// It came too slowly.
    #[error("the body came too slowly")]
    TooSlow,
    /// The caller went away.
    #[error("the caller went away in the middle of the body")]
    Gone,
    /// There must be none: its type is missing, which showed only when it came.
    #[error("the body's type is not taken")]
    Refused(Refused),
}

/// A body on its way to the upstream.
#[derive(Debug)]
pub struct RequestBody(Source);

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Streaming(Streaming),
}

#[derive(Debug)]
struct Streaming {
    body: ClientBody,
    progress: Arc<Progress>,
    bytes_max: u64,
    /// Why not a byte may come.
    refused_if_any: Option<Refused>,
    /// Read ahead by [`RequestBody::collect`]; goes first.
    held: Option<Bytes>,
}

/// What came of collecting a body.
#[derive(Debug)]
pub enum Collected {
    /// All of it.
    Whole(Bytes),
    /// It has more bytes than were asked for. Nothing of it is lost.
    Longer(RequestBody),
}

// === impl Progress ===

impl Progress {
    /// Bytes that passed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the last byte has passed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether the next byte must come from the caller; when not, the upstream takes none.
    #[must_use]
    pub fn waits_for_caller(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }

    /// Why it was cut, as the refusal that the caller hears.
    #[must_use]
    pub fn refusal(&self) -> Option<Refused> {
        self.fault.get().map(BodyFault::refusal)
    }

    /// Why it was cut.
    #[must_use]
    pub fn fault(&self) -> Option<&BodyFault> {
        self.fault.get()
    }

    /// Whether the caller went away.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.fault() == Some(&BodyFault::Gone)
    }

    fn note(&self, fault: BodyFault) -> BodyFault {
        self.fault.get_or_init(|| fault).clone()
    }
}

// === impl BodyFault ===

impl BodyFault {
    fn of(error: &BoxError) -> BodyFault {
        match http1::BodyFault::find(error.as_ref()) {
            Some(http1::BodyFault::TooSlow { .. }) => BodyFault::TooSlow,
            Some(fault) => BodyFault::Malformed(fault.to_string()),
            None => BodyFault::Gone,
        }
    }

    /// What the caller hears.
    #[must_use]
    pub fn refusal(&self) -> Refused {
        match self {
            BodyFault::TooLarge(bytes_max) => size::too_large("more bytes than that", *bytes_max),
            BodyFault::Malformed(_) => Refusal::new(Code::MalformedRequest, format!("The request is refused: {self}.")),
            BodyFault::TooSlow => Refusal::new(Code::RequestTimeout, "The request's body came too slowly."),
            BodyFault::Refused(refusal) => refusal.clone(),
            BodyFault::Gone => {
                Refusal::new(Code::RequestTimeout, "The caller went away in the middle of the request's body.")
            }
        }
    }
}

// === impl RequestBody ===

impl RequestBody {
    /// A body that streams, is counted, and is cut past `bytes_max`, or at its first byte when it may have none.
    #[must_use]
    pub fn streaming(
        body: ClientBody,
        progress: Arc<Progress>,
        bytes_max: u64,
        refused_if_any: Option<Refused>,
    ) -> RequestBody {
        if body.is_end_stream() {
            progress.ended.store(true, Ordering::Relaxed);
        }
        RequestBody(Source::Streaming(Streaming { body, progress, bytes_max, refused_if_any, held: None }))
    }

    /// A body that was collected.
    #[must_use]
    pub fn whole(bytes: Bytes) -> RequestBody {
        RequestBody(Source::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// Whether there is no body.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is_end_stream()
    }

    /// Whether it was collected: its length is known anew.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.0, Source::Whole(_))
    }

    /// The same body once more, if nothing of it is still to come from the caller. To be asked before it is sent.
    #[must_use]
    pub fn again(&self) -> Option<RequestBody> {
        match &self.0 {
            Source::Whole(bytes) => Some(RequestBody(Source::Whole(bytes.clone()))),
            Source::Streaming(_) => self.is_empty().then_some(RequestBody(Source::Whole(None))),
        }
    }

    /// Collects the whole body, if it has no more than `bytes_max`. Trailers are dropped: a collected body is forwarded with
    /// a length.
    ///
    /// # Errors
    /// What cut it.
    pub async fn collect(mut self, bytes_max: u64) -> Result<Collected, Refused> {
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let frame = frame.map_err(|error| match error.downcast_ref::<BodyFault>() {
                Some(fault) => fault.refusal(),
                None => BodyFault::Gone.refusal(),
            })?;
            if let Ok(data) = frame.into_data() {
                whole.extend_from_slice(&data);
            }
            if whole.len() as u64 > bytes_max
                && let Source::Streaming(streaming) = &mut self.0
            {
                streaming.held = Some(whole.freeze());
                return Ok(Collected::Longer(self));
            }
        }
        Ok(Collected::Whole(whole.freeze()))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Streaming(streaming) => streaming.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(bytes) => bytes.is_none(),
            Source::Streaming(streaming) => streaming.held.is_none() && streaming.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Streaming(Streaming { held: None, body, .. }) => body.size_hint(),
            Source::Streaming(Streaming { held: Some(held), body, .. }) => {
                let (rest, held) = (body.size_hint(), held.len() as u64);
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower() + held);
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper + held);
                }
                hint
            }
        }
    }
}

// === impl Streaming ===

impl Streaming {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(held) = self.held.take() {
            return Poll::Ready(Some(Ok(Frame::data(held))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.progress.starved.store(polled.is_pending(), Ordering::Relaxed);
        let frame = match ready!(polled) {
            None => None,
            Some(Err(error)) => Some(Err(self.progress.note(BodyFault::of(&error)).into())),
            Some(Ok(frame)) => Some(self.count(frame).map_err(|fault| self.progress.note(fault).into())),
        };
        if frame.is_none() || self.body.is_end_stream() {
            self.progress.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn count(&self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyFault> {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        let passed = self.progress.bytes.fetch_add(length, Ordering::Relaxed) + length;
        match &self.refused_if_any {
            Some(refusal) if passed > 0 => Err(BodyFault::Refused(refusal.clone())),
            _ if passed > self.bytes_max => Err(BodyFault::TooLarge(self.bytes_max)),
            _ => Ok(cleaned(frame)),
        }
    }
}
