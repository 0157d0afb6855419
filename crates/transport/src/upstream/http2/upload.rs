//! A request's body on its way to the server.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http_body::Body;

use crate::BoxError;

/// The sending half of a call's stream. Dropped before its end, it resets the stream.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    /// All of the body was handed over.
    ended: bool,
    /// Something was taken of the body, so that the request can't be given back.
    taken: bool,
}

// === impl Upload ===

impl Upload {
    /// The body of a request whose head was sent; `ended` if there is none.
    pub(super) fn new(stream: SendStream<Bytes>, ended: bool) -> Upload {
        Upload { stream, ended, taken: false }
    }

    /// Whether the body is as it was.
    pub(super) fn is_untouched(&self) -> bool {
        !self.taken
    }

    /// Sends what the server has room for. Ready when all was sent, or when the server takes no more: why it does not, its
    /// answer says.
    ///
    /// # Errors
    /// The body failed; the server is told that the call is given up.
    pub(super) fn poll<B>(&mut self, body: &mut B, context: &mut Context<'_>) -> Poll<Result<(), BoxError>>
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        while !self.ended {
            if self.stream.poll_reset(context).is_ready() {
                self.ended = true;
                break;
            }
            // Room for one byte is room for a frame: h2 holds back what is over the window, up to its buffer. Less than
            // that is taken of the body only when what was taken before has left.
            self.stream.reserve_capacity(1);
            while self.stream.capacity() == 0 {
                if !matches!(ready!(self.stream.poll_capacity(context)), Some(Ok(_))) {
                    self.ended = true;
                    return Poll::Ready(Ok(()));
                }
            }
            let frame = ready!(Pin::new(&mut *body).poll_frame(context));
            self.taken = true;
            let sent = match frame {
                Some(Err(error)) => {
                    self.ended = true;
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(error.into()));
                }
                None => {
                    self.ended = true;
                    self.stream.send_data(Bytes::new(), true)
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => {
                        self.ended = body.is_end_stream();
                        let data = data.copy_to_bytes(data.remaining());
                        self.stream.send_data(data, self.ended)
                    }
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => {
                            self.ended = true;
                            self.stream.send_trailers(trailers)
                        }
                        Err(_) => Ok(()),
                    },
                },
            };
            if sent.is_err() {
                self.ended = true;
            }
        }
        Poll::Ready(Ok(()))
    }
}
