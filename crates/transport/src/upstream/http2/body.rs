//! The body of a response that came over HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::connection::Place;
use crate::upstream::body::SETTLE_TIME_MAX;
use crate::upstream::error::BodyError;

/// The receiving half of a call's stream. Dropped before its end, it resets the stream.
pub(in crate::upstream) struct Http2Body {
    stream: RecvStream,
    /// `None` once the stream is over.
    place: Option<Place>,
    /// The task that still sends the request. It ends with the response: a server that has said all it has to say needs no
    /// more of it.
    upload: Option<AbortHandle>,
    /// What of a declared length is still to come.
    left: Option<u64>,
    /// The data has ended; trailers may follow.
    data_ended: bool,
}

// === impl Http2Body ===

impl Http2Body {
    pub(super) fn new(stream: RecvStream, headers: &HeaderMap, place: Place, upload: Option<AbortHandle>) -> Http2Body {
        let left = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Http2Body { stream, place: Some(place), upload, left, data_ended: false };
        body.leave_if_ended();
        body
    }

    /// Gives the place back if the stream is over.
    fn leave_if_ended(&mut self) {
        if self.place.is_some() && self.stream.is_end_stream() {
            self.leave();
        }
    }

    fn leave(&mut self) {
        self.place = None;
        if let Some(upload) = self.upload.take() {
            upload.abort();
        }
    }

    pub(in crate::upstream) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(place) = &self.place else { return Poll::Ready(None) };
        let frame = ready!(poll_stream(&mut self.stream, &mut self.data_ended, context));
        place.heard();
        let over = match &frame {
            None | Some(Err(_)) => true,
            Some(Ok(frame)) => {
                if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
                    *left = left.saturating_sub(data.len() as u64);
                }
                frame.is_trailers()
            }
        };
        if over {
            self.leave();
        } else {
            // Whoever writes the last piece out does not ask for another.
            self.leave_if_ended();
        }
        Poll::Ready(frame)
    }

    pub(in crate::upstream) fn is_end_stream(&self) -> bool {
        self.place.is_none()
    }

    pub(in crate::upstream) fn size_hint(&self) -> SizeHint {
        match self.left {
            _ if self.place.is_none() => SizeHint::with_exact(0),
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Http2Body {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Waits a moment for the end of a stream whose answer has no body: it may come behind the head, and a reset before it would
/// tell the server that nobody wants the answer.
pub(super) async fn end(mut stream: RecvStream, place: Place) {
    if !stream.is_end_stream() {
        // What comes instead of the end is thrown away with the stream.
        let _rest = timeout(SETTLE_TIME_MAX, stream.data()).await;
    }
    drop((stream, place));
}

fn poll_stream(
    stream: &mut RecvStream,
    data_ended: &mut bool,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    while !*data_ended {
        match ready!(stream.poll_data(context)) {
            Some(Ok(data)) => {
                // It is the caller's from here on, and goes out before the next piece is asked for.
                if let Err(error) = stream.flow_control().release_capacity(data.len()) {
                    return Poll::Ready(Some(Err(BodyError::Http2(error))));
                }
                if !data.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
            // Any reset, one without an error too: that a server wants no more of the request it says behind the end of its
            // answer (RFC 9113 section 8.1), and then `h2` tells of the end.
            Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::Http2(error)))),
            None => *data_ended = true,
        }
    }
    Poll::Ready(match ready!(Pin::new(stream).poll_trailers(context)) {
        Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
        Err(error) => Some(Err(BodyError::Http2(error))),
    })
}
