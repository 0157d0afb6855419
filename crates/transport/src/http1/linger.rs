//! Closing a connection so that the client still sees the answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::Timing;
use crate::alarm::Alarm;

/// Read at once while discarding.
const SCRATCH_BYTES: usize = 64 * 1024;

/// The end of a connection. A kernel that closes a socket with unread input sends a reset, and a reset makes the client's
/// kernel throw away the answer it has not read yet: a 401 to a 20 MiB upload would be seen as "connection reset". So the
/// write side is closed first, and the rest of the request is read and thrown away for a while (RFC 9112 section 9.6). Not for
/// as long as the client likes: one that reads the end and neither sends nor closes would hold up every stop.
#[derive(Debug, Default)]
pub(super) enum Closing {
    #[default]
    Flushing,
    /// Nothing is written any more; the request's rest is discarded.
    Lingering {
        until: Instant,
        /// Or until now, if nothing more comes.
        quiet_until: Instant,
        bytes_left: u64,
        scratch: Vec<u8>,
    },
    Done,
}

// === impl Closing ===

impl Closing {
    /// Ready when the socket may be dropped. `owed`: whether the client may still be sending.
    pub(super) fn poll<IO: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        owed: bool,
        context: &mut Context<'_>,
        timing: &Timing,
        alarm: &mut Alarm,
    ) -> Poll<io::Result<()>> {
        if let Closing::Flushing = self {
            ready!(Pin::new(&mut *io).poll_flush(context))?;
            ready!(Pin::new(&mut *io).poll_shutdown(context))?;
            *self = if owed {
                let now = Instant::now();
                Closing::Lingering {
                    until: now + timing.linger_max,
                    quiet_until: now + timing.linger_quiet_max,
                    bytes_left: timing.linger_bytes_max,
                    scratch: vec![0; SCRATCH_BYTES],
                }
            } else {
                Closing::Done
            };
        }
        while let Closing::Lingering { until, quiet_until, bytes_left, scratch } = self {
            let mut space = ReadBuf::new(scratch);
            match Pin::new(&mut *io).poll_read(context, &mut space) {
                Poll::Pending => ready!(alarm.poll_until(context, (*until).min(*quiet_until))),
                Poll::Ready(Ok(())) if (1..*bytes_left).contains(&(space.filled().len() as u64)) => {
                    *bytes_left -= space.filled().len() as u64;
                    // A client that sends as fast as it can would otherwise never let the clock be looked at.
                    let now = Instant::now();
                    *quiet_until = now + timing.linger_quiet_max;
                    if now < *until {
                        continue;
                    }
                }
                Poll::Ready(_) => {}
            }
            *self = Closing::Done;
        }
        Poll::Ready(Ok(()))
    }
}
