//! The body of a request: where it ends, whether it comes fast enough, and what of it is read when.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use callgate_wire::chunked::ChunkDecoder;
use callgate_wire::head::Framing;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::Wire;
use super::fault::BodyFault;
use super::input::Reading;
use super::pace::Pace;
use crate::BoxError;
use crate::serve::PacedBody;

/// A body of at most this size that is here with its head is thrown away when nobody reads it, and costs no connection.
const AT_HAND_BYTES_MAX: usize = 8 * 1024;
/// Read at once.
const READ_BYTES_MAX: usize = 64 * 1024;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// After this many more bytes, at least one.
    Length(u64),
    /// By its chunks.
    Chunked,
}

/// A request body that has not ended, as the connection sees it.
#[derive(Debug)]
pub(super) struct Incoming {
    left: Left,
    pace: Pace,
    /// The client waits for `100 Continue`; how much of it was written.
    expects: Option<usize>,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunked(Box<ChunkDecoder>),
}

/// A caller's request body, of either protocol. Over HTTP/1 it reads through its connection, and is over when that is.
pub struct RequestBody(Kind);

enum Kind {
    /// There is none, or it is read.
    Empty,
    Http1 {
        connection: Rc<dyn Connection>,
        call: u64,
        /// What is still to come; none of a chunked body.
        left: Option<u64>,
    },
    Http2(PacedBody),
}

/// What a body needs of its connection.
trait Connection {
    fn poll_body(&self, call: u64, context: &mut Context<'_>) -> Poll<io::Result<Step>>;
}

/// What a step of reading gave.
struct Step {
    frame: Option<Frame<Bytes>>,
    ended: bool,
}

// === impl Extent ===

impl Extent {
    pub(super) fn of(framing: Framing) -> Option<Extent> {
        match framing {
            Framing::None | Framing::Length(0) => None,
            Framing::Length(bytes) => Some(Extent::Length(bytes)),
            Framing::Chunked => Some(Extent::Chunked),
        }
    }
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn new(extent: Extent, expects_continue: bool) -> Incoming {
        let left = match extent {
            Extent::Length(bytes) => Left::Length(bytes),
            Extent::Chunked => Left::Chunked(Box::default()),
        };
        Incoming { left, pace: Pace::default(), expects: expects_continue.then_some(0) }
    }

    /// Whether a body that nobody read costs no connection.
    pub(super) fn is_at_hand(&self, buffered: usize) -> bool {
        self.rest_at_hand(buffered).is_some()
    }

    /// The rest of the body, if all of it is here.
    pub(super) fn rest_at_hand(&self, buffered: usize) -> Option<usize> {
        match self.left {
            Left::Length(left) => usize::try_from(left).ok().filter(|left| *left <= buffered.min(AT_HAND_BYTES_MAX)),
            Left::Chunked(_) => None,
        }
    }
}

// === impl Wire ===

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire<IO> {
    fn poll_body(&mut self, call: u64, context: &mut Context<'_>) -> Poll<io::Result<Step>> {
        let Wire { io, input, timing, alarm, .. } = self;
        let Reading::Body(body) = &mut input.reading else { return Poll::Ready(Err(gone())) };
        if input.call != call {
            return Poll::Ready(Err(gone()));
        }
        if input.buffer.is_empty() {
            ready!(body.poll_continue(io, context))?;
        }
        body.expects = None;
        let read = match &mut body.left {
            Left::Length(left) => poll_length(left, io, &mut input.buffer, context),
            Left::Chunked(decoder) => poll_chunked(decoder, io, &mut input.buffer, &mut body.pace, context),
        };
        match read {
            Poll::Ready(Ok(step)) => {
                let data = step.frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
                body.pace.advance(if matches!(body.left, Left::Length(_)) { data as u64 } else { 0 });
                if step.ended {
                    input.reading.end_body();
                }
                Poll::Ready(Ok(step))
            }
            Poll::Ready(Err(error)) => {
                // What broke off is not followed by a head that anybody could find.
                let closed = error.kind() == io::ErrorKind::UnexpectedEof;
                input.reading = if closed { Reading::Ended } else { Reading::Refused };
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                ready!(body.pace.poll_wait(context, timing, alarm));
                let error = body.pace.too_slow();
                input.reading = Reading::Refused;
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Incoming {
    /// Tells the client that its body is wanted (RFC 9110 section 10.1.1).
    fn poll_continue<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(written) = self.expects {
            let rest = CONTINUE.get(written..).unwrap_or_default();
            if rest.is_empty() {
                self.expects = None;
                return Pin::new(io).poll_flush(context);
            }
            self.expects = Some(written + ready!(Pin::new(&mut *io).poll_write(context, rest))?);
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads at most what is left.
fn poll_length<IO: AsyncRead + Unpin>(
    left: &mut u64,
    io: &mut IO,
    buffer: &mut crate::Buffer,
    context: &mut Context<'_>,
) -> Poll<io::Result<Step>> {
    let data = if buffer.is_empty() {
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(READ_BYTES_MAX);
        let mut data = BytesMut::with_capacity(most);
        let mut space = (&mut data).limit(most);
        if ready!(pin!(io.read_buf(&mut space)).poll(context))? == 0 {
            return Poll::Ready(Err(gone()));
        }
        data.freeze()
    } else {
        buffer.take(usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len()))
    };
    *left -= data.len() as u64;
    Poll::Ready(Ok(Step { frame: Some(Frame::data(data)), ended: *left == 0 }))
}

/// Reads until there is a piece of payload, or the end.
fn poll_chunked<IO: AsyncRead + Unpin>(
    decoder: &mut ChunkDecoder,
    io: &mut IO,
    buffer: &mut crate::Buffer,
    pace: &mut Pace,
    context: &mut Context<'_>,
) -> Poll<io::Result<Step>> {
    let fault = |fault| io::Error::new(io::ErrorKind::InvalidData, BodyFault::Framing(fault));
    loop {
        let piece = decoder.decode(buffer.filled()).map_err(fault)?;
        buffer.consume(piece.framing);
        let data = (piece.payload > 0).then(|| buffer.take(piece.payload));
        pace.advance((piece.framing + piece.payload) as u64);
        if let Some(data) = data {
            return Poll::Ready(Ok(Step { frame: Some(Frame::data(data)), ended: false }));
        }
        if piece.ended {
            let trailers = decoder.take_trailers();
            let frame = (!trailers.is_empty()).then(|| Frame::trailers(trailers));
            return Poll::Ready(Ok(Step { frame, ended: true }));
        }
        if ready!(buffer.poll_fill(io, context, READ_BYTES_MAX))? == 0 {
            return Poll::Ready(Err(gone()));
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the client went away in the middle of its body")
}

// === impl RequestBody ===

impl RequestBody {
    /// There is none.
    #[must_use]
    pub fn empty() -> RequestBody {
        RequestBody(Kind::Empty)
    }

    /// The body of an HTTP/2 stream.
    pub(crate) fn http2(body: PacedBody) -> RequestBody {
        RequestBody(if body.is_end_stream() { Kind::Empty } else { Kind::Http2(body) })
    }

    /// Its sender may say nothing for so long, and need not be fast: messages come when there is something to say. For HTTP/2,
    /// where a call that waits costs no connection.
    pub fn may_pause(&mut self, idle_max: Duration) {
        if let Kind::Http2(body) = &mut self.0 {
            body.may_pause(idle_max);
        }
    }

    pub(super) fn http1<IO>(extent: Option<Extent>, wire: &Rc<RefCell<Wire<IO>>>) -> RequestBody
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let left = match extent {
            None => return RequestBody::empty(),
            Some(Extent::Length(bytes)) => Some(bytes),
            Some(Extent::Chunked) => None,
        };
        let call = wire.borrow().input.call;
        RequestBody(Kind::Http1 { connection: wire.clone(), call, left })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        let step = match &mut body.0 {
            Kind::Empty => return Poll::Ready(None),
            Kind::Http2(body) => return Pin::new(body).poll_frame(context),
            Kind::Http1 { connection, call, left } => {
                let step = ready!(connection.poll_body(*call, context));
                if let (Some(left), Ok(Step { frame: Some(frame), .. })) = (left, &step) {
                    *left -= frame.data_ref().map_or(0, Bytes::len) as u64;
                }
                step
            }
        };
        if !matches!(&step, Ok(Step { ended: false, .. })) {
            body.0 = Kind::Empty;
        }
        Poll::Ready(match step {
            Ok(step) => step.frame.map(Ok),
            Err(error) => Some(Err(error.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Http1 { .. } => false,
            Kind::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Http1 { left: Some(left), .. } => SizeHint::with_exact(*left),
            Kind::Http1 { left: None, .. } => SizeHint::default(),
            Kind::Http2(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Empty => "empty",
            Kind::Http1 { .. } => "HTTP/1",
            Kind::Http2(_) => "HTTP/2",
        };
        formatter.debug_tuple("RequestBody").field(&kind).finish()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection for RefCell<Wire<IO>> {
    fn poll_body(&self, call: u64, context: &mut Context<'_>) -> Poll<io::Result<Step>> {
        self.borrow_mut().poll_body(call, context)
    }
}
