//! The body of a response, with the connection that it comes over.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::Connection;
use super::decode::{Decoder, Step};
use super::error::BodyError;
use super::http2::Http2Body;
use super::slot::Slot;
use super::switched::Switched;
use super::upload::{Upload, UploadFault};
use crate::BoxError;

/// How long a request may need, after the last byte of its response, to have been sent; or an HTTP/2 stream to end. It needs any time at all only if its
/// server answered before it had read the whole request.
pub(super) const SETTLE_TIME_MAX: Duration = Duration::from_millis(100);

/// A connection in use, and where it goes afterwards. Dropped, it closes the connection: nobody knows what is still to come
/// on it.
pub(super) struct Lease {
    pub(super) connection: Box<Connection>,
    pub(super) slot: Rc<Slot>,
}

/// The rest of a request whose response has begun.
pub(super) struct Rest<B> {
    pub(super) upload: Upload,
    pub(super) body: B,
}

/// The body of an upstream's response. Read to its end, its connection is kept for the next call; dropped before, the
/// connection is closed, or over HTTP/2 the stream is reset.
pub struct UpstreamBody<B>(Source<B>);

enum Source<B> {
    Http1(Http1Body<B>),
    Http2(Box<Http2Body>),
}

/// A body that has its connection for itself. If the server answered before it had the whole request, reading this sends
/// the rest of it.
struct Http1Body<B> {
    decoder: Decoder,
    /// `None` once the connection was given back or given up.
    lease: Option<Lease>,
    /// Whether the server lets the connection be used again.
    keeps: bool,
    /// In a box, because hardly any response has it.
    rest: Option<Box<Rest<B>>>,
}

// === impl Lease ===

impl Lease {
    /// Sends the rest of a request whose response is over; if that takes no longer than a moment, the connection is kept.
    async fn settle<B>(mut self, mut rest: Box<Rest<B>>)
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let Rest { upload, body } = &mut *rest;
        let sent = poll_fn(|context| upload.poll(body, &mut self.connection, context));
        if let Ok(Ok(())) = tokio::time::timeout(SETTLE_TIME_MAX, sent).await
            && self.connection.is_quiet()
        {
            self.slot.keep(self.connection);
        }
    }
}

// === impl Http1Body ===

impl<B> Http1Body<B>
where
    B: Body + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let step = ready!(self.poll_step(context));
        if step.is_err() {
            self.lease = None;
            self.rest = None;
        }
        // Whoever writes the last piece out does not ask for another.
        self.park_if_ended();
        Poll::Ready(match step {
            Ok(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Ok(Step::Trailers(fields)) => Some(Ok(Frame::trailers(fields))),
            Ok(Step::Ended | Step::More(_)) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Gives the connection back if the response has ended and nothing came behind it.
    fn park_if_ended(&mut self) {
        if !self.decoder.has_ended() {
            return;
        }
        let rest = self.rest.take();
        let Some(lease) = self.lease.take().filter(|lease| self.keeps && lease.connection.read.is_empty()) else {
            return;
        };
        match rest {
            None => lease.slot.keep(lease.connection),
            Some(rest) => {
                tokio::task::spawn_local(lease.settle(rest));
            }
        }
    }

    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<Step, BodyError>> {
        let Some(Lease { connection, .. }) = &mut self.lease else { return Poll::Ready(Ok(Step::Ended)) };
        if let Some(rest) = &mut self.rest {
            match rest.upload.poll(&mut rest.body, connection, context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.rest = None,
                Poll::Ready(Err(UploadFault::Body(error))) => return Poll::Ready(Err(BodyError::Request(error))),
                // What it has to say is on its way already.
                Poll::Ready(Err(UploadFault::Write(_))) => {
                    self.keeps = false;
                    self.rest = None;
                }
            }
        }
        loop {
            let more = match self.decoder.step(&mut connection.read).map_err(BodyError::Chunked)? {
                Step::More(more) => more,
                step => return Poll::Ready(Ok(step)),
            };
            if ready!(connection.poll_fill(context, more)).map_err(BodyError::Read)? == 0 {
                self.decoder.close()?;
            }
        }
    }
}

// === impl UpstreamBody ===

impl<B> UpstreamBody<B>
where
    B: Body + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn http1(decoder: Decoder, keeps: bool, lease: Lease, rest: Option<Box<Rest<B>>>) -> UpstreamBody<B> {
        let mut body = Http1Body { decoder, lease: Some(lease), keeps, rest };
        body.park_if_ended();
        UpstreamBody(Source::Http1(body))
    }

    /// None at all.
    pub(super) fn nothing() -> UpstreamBody<B> {
        UpstreamBody(Source::Http1(Http1Body { decoder: Decoder::Ended, lease: None, keeps: false, rest: None }))
    }

    pub(super) fn http2(body: Http2Body) -> UpstreamBody<B> {
        UpstreamBody(Source::Http2(Box::new(body)))
    }

    /// The connection itself, after a 101.
    #[must_use]
    pub fn into_switched(self) -> Option<Switched> {
        match self.0 {
            Source::Http1(mut body) => body.lease.take().map(Switched),
            Source::Http2(_) => None,
        }
    }
}

impl<B> Body for UpstreamBody<B>
where
    B: Body + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.get_mut().0 {
            Source::Http1(body) => body.poll_frame(context),
            Source::Http2(body) => body.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Http1(body) => body.decoder.has_ended(),
            Source::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Http1(body) => match body.decoder {
                Decoder::Ended => SizeHint::with_exact(0),
                Decoder::Length(left) => SizeHint::with_exact(left),
                Decoder::Chunked(_) | Decoder::UntilClose => SizeHint::default(),
            },
            Source::Http2(body) => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for UpstreamBody<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.0 {
            Source::Http1(_) => "HTTP/1.1",
            Source::Http2(_) => "HTTP/2",
        };
        formatter.debug_tuple("UpstreamBody").field(&protocol).finish()
    }
}
