//! Sending a request: name, connection, TLS, head, body, each step timed and each with its own error.

mod answer;
mod connect;
mod deadline;
mod outgoing;
mod redirect;
mod tls;

use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Method, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

pub use answer::{Answer, Hop, Timings};

use crate::error::{CallError, Step};
use crate::request::{Payload, Request};
use answer::Connection;
use connect::{Connected, Stream};
use deadline::Deadline;
use outgoing::Outgoing;

/// Redirects that are followed; browsers stop at 20, and ten are already a circle in practice.
pub const REDIRECTS_MAX: usize = 10;

/// How a request is sent.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Takes any certificate.
    pub insecure: bool,
    /// Follows redirects, at most [`REDIRECTS_MAX`].
    pub follow: bool,
    /// For the name, the connection and TLS, each time a connection is made.
    pub connect: Duration,
    /// For the whole call, redirects and body included; none by default, because streams may last.
    pub total: Option<Duration>,
    /// The protocol's version.
    pub http: Http,
}

/// Which HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Http {
    /// What the server chooses by ALPN; HTTP/1.1 in clear text.
    #[default]
    Negotiated,
    /// HTTP/1.1.
    One,
    /// HTTP/2; in clear text with prior knowledge (RFC 9113 section 3.3).
    Two,
}

// === impl Sending ===

impl Default for Sending {
    fn default() -> Sending {
        let connect = Duration::from_secs(10);
        Sending { insecure: false, follow: false, connect, total: None, http: Http::default() }
    }
}

/// Fields that HTTP/2 does not have (RFC 9113 section 8.2.2). Pasted command lines have them, and h2 would refuse.
const OF_ONE_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Sends a request and returns when the head of its answer has come. Must run inside a tokio runtime.
pub async fn send(request: &Request, sending: &Sending) -> Result<Answer, CallError> {
    let started = Instant::now();
    let mut request = request.clone();
    let mut hops = Vec::new();
    loop {
        let mut answer = once(request, sending, started).await?;
        let next = if sending.follow { redirect::next(&answer)? } else { None };
        let Some(next) = next else {
            answer.hops = hops;
            return Ok(answer);
        };
        if hops.len() == REDIRECTS_MAX {
            let last = crate::secrecy::target(&next.url.to_string());
            return Err(CallError::Redirects { followed: REDIRECTS_MAX, last });
        }
        hops.push(Hop { status: answer.status, to: next.url.clone() });
        request = next;
    }
}

/// One request, one answer, on a connection of its own.
async fn once(request: Request, sending: &Sending, started: Instant) -> Result<Answer, CallError> {
    let deadline = Deadline::new(started, sending.total);
    let Connected { stream, remote, http2, mut timings } = connect::connect(&request.url, sending, &deadline).await?;
    let outgoing = to_http(&request, http2).await?;
    let sent = Instant::now();
    let authority = request.url.authority();
    let (response, connection) =
        deadline.within(Step::Head, None, exchange(stream, outgoing, http2, &authority)).await??;
    timings.first_byte = sent.elapsed();
    let (parts, body) = response.into_parts();
    Ok(Answer {
        status: parts.status,
        version: parts.version,
        fields: parts.headers,
        remote,
        hops: Vec::new(),
        request,
        timings,
        body,
        ended: false,
        deadline,
        _connection: connection,
    })
}

/// The handshake, the request, and the head of the answer.
async fn exchange(
    stream: Stream,
    request: http::Request<Outgoing>,
    http2: bool,
    authority: &str,
) -> Result<(http::Response<Incoming>, Connection), CallError> {
    let io = TokioIo::new(stream);
    let protocol = |source| CallError::Protocol { authority: authority.to_owned(), source };
    let (response, connection) = if http2 {
        let (mut sender, connection) =
            http2::Builder::new(TokioExecutor::new()).handshake(io).await.map_err(protocol)?;
        let connection = Connection::run(connection);
        (sender.send_request(request).await, connection)
    } else {
        let (mut sender, connection) = http1::handshake(io).await.map_err(protocol)?;
        let connection = Connection::run(connection);
        (sender.send_request(request).await, connection)
    };
    match response {
        Ok(response) => Ok((response, connection)),
        Err(source) if source.is_parse_too_large() => {
            Err(CallError::HeadTooLarge { authority: authority.to_owned(), source })
        }
        Err(source) if source.is_parse() => Err(CallError::NotHttp { authority: authority.to_owned(), source }),
        Err(source) => Err(CallError::Broken { step: Step::Head, source }),
    }
}

/// The request as hyper takes it.
async fn to_http(request: &Request, http2: bool) -> Result<http::Request<Outgoing>, CallError> {
    let body = Outgoing::open(&request.payload).await?;
    let mut fields = HeaderMap::new();
    for (name, value) in &request.fields {
        fields.append(name, value.clone());
    }
    if matches!(request.payload, Payload::Nothing)
        && [Method::POST, Method::PUT, Method::PATCH].contains(&request.method)
        && !fields.contains_key(CONTENT_LENGTH)
    {
        // These methods promise a body, so that there is none has to be said (RFC 9110 section 8.6).
        fields.insert(CONTENT_LENGTH, http::HeaderValue::from_static("0"));
    }
    let uri = if http2 {
        for name in OF_ONE_CONNECTION {
            fields.remove(name);
        }
        // In HTTP/2 the host is a part of the URI (`:authority`); a field of that name would be a second one.
        let host = fields.remove(HOST);
        let authority = host.as_ref().and_then(|host| host.to_str().ok()).map(str::to_owned);
        Uri::builder()
            .scheme(request.url.scheme.name())
            .authority(authority.unwrap_or_else(|| request.url.authority()))
            .path_and_query(request.url.target.as_str())
            .build()
    } else {
        Uri::builder().path_and_query(request.url.target.as_str()).build()
    };
    let version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    let uri = uri.map_err(|source| CallError::Unsendable { source })?;
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = uri;
    *outgoing.version_mut() = version;
    *outgoing.headers_mut() = fields;
    Ok(outgoing)
}
