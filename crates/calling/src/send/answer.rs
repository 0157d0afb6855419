//! An answer: its head, and its body as it comes.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::task::JoinHandle;

use super::deadline::Deadline;
use crate::error::{CallError, Step};
use crate::request::Request;
use crate::url::Url;

/// The answer to a call, once its head is there.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// The protocol that was spoken.
    pub version: Version,
    /// Its fields, in their order but for repeated ones.
    pub fields: HeaderMap,
    /// The other end of the connection.
    pub remote: SocketAddr,
    /// The redirects that led here.
    pub hops: Vec<Hop>,
    /// The request that it answers: the last one, after redirects.
    pub request: Request,
    /// How long the steps took, of the last request.
    pub timings: Timings,
    pub(super) body: Incoming,
    pub(super) ended: bool,
    pub(super) deadline: Deadline,
    pub(super) _connection: Connection,
}

/// A redirect that was followed.
#[derive(Debug, Clone)]
pub struct Hop {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// Where it led.
    pub to: Url,
}

/// How long each step took by itself, the total apart.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Name to address.
    pub dns: Duration,
    /// TCP.
    pub connect: Duration,
    /// The TLS handshake, where there is one.
    pub tls: Option<Duration>,
    /// From sending the request to the answer's head.
    pub first_byte: Duration,
    /// From the very beginning, redirects included, to the end of the body; absent until then.
    pub total: Option<Duration>,
}

/// The task that moves a connection's bytes; ends with the answer that it is for.
#[derive(Debug)]
pub(super) struct Connection(JoinHandle<()>);

// === impl Answer ===

impl Answer {
    /// The next piece of the body, or nothing at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, CallError> {
        while !self.ended {
            let frame = self.deadline.within(Step::Body, None, self.body.frame()).await?;
            match frame {
                // Trailers are no part of the body, and nothing here shows them yet.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(source)) => return Err(CallError::Broken { step: Step::Body, source }),
                None => {
                    self.ended = true;
                    self.timings.total = Some(self.deadline.elapsed());
                }
            }
        }
        Ok(None)
    }

    /// The first value of a field as text; nothing when it is no text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.to_str().ok()
    }
}

// === impl Connection ===

impl Connection {
    pub(super) fn run(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Connection {
        // How it ended is told by the request or the body that it ended.
        Connection(tokio::spawn(async move { drop(connection.await) }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}
