//! Handing the gate over to another process, which comes with `callgate serve --upgrade`.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::access::Peer;
use crate::desk::Desk;
use crate::problem::{AdminCode, AdminError};

/// What is spoken on the connection afterwards.
pub(crate) const PROTOCOL: &str = "callgate-upgrade-1";

/// Hands the gate over to the process that asks: its sockets and the lock of its folder go along on this connection, which
/// stops being HTTP. Over the socket alone, because descriptors travel nowhere else; `callgate serve --upgrade` asks.
#[utoipa::path(post, path = "/v1/upgrade", tag = "gate", operation_id = "upgrade",
    responses((status = 101, description = "Done")))]
pub(crate) async fn upgrade(
    State(desk): State<Desk>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response<Body>, AdminError> {
    if !matches!(peer, Peer::Socket { .. }) {
        let detail = "a gate is handed over on its own machine alone, through the admin socket";
        return Err(AdminError::new(AdminCode::UserRefused, detail));
    }
    if request.headers().get(header::UPGRADE).is_none_or(|protocol| protocol != PROTOCOL) {
        let detail = format!("send `Connection: upgrade` and `Upgrade: {PROTOCOL}`: `callgate serve --upgrade` does");
        return Err(AdminError::new(AdminCode::RequestUnfit, detail));
    }
    let handover = desk.operations().begin_handover()?;
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        match upgraded.downcast::<TokioIo<UnixStream>>() {
            // The other side says nothing more before it has the answer.
            Ok(parts) if parts.read_buf.is_empty() => handover(parts.io.into_inner()).await,
            _ => tracing::warn!("an upgrade broke off before it began"),
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, PROTOCOL)
        .body(Body::empty());
    response.map_err(|error| AdminError::new(AdminCode::Internal, error.to_string()))
}
