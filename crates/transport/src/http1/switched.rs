//! A connection that goes on in another protocol.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::response::Parts;
use http_body_util::Empty;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answer::Spoken;
use super::input::Reading;
use super::{ConnectionError, Wire, output};
use crate::BoxError;
use crate::buffer::Buffer;
use crate::serve::{Entered, Stage};
use crate::switch::Session;

/// A 101 that nothing follows is no answer.
pub(super) const NO_SESSION: &str = "an answer switches protocols, and there is nothing to switch to";

/// The connection as a session sees it: what the client sent right behind its offer comes first.
struct Rest<'a, IO> {
    read: &'a mut Buffer,
    io: &'a mut IO,
}

/// Writes the head of the 101 and runs the session to its end.
pub(super) async fn run<IO>(
    wire: &RefCell<Wire<IO>>,
    spoken: Spoken,
    head: &Parts,
    mut session: Box<dyn Session>,
    draining: &mut Entered,
) -> Result<(), ConnectionError>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let nothing = http_body_util::BodyExt::map_err(Empty::<Bytes>::new(), |never| -> BoxError { match never {} });
    wire.borrow_mut().output.begin(spoken, head, &nothing, false);
    output::send(wire, nothing).await?;
    poll_fn(|context| {
        let ends = draining.stage(context) >= Stage::Ending;
        let wire = &mut *wire.borrow_mut();
        session.poll(&mut Rest { read: &mut wire.input.buffer, io: &mut wire.io }, ends, context)
    })
    .await;
    // Whatever the client still sends is discarded for a while: a reset could take the last frame from it.
    wire.borrow_mut().input.reading = Reading::Refused;
    Ok(())
}

// === impl Rest ===

impl<IO: AsyncRead + Unpin> AsyncRead for Rest<'_, IO> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.read.is_empty() {
            self.read.release(into);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.io).poll_read(context, into)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Rest<'_, IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(context)
    }
}
