//! `/livez`, `/readyz` and `/metrics`, on a listener of their own, without a token, and nothing else.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::Gate;

/// Health connections at one time: probes and scrapers, not callers.
const CONNECTIONS_MAX: usize = 64;

/// Those who ask: a connection each.
#[derive(Debug, Clone)]
pub struct Probers(Arc<Semaphore>);

// === impl Probers ===

impl Default for Probers {
    fn default() -> Probers {
        Probers(Arc::new(Semaphore::new(CONNECTIONS_MAX)))
    }
}

impl Probers {
    /// Waits until no connection is open.
    pub async fn gone(&self) {
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        // An error would mean that the semaphore was closed, which nobody does.
        drop(self.0.acquire_many(all).await);
    }
}

/// Serves health until the task is dropped; connections that are open then go on. Runs beside the data plane, so a busy gate
/// still answers.
pub async fn serve(gate: Arc<Gate>, listener: TcpListener, probers: Probers) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&probers.0).try_acquire_owned() else { continue };
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let _permit = permit;
            let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&gate, &request))));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(callgate_model::bounds::HEAD_TIME_MAX);
            // A probe that goes away mid-answer is no news.
            drop(server.serve_connection(TokioIo::new(socket), service).await);
        });
    }
}

fn answer<B>(gate: &Gate, request: &Request<B>) -> Response<Full<Bytes>> {
    let mut response = state(gate, request);
    if gate.is_handed_over() {
        // A prober that keeps its connection is led to the process that serves now.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn state<B>(gate: &Gate, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", "GET or HEAD\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/livez" => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".into()),
        "/readyz" if gate.is_draining() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", "draining\n".into())
        }
        "/readyz" => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n".into()),
        "/metrics" => text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", gate.recorder.metrics()),
        _ => text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "/livez, /readyz, /metrics\n".into()),
    }
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
