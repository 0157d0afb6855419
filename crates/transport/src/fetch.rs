//! Fetching a small document from somebody else's server: where an issuer's keys are, and the keys.
//!
//! The address may come from a document that somebody else wrote. So it is judged before a connection is opened, every one
//! that a name leads to, and the connection goes to one of those that were judged, whatever the name leads to a moment
//! later. A redirect is an answer like another. Time and bytes have a bound, whatever the server says of its length.
//!
//! On tokio's current runtime, on a connection of its own: this is for a handful of requests an hour, and never on the way of a
//! call.

mod place;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callgate_model::bounds;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub use place::{BadPlace, Place};

use crate::public::not_public;

const AGENT: HeaderValue = HeaderValue::from_static(concat!("callgate/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json, application/jwk-set+json;q=0.9, */*;q=0.1");
const PLAIN: HeaderValue = HeaderValue::from_static("identity");

/// From where, and what may be asked there.
#[derive(Clone)]
pub struct Fetch {
    /// For `https` places; none asks no such place.
    pub tls: Option<Arc<ClientConfig>>,
    /// Whether an address that is not public may be asked all the same.
    pub allows: Arc<dyn Fn(std::net::IpAddr) -> bool + Send + Sync>,
    /// Bytes of an answer.
    pub bytes_max: usize,
    /// For the whole of it.
    pub time_max: Duration,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What it holds.
    pub bytes: Bytes,
    /// How long it may be taken for what it is, if its server says so (RFC 9111 section 5.2.2.1).
    pub fresh: Option<Duration>,
}

/// Why there is none: a sentence's end, `the key set …`.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address can't be asked at all.
    #[error("can't be fetched")]
    Place(#[source] BadPlace),
    /// Its name leads nowhere.
    #[error("can't be fetched: the name `{host}` is not found")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// Its address is none that may be asked; nothing was sent there.
    #[error("may not be fetched: `{host}` is at {ip}, a {kind} address; if it belongs there, name it in `ips`")]
    Forbidden {
        /// As it was written.
        host: String,
        /// Where that is.
        ip: std::net::IpAddr,
        /// What such addresses are.
        kind: &'static str,
    },
    /// Nobody takes the connection.
    #[error("can't be fetched: no connection to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// Why.
        source: io::Error,
    },
    /// It has no certificate for this name that is trusted.
    #[error("can't be fetched: TLS with {authority} failed")]
    Tls {
        /// Host and port.
        authority: String,
        /// Why.
        source: io::Error,
    },
    /// What it says is not HTTP, or broke off.
    #[error("can't be fetched: {authority} broke off")]
    Broken {
        /// Host and port.
        authority: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It redirects, which is not followed.
    #[error("is not there: the answer was {status}, and redirects are not followed")]
    Redirect {
        /// Its status.
        status: StatusCode,
    },
    /// It has no such document.
    #[error("is not there: the answer was {status}")]
    Status {
        /// Its status.
        status: StatusCode,
    },
    /// It is packed in a way that was not asked for.
    #[error("comes with a `Content-Encoding`, which was not asked for")]
    Encoded,
    /// It is longer than such a document may be.
    #[error("is longer than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// It did not come in time.
    #[error("did not come within {time_max:?}")]
    TooSlow {
        /// The bound.
        time_max: Duration,
    },
}

// === impl Fetch ===

impl Fetch {
    /// Fetches the document at a URL.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &str) -> Result<Fetched, FetchError> {
        let place = Place::parse(url).map_err(FetchError::Place)?;
        let late = |_| FetchError::TooSlow { time_max: self.time_max };
        timeout(self.time_max, self.get_in_any_time(&place)).await.map_err(late)?
    }

    async fn get_in_any_time(&self, place: &Place) -> Result<Fetched, FetchError> {
        let addresses = self.judged(place).await?;
        let tls = match (&self.tls, place.tls) {
            (_, false) => None,
            (Some(tls), true) => Some(tls),
            (None, true) => return Err(FetchError::Place(BadPlace::NoTls)),
        };
        let authority = place.authority();
        let failed = |source| FetchError::Connect { authority: authority.clone(), source };
        let socket = connect_any(&addresses).await.map_err(failed)?;
        let Some(tls) = tls else { return self.exchange(place, socket).await };
        let failed = |source| FetchError::Tls { authority: authority.clone(), source };
        let name = ServerName::try_from(place.host.clone());
        let name = name.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await.map_err(failed)?;
        self.exchange(place, stream).await
    }

    /// Where it is; every address that its name leads to may be asked.
    async fn judged(&self, place: &Place) -> Result<Vec<SocketAddr>, FetchError> {
        let resolve = |source| FetchError::Resolve { host: place.host.clone(), source };
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host((place.host.as_str(), place.port)).await.map_err(resolve)?.collect();
        if found.is_empty() {
            return Err(resolve(io::ErrorKind::NotFound.into()));
        }
        for address in &found {
            let ip = address.ip().to_canonical();
            if let Some(kind) = not_public(ip).filter(|_| !(self.allows)(ip)) {
                return Err(FetchError::Forbidden { host: place.host.clone(), ip, kind });
            }
        }
        Ok(found)
    }

    async fn exchange<S>(&self, place: &Place, stream: S) -> Result<Fetched, FetchError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let authority = place.authority();
        let broken = |source: Box<dyn std::error::Error + Send + Sync>| FetchError::Broken {
            authority: authority.clone(),
            source,
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(bounds::UPSTREAM_HEAD_BYTES_MAX).max_headers(bounds::HEAD_FIELDS_MAX);
        let (mut sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.into()))?;
        let request = place.request().map_err(|error| broken(error.into()))?;
        // Both in one task: whoever stops waiting stops the connection too.
        let asking = async {
            let response = sender.send_request(request).await.map_err(|error| broken(error.into()))?;
            let (head, body) = response.into_parts();
            match head.status {
                StatusCode::OK => {}
                status if status.is_redirection() => return Err(FetchError::Redirect { status }),
                status => return Err(FetchError::Status { status }),
            }
            if head.headers.contains_key(CONTENT_ENCODING) {
                return Err(FetchError::Encoded);
            }
            let body = Limited::new(body, self.bytes_max).collect().await.map_err(|error| {
                match error.downcast_ref::<LengthLimitError>() {
                    Some(_) => FetchError::TooLarge { bytes_max: self.bytes_max },
                    None => broken(error),
                }
            })?;
            Ok(Fetched { bytes: body.to_bytes(), fresh: fresh(&head.headers) })
        };
        let connection = async {
            let ended = connection.await;
            // How it went is told by the request, which hears of it too.
            drop(ended);
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            fetched = asking => fetched,
            never = connection => match never {},
        }
    }
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Fetch({} bytes, {:?})", self.bytes_max, self.time_max)
    }
}

// === impl Place ===

impl Place {
    fn request(&self) -> Result<Request<Empty<Bytes>>, http::Error> {
        Request::get(self.target.as_str())
            .header(HOST, self.host_field())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, JSON)
            .header(ACCEPT_ENCODING, PLAIN)
            .body(Empty::new())
    }
}

/// The first that takes a connection.
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match timeout(bounds::CONNECT_TIME_MAX / 2, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failure = error,
            Err(late) => failure = late.into(),
        }
    }
    Err(failure)
}

fn fresh(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut directives = fields.flat_map(|field| field.split(',')).map(str::trim);
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().trim_matches('"').parse::<u32>().ok())?
    });
    seconds.map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests;
