//! The request's body on its way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

use crate::error::CallError;
use crate::request::Payload;

/// Bytes read from a file at once.
const PIECE_BYTES: usize = 64 * 1024;

/// A payload being sent.
pub(super) enum Outgoing {
    Nothing,
    Whole(Option<Bytes>),
    File { file: File, left: u64 },
}

// === impl Outgoing ===

impl Outgoing {
    pub(super) async fn open(payload: &Payload) -> Result<Outgoing, CallError> {
        match payload {
            Payload::Nothing => Ok(Outgoing::Nothing),
            Payload::Whole(bytes) => Ok(Outgoing::Whole(Some(bytes.clone()).filter(|bytes| !bytes.is_empty()))),
            Payload::File { path, length } => match File::open(path).await {
                Ok(file) => Ok(Outgoing::File { file, left: *length }),
                Err(source) => Err(CallError::Input { path: path.clone(), source }),
            },
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let (file, left) = match self.get_mut() {
            Outgoing::Nothing => return Poll::Ready(None),
            Outgoing::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Outgoing::File { left: 0, .. } => return Poll::Ready(None),
            Outgoing::File { file, left } => (file, left),
        };
        // Never more than was announced: what a growing file has by now is not a part of this request.
        let want = usize::try_from(*left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let mut piece = BytesMut::zeroed(want);
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(file).poll_read(context, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            let cause = "the file became shorter while it was sent";
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, cause))));
        }
        *left -= read as u64;
        piece.truncate(read);
        Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Outgoing::Nothing | Outgoing::Whole(None) | Outgoing::File { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Outgoing::Nothing | Outgoing::Whole(None) => 0,
            Outgoing::Whole(Some(bytes)) => bytes.len() as u64,
            Outgoing::File { left, .. } => *left,
        })
    }
}
