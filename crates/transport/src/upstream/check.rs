//! A health check: one request of the gate's own, over a connection of its own, and whether the answer is what was asked for.

use std::time::Duration;

use bytes::Bytes;
use callgate_model::bounds;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use tokio::time::timeout;

use super::body::UpstreamBody;
use super::error::{BodyError, Kind, UpstreamError};
use super::pool::Pool;
use super::server::Server;

/// So that a server's log tells checks from calls.
const AGENT: HeaderValue = HeaderValue::from_static("callgate-health-check");

/// What is asked, and which answers are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Asked with GET.
    pub path: PathAndQuery,
    /// Good statuses; any from 200 to 299 without one.
    pub statuses: Box<[StatusCode]>,
    /// For everything, from the look-up of the name to the last byte of the answer.
    pub timeout: Duration,
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckFault {
    /// No answer.
    #[error("no answer")]
    Unanswered(#[source] UpstreamError),
    /// Not the right one.
    #[error("the answer was {0}")]
    Status(StatusCode),
    /// It broke off.
    #[error("the answer broke off")]
    Broken(#[source] BodyError),
    /// It took too long.
    #[error("no whole answer within {0:?}")]
    TooSlow(Duration),
}

// === impl Check ===

impl Check {
    /// Makes the check. `host` is the server's own. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// [`CheckFault`]: the server is not well, as far as [`CheckFault::is_the_servers`] knows.
    pub async fn make(&self, server: &Server, host: &HeaderValue) -> Result<(), CheckFault> {
        let made = timeout(self.timeout, self.make_in_any_time(server, host)).await;
        made.unwrap_or(Err(CheckFault::TooSlow(self.timeout)))
    }

    async fn make_in_any_time(&self, server: &Server, host: &HeaderValue) -> Result<(), CheckFault> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = Uri::from(self.path.clone());
        request.headers_mut().insert(HOST, host.clone());
        request.headers_mut().insert(USER_AGENT, AGENT);
        // A pool of its own: a server that takes no new connections must not pass for well over a kept one.
        let pool = Pool::new();
        // Nor must one be ill because calls have all the connections that it may have.
        let sent = pool
            .send(&server.without_bound(), request)
            .await
            .map_err(|failure| CheckFault::Unanswered(failure.error))?;
        let status = sent.response.status();
        let good = if self.statuses.is_empty() { status.is_success() } else { self.statuses.contains(&status) };
        if !good {
            return Err(CheckFault::Status(status));
        }
        read(sent.response.into_body()).await
    }
}

/// Reads an answer, so that the server sees its end; not more of it than a page of health can have.
async fn read<B>(mut body: UpstreamBody<B>) -> Result<(), CheckFault>
where
    UpstreamBody<B>: http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
{
    let mut left = bounds::HEALTH_ANSWER_BYTES_MAX;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(CheckFault::Broken)?;
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => left = less,
            None => break,
        }
    }
    Ok(())
}

// === impl CheckFault ===

impl CheckFault {
    /// Whether it says anything of the server; not where this machine had no descriptor left.
    #[must_use]
    pub fn is_the_servers(&self) -> bool {
        !matches!(self, CheckFault::Unanswered(error) if error.kind == Kind::NoDescriptor)
    }
}
