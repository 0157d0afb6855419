//! Calls as they end: an answer that does not end of itself.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use callgate_records::Follow;
use http_body::Frame;
use tokio::sync::mpsc;

use super::calls::wanted;
use crate::desk::Desk;
use crate::extract::Search;
use crate::problem::{AdminCode, AdminError};
use crate::views::{CallsQuery, Followed};

/// An empty line is sent when nothing happens for so long: both sides notice then that the other is gone.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(20);
/// Lines that wait for a slow reader; behind them the recorder's own bound for followers holds.
const LINES_WAITING_MAX: usize = 64;

/// Lines on their way; none comes any more when the gate has ended.
struct Lines(mpsc::Receiver<Bytes>);

/// Calls as they end, from now on: one JSON object a line, and an empty line now and then.
#[utoipa::path(get, path = "/v1/calls/follow", tag = "calls", operation_id = "calls_follow", params(CallsQuery),
    responses((status = 200, body = Followed, content_type = "application/x-ndjson")))]
pub(crate) async fn follow(
    State(desk): State<Desk>,
    Search(query): Search<CallsQuery>,
) -> Result<Response<Body>, AdminError> {
    let filter = wanted(query, desk.now_ms())?;
    let follow = desk.operations().follow(filter).ok_or_else(|| {
        let detail = "no gate is running, so no calls come; GET /v1/calls gives those that were";
        AdminError::new(AdminCode::NotRunning, detail)
    })?;
    let (lines, waiting) = mpsc::channel(LINES_WAITING_MAX);
    drop(tokio::spawn(write(follow, lines)));
    let mut response = Response::new(Body::new(Lines(waiting)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Until the recorder ends or the reader goes away.
async fn write(mut follow: Follow, lines: mpsc::Sender<Bytes>) {
    loop {
        let line = tokio::select! {
            () = lines.closed() => return,
            () = tokio::time::sleep(SIGN_OF_LIFE_EVERY) => Bytes::from_static(b"\n"),
            followed = follow.next() => match followed {
                Some(followed) => line(followed),
                None => return,
            },
        };
        if lines.send(line).await.is_err() {
            return;
        }
    }
}

fn line(followed: callgate_records::Followed) -> Bytes {
    let view = match followed {
        callgate_records::Followed::Call(record) => Followed::Call(Box::new((*record).clone())),
        callgate_records::Followed::Missed(count) => Followed::Missed(count),
    };
    let mut line = serde_json::to_vec(&view).unwrap_or_default();
    line.push(b'\n');
    Bytes::from(line)
}

// === impl Lines ===

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
