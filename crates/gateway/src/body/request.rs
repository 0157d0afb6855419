//! The caller's body: streamed to the upstream, counted while it passes, and cut when it exceeds its cap.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_transport::checked;
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
}

/// A body on its way to the upstream.
#[derive(Debug)]
pub struct RequestBody(Source);

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Streaming { body: ClientBody, progress: Arc<Progress>, bytes_max: u64 },
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

    /// Why it was cut, as the refusal that the caller hears.
    #[must_use]
    pub fn refusal(&self) -> Option<Refused> {
        self.fault.get().map(BodyFault::refusal)
    }

    /// Whether the caller went away.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.fault.get() == Some(&BodyFault::Gone)
    }

    fn note(&self, fault: BodyFault) -> BodyFault {
        self.fault.get_or_init(|| fault).clone()
    }
}

// === impl BodyFault ===

impl BodyFault {
    fn of(error: &BoxError) -> BodyFault {
        match checked::BodyFault::find(error.as_ref()) {
            Some(checked::BodyFault::TooSlow { .. }) => BodyFault::TooSlow,
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
            BodyFault::Gone => {
                Refusal::new(Code::RequestTimeout, "The caller went away in the middle of the request's body.")
            }
        }
    }
}

// === impl RequestBody ===

impl RequestBody {
    /// A body that streams, is counted, and is cut past `bytes_max`.
    #[must_use]
    pub fn streaming(body: ClientBody, progress: Arc<Progress>, bytes_max: u64) -> RequestBody {
        if body.is_end_stream() {
            progress.ended.store(true, Ordering::Relaxed);
        }
        RequestBody(Source::Streaming { body, progress, bytes_max })
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

    /// Collects the whole body, at most `bytes_max`. Trailers are dropped: the collected body is forwarded with a length.
    ///
    /// # Errors
    /// `body_too_large`, or what cut it.
    pub async fn collect(mut self, bytes_max: u64) -> Result<Bytes, Refused> {
        if let Source::Streaming { bytes_max: own, .. } = &mut self.0 {
            *own = bytes_max.min(*own);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let frame = frame.map_err(|error| match error.downcast_ref::<BodyFault>() {
                Some(fault) => fault.refusal(),
                None => BodyFault::Gone.refusal(),
            })?;
            if let Ok(data) = frame.into_data() {
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Streaming { body, progress, bytes_max } => {
                let frame = match ready!(Pin::new(&mut *body).poll_frame(context)) {
                    None => None,
                    Some(Err(error)) => Some(Err(progress.note(BodyFault::of(&error)).into())),
                    Some(Ok(frame)) => {
                        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                        let passed = progress.bytes.fetch_add(length, Ordering::Relaxed) + length;
                        if passed > *bytes_max {
                            Some(Err(progress.note(BodyFault::TooLarge(*bytes_max)).into()))
                        } else {
                            Some(Ok(cleaned(frame)))
                        }
                    }
                };
                if frame.is_none() || body.is_end_stream() {
                    progress.ended.store(true, Ordering::Relaxed);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(bytes) => bytes.is_none(),
            Source::Streaming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Source::Streaming { body, .. } => body.size_hint(),
        }
    }
}
