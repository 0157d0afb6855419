//! Going on in another protocol on the connection of a call (RFC 9110 section 7.8).
//!
//! A request that offers it carries an [`Offer`]; whoever answers it decides. An answer that takes the offer has, instead
//! of a body, a [`Session`]: it gets the connection when its head is written, and has it to its end.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::BoxError;

/// In a request's extensions: its sender offers to go on in another protocol. [`crate::upstream::Pool::send`] takes a 101
/// from a server only as the answer to such a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer;

/// Both directions of a connection.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<IO: AsyncRead + AsyncWrite + Unpin> Duplex for IO {}

/// What goes on with the connection of a client that was switched.
pub trait Session {
    /// Moves what can be moved; ready when the connection may be closed. `draining`: the gate stops, and the session should
    /// end soon.
    fn poll(&mut self, client: &mut dyn Duplex, draining: bool, context: &mut Context<'_>) -> Poll<()>;
}

/// The body of an answer, or a session in its stead.
pub trait Answering: Body<Data = Bytes, Error = BoxError> + Sized {
    /// The session. Asked only of an answer that agrees to an [`Offer`]: of a 101, and over HTTP/2 of a 2xx to a stream that
    /// was opened for another protocol (RFC 8441 section 4).
    ///
    /// # Errors
    /// There is none; the body is given back.
    fn into_session(self) -> Result<Box<dyn Session>, Self> {
        Err(self)
    }
}
