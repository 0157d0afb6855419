//! Why a request body broke off.

use std::error::Error;
use std::io;
use std::time::Duration;

use callgate_wire::chunked::ChunkFault;

/// Why a request body broke off. The service finds it in the error of the body it reads: [`BodyFault::find`].
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// The chunked framing is broken: a malformed request.
    #[error("the chunked body is malformed: {0}")]
    Framing(ChunkFault),
    /// Nothing came for [`crate::Timing::body_idle_max`], or too little on the whole: a request timeout.
    #[error("the body came too slowly: {bytes} bytes while {} s were spent waiting for it", .waited.as_secs_f32())]
    TooSlow {
        /// Bytes that came, chunk framing included.
        bytes: u64,
        /// Time spent waiting for the client; time in which nobody wanted more is not counted.
        waited: Duration,
    },
}

// === impl BodyFault ===

impl BodyFault {
    /// Finds the fault in an error that came through hyper.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a BodyFault> {
        let mut next = Some(error);
        while let Some(error) = next {
            // An io::Error does not count the error it wraps among its sources.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(fault) = inner.and_then(|inner| inner.downcast_ref()) {
                return Some(fault);
            }
            next = error.source();
        }
        None
    }
}
