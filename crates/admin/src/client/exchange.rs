//! One request and its answer, whichever way the gate is reached.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::{AdminClient, Remote, Way};
use crate::problem::{AdminCode, AdminError, with_sources};
use crate::socket;

/// Until a gate elsewhere has accepted the connection and proved who it is.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// Until an act is answered. Backups of a gigabyte take a while on a slow disk.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);
/// How long an act is asked for again that came to a process which another one was taking the place of.
const HANDED_OVER_TIME_MAX: Duration = Duration::from_secs(5);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Bytes of an answer: a listing of 10,000 calls is about 20 MB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

type Answer = (StatusCode, Bytes);

/// A connection of any kind.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

// === impl AdminClient ===

impl AdminClient {
    /// Asks without a body.
    pub(super) async fn ask<T: DeserializeOwned>(&self, method: Method, target: String) -> Result<T, AdminError> {
        self.exchange(method, target, None).await
    }

    /// Asks with a JSON body.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        target: String,
        body: &impl Serialize,
    ) -> Result<T, AdminError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| AdminError::new(AdminCode::Internal, format!("the request can't be written: {error}")))?;
        self.exchange(method, target, Some(body)).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        target: String,
        body: Option<Vec<u8>>,
    ) -> Result<T, AdminError> {
        let give_up = Instant::now() + HANDED_OVER_TIME_MAX;
        loop {
            let request = self.request(method.clone(), target.clone(), body.clone())?;
            let (status, answer) = timeout(ANSWER_TIME_MAX, self.travel(request))
                .await
                .map_err(|_| unreachable("the gate did not answer in time; look whether the act was done"))??;
            if status.is_success() {
                return serde_json::from_slice(&answer)
                    .map_err(|error| unreachable(format!("the answer is not what this version expects: {error}")));
            }
            let error = told(status, &answer);
            // Nothing was done. The new process is where the old one was, or will be in a moment.
            if error.code != AdminCode::HandedOver || Instant::now() >= give_up {
                return Err(error);
            }
            tokio::time::sleep(ASK_AGAIN_AFTER).await;
        }
    }

    pub(super) fn request(
        &self,
        method: Method,
        target: String,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Body>, AdminError> {
        let mut request = Request::builder().method(method).uri(target).header(header::ACCEPT, "application/json");
        request = match &self.way {
            Way::Tcp(remote) => {
                let mut token =
                    header::HeaderValue::from_str(&format!("Bearer {}", remote.token.expose())).map_err(|_| {
                        AdminError::new(AdminCode::RequestUnfit, "the admin token holds a line break or worse")
                    })?;
                token.set_sensitive(true);
                request.header(header::HOST, &remote.authority).header(header::AUTHORIZATION, token)
            }
            Way::Socket(_) | Way::Inside(_) => request.header(header::HOST, "localhost"),
        };
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body)),
            None => request.body(Body::empty()),
        };
        request.map_err(|error| AdminError::new(AdminCode::RequestUnfit, format!("this can't be asked for: {error}")))
    }

    async fn travel(&self, request: Request<Body>) -> Result<Answer, AdminError> {
        match &self.way {
            Way::Inside(router) => {
                let Ok(response) = TowerToHyperService::new(router.clone()).call(request).await;
                let (head, body) = response.into_parts();
                Ok((head.status, collected(body).await?))
            }
            Way::Socket(_) | Way::Tcp(_) => over(self.connect().await?, request).await,
        }
    }

    /// A connection to the gate; inside this process there is none.
    pub(super) async fn connect(&self) -> Result<Box<dyn Wire>, AdminError> {
        match &self.way {
            Way::Inside(_) => Err(AdminError::new(AdminCode::NotRunning, "no gate is running")),
            Way::Socket(data_dir) => {
                let stream = socket::connect(data_dir).await.map_err(|error| unreachable(with_sources(&error)))?;
                let gone = || unreachable("the gate has just stopped: try again");
                Ok(Box::new(stream.ok_or_else(gone)?))
            }
            Way::Tcp(remote) => {
                let connected = timeout(CONNECT_TIME_MAX, remote.connect()).await;
                let authority = &remote.authority;
                let stream = connected.map_err(|_| unreachable(format!("`{authority}` does not answer")))??;
                let Some(tls) = &remote.tls else { return Ok(Box::new(stream)) };
                let name = rustls::pki_types::ServerName::try_from(remote.host.clone())
                    .map_err(|_| unreachable(format!("`{}` is no host name", remote.host)))?;
                let handshake = TlsConnector::from(std::sync::Arc::clone(tls)).connect(name, stream);
                let secured = timeout(CONNECT_TIME_MAX, handshake).await;
                let secured =
                    secured.map_err(|_| unreachable(format!("`{authority}` does not finish the TLS handshake")))?;
                let stream = secured.map_err(|error| unreachable(format!("`{authority}` is not trusted: {error}")))?;
                Ok(Box::new(stream))
            }
        }
    }
}

// === impl Remote ===

impl Remote {
    async fn connect(&self) -> Result<TcpStream, AdminError> {
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        connected.map_err(|error| unreachable(format!("`{}` can't be reached: {error}", self.authority)))
    }
}

/// One connection for one request: commands ask once, and a connection kept would only have to be looked after.
async fn over(stream: Box<dyn Wire>, request: Request<Body>) -> Result<Answer, AdminError> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(async {
        let (head, body) = sender.send_request(request).await.map_err(broke)?.into_parts();
        Ok((head.status, collected(body).await?))
    });
    tokio::select! {
        answered = &mut answer => return answered,
        // It ends when everything has been sent and read, or with the error that the answer then has, too.
        _ended = &mut connection => {}
    }
    answer.await
}

/// The error that an answer tells.
pub(super) fn told(status: StatusCode, body: &[u8]) -> AdminError {
    let told: Result<AdminError, _> = serde_json::from_slice(body);
    told.unwrap_or_else(|_| unreachable(format!("what answers there is no admin API: it said {status}")))
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
pub(super) fn broke(error: hyper::Error) -> AdminError {
    unreachable(format!("the connection to the gate broke: {}", with_sources(&error)))
}

pub(super) async fn collected<B>(body: B) -> Result<Bytes, AdminError>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let whole = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    Ok(whole.map_err(|error| unreachable(format!("the answer broke off: {error}")))?.to_bytes())
}

pub(super) fn unreachable(detail: impl Into<String>) -> AdminError {
    AdminError::new(AdminCode::GateUnreachable, detail)
}
