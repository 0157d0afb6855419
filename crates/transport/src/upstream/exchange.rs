//! One request and the head of its response, over one connection.
//!
//! Both directions are moved by whoever polls: a server may answer before it has read the whole request, and a server that
//! reads slowly must not hold its own answer back.

use std::io;
use std::task::{Context, Poll, ready};

use callgate_model::bounds;
use http::{Request, StatusCode};
use http_body::Body;

use super::connection::Connection;
use super::encode;
use super::error::{self, Kind, UpstreamError};
use super::head::{self, Finder, Head, HeadFault};
use super::upload::{Upload, UploadFault};
use crate::BoxError;

/// Interim answers (1xx) to one request. One or two are usual; without a bound a server could send them for ever.
pub(super) const INTERIM_MAX: u8 = 16;

pub(super) struct Exchange {
    /// What is still to be sent; `None` once all is, or the server takes no more.
    pub(super) upload: Option<Upload>,
    /// Why the server takes no more. It may have said why, so its answer is waited for.
    refused: Option<io::Error>,
    /// Why it took nothing at all.
    unsent: Option<io::Error>,
    finder: Finder,
    interim: u8,
    /// Something was taken of the request's body.
    taken: bool,
    /// The request says that it is the last one.
    last: bool,
}

/// An exchange without a response.
pub(super) struct Failed {
    kind: Kind,
    source: Option<BoxError>,
    /// The request is as it was before.
    pub(super) untouched: bool,
}

/// The connection ended where an answer should have come.
#[derive(Debug, thiserror::Error)]
#[error("the connection ended before the end of the head")]
struct Ended;

// === impl Exchange ===

impl Exchange {
    pub(super) fn begin<B: Body>(request: &Request<B>, connection: &mut Connection) -> Exchange {
        Exchange {
            upload: Some(Upload::begin(request, connection)),
            refused: None,
            unsent: None,
            finder: Finder::default(),
            interim: 0,
            taken: false,
            last: encode::closes(request.headers()),
        }
    }

    /// Ready with the response's head, whose fields have then taken the place of the request's. If [`Exchange::upload`] is
    /// still there, the rest of the request is to be sent while the body is read.
    pub(super) fn poll<B>(
        &mut self,
        connection: &mut Connection,
        request: &mut Request<B>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Head, Failed>>
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        self.pump(connection, request, context)?;
        if self.unsent.is_some() {
            let kind = match ready!(connection.poll_fill(context, 0)) {
                Err(said) if error::refuses_certificate(&said) => {
                    self.unsent = Some(said);
                    Kind::Tls
                }
                _ => Kind::Closed,
            };
            let source = self.unsent.take().map(Into::into);
            return Poll::Ready(Err(Failed { kind, source, untouched: true }));
        }
        loop {
            if let Some(mut head) = self.head(connection, request).map_err(Failed::answer)? {
                head.keeps &= !self.last && self.refused.is_none();
                return Poll::Ready(Ok(head));
            }
            match ready!(connection.poll_fill(context, 0)) {
                Ok(0) => return Poll::Ready(Err(self.closed(Ended.into()))),
                Ok(_) => {}
                Err(error) if error::refuses_certificate(&error) => {
                    let failed = Failed { kind: Kind::Tls, source: Some(error.into()), untouched: false };
                    return Poll::Ready(Err(failed));
                }
                Err(error) => return Poll::Ready(Err(self.closed(error.into()))),
            }
        }
    }

    fn pump<B>(
        &mut self,
        connection: &mut Connection,
        request: &mut Request<B>,
        context: &mut Context<'_>,
    ) -> Result<(), Failed>
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let polled = upload.poll(request.body_mut(), connection, context);
        self.taken = upload.has_taken();
        match polled {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(UploadFault::Body(source))) => {
                return Err(Failed { kind: Kind::RequestBody, source: Some(source), untouched: false });
            }
            // What it said before it closed is no answer to what it never saw. But it may say there that it does not take our
            // certificate.
            Poll::Ready(Err(UploadFault::Write(error)))
                if upload.is_untouched() && connection.io.is_tls() && error.kind() != io::ErrorKind::TimedOut =>
            {
                self.unsent = Some(error);
            }
            // A server that stopped reading says nothing either.
            Poll::Ready(Err(UploadFault::Write(error)))
                if upload.is_untouched() || error.kind() == io::ErrorKind::TimedOut =>
            {
                return Err(Failed {
                    kind: Kind::Closed,
                    untouched: upload.is_untouched(),
                    source: Some(error.into()),
                });
            }
            Poll::Ready(Err(UploadFault::Write(error))) => self.refused = Some(error),
        }
        self.upload = None;
        Ok(())
    }

    /// The final head, if it is there; interim ones are passed over.
    fn head<B>(&mut self, connection: &mut Connection, request: &mut Request<B>) -> Result<Option<Head>, HeadFault> {
        loop {
            let found = self.finder.take(&mut connection.read, bounds::UPSTREAM_HEAD_BYTES_MAX);
            let Some(block) = found.map_err(|_| HeadFault::TooLong)? else {
                // Nobody waits for the end of what can't become a head: another protocol's greeting may have none.
                return if head::may_begin(&connection.read) { Ok(None) } else { Err(HeadFault::Syntax(None)) };
            };
            let method = request.method().clone();
            let head = Head::parse(&block, &method, request.headers_mut())?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(HeadFault::Interim);
            }
        }
    }

    /// Whether the request is whole: nothing was taken of its body, and no answer's fields took the place of its own.
    pub(super) fn is_intact(&self, failed: &Failed) -> bool {
        matches!(failed.kind, Kind::Closed | Kind::Tls) && self.interim == 0 && !self.taken
    }

    fn closed(&mut self, source: BoxError) -> Failed {
        let source = self.refused.take().map_or(source, Into::into);
        Failed { kind: Kind::Closed, source: Some(source), untouched: false }
    }
}

// === impl Failed ===

impl Failed {
    fn answer(fault: HeadFault) -> Failed {
        Failed { kind: fault.kind(), source: Some(fault.into()), untouched: false }
    }

    pub(super) fn into_error(self, reused: bool) -> UpstreamError {
        UpstreamError::exchange(self.kind, self.source, self.untouched, reused)
    }
}
