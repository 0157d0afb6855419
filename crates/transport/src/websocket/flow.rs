//! One direction of a session.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use callgate_model::bounds;
use callgate_wire::websocket::{FrameFault, FrameReader, Sender};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::buffer::Buffer;

/// Frames on their way from one side to the other.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) reader: FrameReader,
    /// Read, and not written yet. The first `judged` bytes may go.
    buffer: Buffer,
    judged: usize,
    /// Of the frame that begins behind them.
    fault: Option<FrameFault>,
    /// The sender sends no more.
    ended: bool,
    /// A Close of the gate's own, to go behind the last whole frame; and how much of it has gone.
    last: Option<(Vec<u8>, usize)>,
    /// Something was read or written since this was last asked.
    moved: bool,
}

/// Why a flow stands still for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// A Close has passed: the sender's, or the gate's own.
    Closed,
    /// The sender's next frame is faulty. What came before it has passed.
    Faulty(FrameFault),
    /// The sender is gone. What it sent has passed.
    Ended,
    /// The receiver takes no more.
    Stuck,
}

// === impl Flow ===

impl Flow {
    pub(super) fn new(from: Sender, message_bytes_max: u64) -> Flow {
        Flow {
            reader: FrameReader::new(from, message_bytes_max),
            buffer: Buffer::default(),
            judged: 0,
            fault: None,
            ended: false,
            last: None,
            moved: false,
        }
    }

    /// From here on nothing passes but the rest of a frame that has begun, and then this Close.
    pub(super) fn close(&mut self, frame: Vec<u8>) {
        self.last = Some((frame, 0));
    }

    /// Whether something moved since this was last asked.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Moves what can be moved.
    pub(super) fn poll<R, W>(&mut self, from: &mut R, to: &mut W, context: &mut Context<'_>) -> Poll<Halt>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let halt = ready!(self.poll_move(from, to, context));
        if halt != Halt::Stuck && ready!(Pin::new(to).poll_flush(context)).is_err() {
            return Poll::Ready(Halt::Stuck);
        }
        Poll::Ready(halt)
    }

    fn poll_move<R, W>(&mut self, from: &mut R, to: &mut W, context: &mut Context<'_>) -> Poll<Halt>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            if ready!(self.poll_write(to, context)).is_err() {
                return Poll::Ready(Halt::Stuck);
            }
            if let Some(halt) = self.halt() {
                return Poll::Ready(halt);
            }
            let passed = self.reader.pass(self.buffer.filled(), self.last.is_some());
            (self.judged, self.fault) = (passed.bytes, passed.fault);
            if passed.bytes > 0 || passed.fault.is_some() {
                continue;
            }
            match self.buffer.poll_fill(from, context, bounds::WEBSOCKET_HELD_BYTES_MAX) {
                Poll::Ready(Ok(0) | Err(_)) => self.ended = true,
                Poll::Ready(Ok(_)) => self.moved = true,
                // The next byte may be long in coming, and what was written must not wait for it.
                Poll::Pending => match Pin::new(to).poll_flush(context) {
                    Poll::Ready(Err(_)) => return Poll::Ready(Halt::Stuck),
                    _ => return Poll::Pending,
                },
            }
        }
    }

    /// Everything that may go has gone; whether anything is to follow.
    fn halt(&self) -> Option<Halt> {
        let told = self.last.is_some() && self.reader.is_between_frames();
        match self.fault {
            _ if told || self.reader.is_closed() => Some(Halt::Closed),
            Some(fault) => Some(Halt::Faulty(fault)),
            None => self.ended.then_some(Halt::Ended),
        }
    }

    fn poll_write<W: AsyncWrite + Unpin + ?Sized>(
        &mut self,
        to: &mut W,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.judged > 0 {
            let bytes = self.buffer.filled().get(..self.judged).unwrap_or_default();
            let count = written(ready!(Pin::new(&mut *to).poll_write(context, bytes)))?;
            self.buffer.consume(count);
            self.judged -= count;
            self.moved = true;
        }
        // Behind a Close of the sender's own there is nothing more to say.
        if !self.reader.is_between_frames() || self.reader.is_closed() {
            return Poll::Ready(Ok(()));
        }
        while let Some((frame, gone)) = &mut self.last {
            let rest = frame.get(*gone..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            *gone += written(ready!(Pin::new(&mut *to).poll_write(context, rest)))?;
        }
        Poll::Ready(Ok(()))
    }
}

fn written(count: io::Result<usize>) -> io::Result<usize> {
    match count {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        other => other,
    }
}
