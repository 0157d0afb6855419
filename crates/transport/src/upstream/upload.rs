//! A request on its way to the server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::Request;
use http_body::{Body, Frame};

use super::connection::{Connection, Payload};
use super::encode::{self, Coding};
use crate::BoxError;

/// A frame up to this size is copied behind the head or the frames before it, so that they leave in one write. A larger
/// one goes out from where it is.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// Frames are gathered for one write up to this.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// How far a request has been sent. Its body is held by whoever sends it.
pub(super) struct Upload {
    coding: Coding,
    /// The large frame that goes out now. There is at most one: more is taken of the body when it is gone.
    payload: Option<Payload>,
    /// The body has been taken to its end.
    ended: bool,
    /// Something was taken of the body, so that the request can't be given back.
    taken: bool,
    /// A byte has left.
    begun: bool,
}

/// Why a request can't be sent any further.
#[derive(Debug)]
pub(super) enum UploadFault {
    /// Its body failed.
    Body(BoxError),
    /// The server doesn't take it.
    Write(io::Error),
}

/// A body that does not keep to what its head says.
#[derive(Debug, thiserror::Error)]
enum LengthFault {
    #[error("the request's body is longer than its Content-Length")]
    Longer,
    #[error("the request's body is shorter than its Content-Length: {0} bytes are missing")]
    Shorter(u64),
}

// === impl Upload ===

impl Upload {
    /// Puts the request's head into the connection's buffer.
    pub(super) fn begin<B: Body>(request: &Request<B>, connection: &mut Connection) -> Upload {
        let coding = encode::head(request, &mut connection.write);
        Upload { coding, payload: None, ended: coding == Coding::Length(0), taken: false, begun: false }
    }

    /// Whether the request is as it was: nothing of it has left, and nothing is missing from its body.
    pub(super) fn is_untouched(&self) -> bool {
        !self.begun && !self.taken
    }

    /// Whether something was taken of the request's body.
    pub(super) fn has_taken(&self) -> bool {
        self.taken
    }

    /// Sends what can be sent; ready when all of it has left. More of the body is taken only when nearly all that was
    /// taken before has left.
    pub(super) fn poll<B>(
        &mut self,
        body: &mut B,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadFault>>
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        loop {
            let waits = self.gather(body, connection, context).map_err(UploadFault::Body)?.is_pending();
            ready!(connection.poll_write(context, &mut self.payload, &mut self.begun)).map_err(UploadFault::Write)?;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            if waits {
                return Poll::Pending;
            }
        }
    }

    /// Takes frames until there is enough for a write. Pending if the body has none.
    fn gather<B>(
        &mut self,
        body: &mut B,
        connection: &mut Connection,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>>
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        while !self.ended && self.payload.is_none() && connection.write.len() < GATHERED_BYTES_MAX {
            let frame = ready!(Pin::new(&mut *body).poll_frame(context)).transpose().map_err(Into::into)?;
            self.taken = true;
            match frame {
                Some(frame) => self.take(frame, &mut connection.write)?,
                None => self.end(&mut connection.write)?,
            }
            // Known now, the end leaves with the last bytes.
            if !self.ended && self.coding == Coding::Chunked && body.is_end_stream() {
                match &mut self.payload {
                    Some(payload) => payload.behind = b"\r\n0\r\n\r\n",
                    None => connection.write.extend_from_slice(b"0\r\n\r\n"),
                }
                self.ended = true;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn take<D: Buf>(&mut self, frame: Frame<D>, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(other) => {
                if let (Coding::Chunked, Ok(fields)) = (self.coding, other.into_trailers()) {
                    encode::trailers(&fields, out);
                    self.ended = true;
                }
                return Ok(());
            }
        };
        let length = data.remaining();
        if length == 0 {
            return Ok(());
        }
        let behind: &[u8] = match &mut self.coding {
            Coding::Length(left) => {
                *left = left.checked_sub(length as u64).ok_or(LengthFault::Longer)?;
                self.ended = *left == 0;
                b""
            }
            Coding::Chunked => {
                encode::chunk(length, out);
                b"\r\n"
            }
        };
        let data = data.copy_to_bytes(length);
        if length <= COPIED_BYTES_MAX {
            out.extend_from_slice(&data);
            out.extend_from_slice(behind);
        } else {
            self.payload = Some(Payload { data, behind });
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        match self.coding {
            Coding::Length(0) => {}
            Coding::Length(left) => return Err(LengthFault::Shorter(left).into()),
            Coding::Chunked => out.extend_from_slice(b"0\r\n\r\n"),
        }
        self.ended = true;
        Ok(())
    }
}
