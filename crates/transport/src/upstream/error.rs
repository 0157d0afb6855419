//! Why a call to an upstream server failed.

use std::{fmt, io};

use callgate_wire::chunked::ChunkFault;
use rustls::AlertDescription;

use super::standing::Fault;
use crate::BoxError;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The host's name has no address.
    Resolve,
    /// No address of the host accepted a connection.
    Connect,
    /// This machine has no file descriptor, port or memory left for a connection: nothing is known of the server.
    NoDescriptor,
    /// It has as many connections as it may have, and all are in use.
    NoRoom,
    /// No address of it did in time.
    ConnectTimeout,
    /// The TLS handshake failed: its certificate is not valid for the host, or it does not take ours.
    Tls,
    /// The connection ended, or broke, before a whole response head had come.
    Closed,
    /// What came is not an HTTP/1.x response.
    Invalid,
    /// Its head is over the bound.
    HeadTooLarge,
    /// It switched protocols without being asked to.
    Switched,
    /// It was to speak HTTP/2, and does not.
    NotHttp2,
    /// It refused the call without looking at it (HTTP/2's REFUSED_STREAM).
    Refused,
    /// It broke the call off before it answered (HTTP/2's RST_STREAM).
    Reset,
    /// The request's body failed while it was being sent; the source says how.
    RequestBody,
}

/// Whose failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server's, or the way to it.
    Upstream,
    /// The client's: its request body broke off.
    Client,
}

/// A call that has no response.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct UpstreamError {
    /// What happened.
    pub kind: Kind,
    /// Whether the same request may be sent again whatever its method: not a byte of it has left, or the server says that
    /// it has not looked at it.
    pub retry_safe: bool,
    /// Whether it was sent over a kept connection. [`Kind::Closed`] on one mostly means that the server closed it at that
    /// very moment, so a request that is idempotent and has no body is worth another try (RFC 9112 section 9.3.1).
    pub reused: bool,
    #[source]
    source: Option<BoxError>,
}

/// Why a response's body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection ended before it.
    #[error("the upstream closed the connection in the middle of its answer")]
    Cut,
    /// The connection broke.
    #[error("the connection to the upstream broke in the middle of its answer")]
    Read(#[source] io::Error),
    /// It is not in chunks as its head says.
    #[error("the upstream's answer is not framed as its head says")]
    Chunked(#[source] ChunkFault),
    /// An HTTP/2 stream that did not come to its end.
    #[error("the upstream broke its answer off")]
    Http2(#[source] h2::Error),
    /// The server had begun to answer before it had the whole request, and the rest of the request did not come.
    #[error("the request's body broke off while the upstream's answer to it was read")]
    Request(#[source] BoxError),
}

// === impl Kind ===

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Resolve => "the upstream's host name has no address",
            Kind::Connect => "the upstream accepted no connection",
            Kind::NoDescriptor => "the gate has no file descriptor, port or memory left for a connection",
            Kind::NoRoom => "the upstream has no connection to spare",
            Kind::ConnectTimeout => "the upstream accepted no connection in time",
            Kind::Tls => "no TLS connection to the upstream came about",
            Kind::Closed => "the upstream closed the connection without a whole answer",
            Kind::Invalid => "the upstream's answer is not HTTP",
            Kind::HeadTooLarge => "the head of the upstream's answer is too large",
            Kind::Switched => "the upstream switched protocols without being asked to",
            Kind::NotHttp2 => "the upstream does not speak HTTP/2",
            Kind::Refused => "the upstream refused the call without looking at it",
            Kind::Reset => "the upstream broke the call off without an answer",
            Kind::RequestBody => "the request's body broke off while it was sent to the upstream",
        })
    }
}

/// Whether a server says by an alert that it does not take our certificate, or that it wants one. In TLS 1.3 it learns of it
/// when the handshake is over for us, so that this comes where its answer should.
pub(super) fn refuses_certificate(error: &io::Error) -> bool {
    let source = error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>());
    matches!(
        source,
        Some(rustls::Error::AlertReceived(
            AlertDescription::AccessDenied
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRequired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::UnsupportedCertificate
        ))
    )
}

// === impl UpstreamError ===

impl UpstreamError {
    /// Failed before anything was sent.
    pub(super) fn unsent(kind: Kind, source: impl Into<BoxError>) -> UpstreamError {
        UpstreamError { kind, retry_safe: true, reused: false, source: Some(source.into()) }
    }

    pub(super) fn switched() -> UpstreamError {
        UpstreamError { kind: Kind::Switched, retry_safe: false, reused: false, source: None }
    }

    /// Failed on a connection; `untouched` says that the request was not begun.
    pub(super) fn exchange(kind: Kind, source: Option<BoxError>, untouched: bool, reused: bool) -> UpstreamError {
        UpstreamError { kind, retry_safe: untouched, reused, source }
    }

    /// What it says about the server; nothing where it is not the server's failure.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match self.kind {
            Kind::Resolve | Kind::Connect | Kind::ConnectTimeout | Kind::Tls | Kind::NotHttp2 => {
                Some(Fault::Unreachable)
            }
            Kind::Closed | Kind::Invalid | Kind::HeadTooLarge | Kind::Switched | Kind::Reset => Some(Fault::NoAnswer),
            // The file says how many connections a server gets, whatever it could take.
            // A server that refuses a stream is busy, or on its way out, and says so in time.
            Kind::NoDescriptor | Kind::NoRoom | Kind::Refused | Kind::RequestBody => None,
        }
    }

    /// Whether the server said nothing of what it did, or would not do: it went away, or broke the call off.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self.kind, Kind::Closed | Kind::Reset | Kind::Tls)
    }

    /// Whether a server had anything to do for it. Where no connection came about, none had: a call that goes to another
    /// server then is one call to all of them together.
    #[must_use]
    pub fn was_load(&self) -> bool {
        !matches!(self.kind, Kind::Resolve | Kind::Connect | Kind::ConnectTimeout | Kind::NoRoom)
    }

    /// The same failure for another call that waited for the same connection.
    pub(super) fn told_again(&self) -> UpstreamError {
        let source = self.source.as_ref().map(|source| source.to_string().into());
        UpstreamError { kind: self.kind, retry_safe: self.retry_safe, reused: self.reused, source }
    }

    /// Whose failure it is.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.kind == Kind::RequestBody { Side::Client } else { Side::Upstream }
    }
}
