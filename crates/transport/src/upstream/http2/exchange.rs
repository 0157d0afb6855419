//! One request and the head of its response, on a stream.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use tokio::task::AbortHandle;

use super::body::{self, Http2Body};
use super::group::{self, Way};
use super::upload::Upload;
use crate::BoxError;
use crate::upstream::body::UpstreamBody;
use crate::upstream::error::{Kind, UpstreamError};
use crate::upstream::exchange::INTERIM_MAX;
use crate::upstream::pool::{Failure, Sent};
use crate::upstream::slot::Slot;

/// Connections that a request is tried on: one that ends between the look at it and the request costs a try.
const TRIES_MAX: u32 = 3;

/// What came of a call.
pub(in crate::upstream) enum Outcome<B> {
    Sent(Sent<B>),
    /// The server chose HTTP/1.1; the request is as it was.
    Http1(Request<B>),
}

/// A call without a response.
enum Failed {
    /// The server says, or the library knows, that nothing was done about it.
    GivenBack {
        by_refusal: bool,
        error: h2::Error,
    },
    /// Nobody knows what was done about it.
    Lost(h2::Error),
    /// The server sends interim answers for ever.
    Interim,
    RequestBody(BoxError),
}

#[derive(Debug, thiserror::Error)]
#[error("too many interim answers came before the answer")]
struct InterimFlood;

/// Sends a request and waits for its response's head. A request that comes back unsent from a connection that has carried
/// calls before is sent once more if its body is still whole: that the server ends a connection now and then is no failure.
/// Any other is given back, if it still is whole. Whoever repeats a request that a server refused, though it says that it
/// did not look at it, asks more of a server that has too much to do; so that has to be paid for.
pub(in crate::upstream) async fn send<B>(slot: &Rc<Slot>, mut request: Request<B>) -> Result<Outcome<B>, Failure<B>>
where
    B: Body + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let mut attempts = 0;
    loop {
        let place = match group::place(slot).await {
            Ok(Way::Http2(place)) => place,
            Ok(_) => return Ok(Outcome::Http1(request)),
            Err(error) => return Err(Failure { error, request: Some(request) }),
        };
        attempts += 1;
        let reused = place.use_it();
        let head = head(&request, slot.is_tls());
        let ended = request.body().is_end_stream();
        let (response, stream) = match place.requests().send_request(head, ended) {
            Ok(begun) => begun,
            Err(_) if attempts < TRIES_MAX && place.is_lost() => continue,
            Err(error) => {
                let error = UpstreamError::exchange(Kind::Closed, Some(error.into()), true, reused);
                return Err(Failure { error, request: Some(request) });
            }
        };
        let mut upload = Upload::new(stream, ended);
        match until_head(response, &mut upload, request.body_mut()).await {
            Ok((response, uploaded)) => {
                place.heard();
                if reused {
                    slot.count_reused();
                }
                let (head, stream) = response.into_parts();
                // What has no body has none, whatever comes behind its head (RFC 9110 section 6.4.1).
                let bodiless = *request.method() == Method::HEAD
                    || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
                let upload = (!uploaded).then(|| {
                    let mut body = request.into_body();
                    // Moved by a task of its own: a caller that sends and reads in turns, or does not read at all for a
                    // while, must not hold its own request up.
                    let rest =
                        async move { poll_fn(|context| upload.poll(&mut body, context)).await.unwrap_or_default() };
                    tokio::task::spawn_local(rest).abort_handle()
                });
                let body = match bodiless {
                    true => {
                        upload.inspect(AbortHandle::abort);
                        tokio::task::spawn_local(body::end(stream, place));
                        UpstreamBody::nothing()
                    }
                    false => UpstreamBody::http2(Http2Body::new(stream, &head.headers, place, upload)),
                };
                let response = Response::from_parts(head, body);
                return Ok(Outcome::Sent(Sent { response, reused, attempts }));
            }
            Err(Failed::GivenBack { by_refusal: false, .. })
                if reused && upload.is_untouched() && attempts < TRIES_MAX => {}
            Err(failed) => {
                let request = upload.is_untouched().then_some(request);
                return Err(Failure { error: failed.into_error(reused), request });
            }
        }
    }
}

/// The response's head, and whether the whole request was sent before it.
async fn until_head<B>(
    mut response: ResponseFuture,
    upload: &mut Upload,
    body: &mut B,
) -> Result<(Response<RecvStream>, bool), Failed>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    let (mut interim, mut uploaded) = (0, false);
    poll_fn(|context| {
        if !uploaded {
            uploaded = match upload.poll(body, context) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Failed::RequestBody(error))),
                Poll::Pending => false,
            };
        }
        let head = ready!(poll_head(&mut response, &mut interim, context));
        Poll::Ready(head.map(|head| (head, uploaded)))
    })
    .await
}

fn poll_head(
    response: &mut ResponseFuture,
    interim: &mut u8,
    context: &mut Context<'_>,
) -> Poll<Result<Response<RecvStream>, Failed>> {
    while let Poll::Ready(Some(Ok(_))) = response.poll_informational(context) {
        *interim += 1;
        if *interim > INTERIM_MAX {
            return Poll::Ready(Err(Failed::Interim));
        }
    }
    std::pin::Pin::new(response).poll(context).map_err(Failed::of)
}

/// The request's head as HTTP/2 has it: Host is the authority, and nothing speaks of the connection.
fn head<B: Body>(request: &Request<B>, is_tls: bool) -> Request<()> {
    let mut headers = request.headers().clone();
    let host = headers.remove(HOST);
    for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    if let Some(length) = request.body().size_hint().exact().filter(|length| *length > 0) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    uri.path_and_query = request.uri().path_and_query().cloned().or(Some(PathAndQuery::from_static("/")));
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = Uri::from_parts(uri).unwrap_or_else(|_| request.uri().clone());
    *head.headers_mut() = headers;
    head
}

// === impl Failed ===

impl Failed {
    fn of(error: h2::Error) -> Failed {
        // GOAWAY reaches a stream only if it is past the last one that the server says it looked at.
        let by_refusal = error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
        if by_refusal || error.is_go_away() && error.is_remote() {
            Failed::GivenBack { by_refusal, error }
        } else {
            Failed::Lost(error)
        }
    }

    fn into_error(self, reused: bool) -> UpstreamError {
        match self {
            Failed::GivenBack { by_refusal, error } => {
                let kind = if by_refusal { Kind::Refused } else { Kind::Closed };
                UpstreamError::exchange(kind, Some(error.into()), true, reused)
            }
            Failed::Lost(error) => UpstreamError::exchange(kind(&error), Some(error.into()), false, reused),
            Failed::Interim => UpstreamError::exchange(Kind::Invalid, Some(InterimFlood.into()), false, reused),
            Failed::RequestBody(error) => UpstreamError::exchange(Kind::RequestBody, Some(error), false, reused),
        }
    }
}

fn kind(error: &h2::Error) -> Kind {
    match (error.is_library(), error.is_reset()) {
        // A head over its bound among them.
        (true, _) => Kind::Invalid,
        (false, true) => Kind::Reset,
        (false, false) => Kind::Closed,
    }
}
