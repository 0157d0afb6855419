//! Answering: on the admin socket, and on a TCP port where the configuration has one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use callgate_model::bounds::{ADMIN_CONNECTIONS_MAX, HANDSHAKE_TIME_MAX, HEAD_TIME_MAX};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::access::Peer;
use crate::desk::Desk;
use crate::router::router;
use crate::socket::AdminSocket;

/// How long acts that run are waited for at the end. Each commits or not on its own; only its answer would be lost.
const LAST_ACTS_TIME_MAX: Duration = Duration::from_secs(5);
/// After accepting failed (no file descriptors left): trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a handshake is made by, asked for each connection: a certificate is renewed under a running gate.
pub type TlsSource = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// Where requests arrive.
enum Listening {
    Socket(AdminSocket),
    Tcp { listener: TcpListener, tls: Option<TlsSource> },
}

/// A connection just accepted, with what is needed to answer it.
enum Arrived {
    Socket { stream: UnixStream, own_uid: u32 },
    Tcp { stream: TcpStream, tls: Option<TlsAcceptor> },
}

/// Answers on the admin socket until `stop` comes, then lets running acts end.
pub async fn socket(socket: AdminSocket, desk: Desk, stop: impl Future<Output = ()>) {
    serve(Listening::Socket(socket), desk, stop).await;
}

/// Answers on a TCP port until `stop` comes, over TLS when there is a certificate. Off loopback there must be one: the
/// configuration sees to it.
pub async fn tcp(listener: TcpListener, tls: Option<TlsSource>, desk: Desk, stop: impl Future<Output = ()>) {
    serve(Listening::Tcp { listener, tls }, desk, stop).await;
}

async fn serve(listening: Listening, desk: Desk, stop: impl Future<Output = ()>) {
    let (router, places) = (router(desk), Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        // A place first: what is not accepted waits in the kernel's queue, and takes nothing from us.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listening.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_ended) = connections.join_next() => {}
            (place, arrived) = accepted => match arrived {
                Ok(arrived) => {
                    let answered = arrived.answer(router.clone(), stopped.clone());
                    connections.spawn(async move {
                        answered.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("admin: a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    stopping.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(LAST_ACTS_TIME_MAX, all_ended).await.is_err() {
        tracing::warn!("admin: an act took longer than {LAST_ACTS_TIME_MAX:?} and is not waited for");
    }
}

// === impl Listening ===

impl Listening {
    async fn accept(&self) -> io::Result<Arrived> {
        match self {
            Listening::Socket(socket) => {
                let (stream, _) = socket.listener().accept().await?;
                Ok(Arrived::Socket { stream, own_uid: socket.own_uid() })
            }
            Listening::Tcp { listener, tls } => {
                let (stream, _) = listener.accept().await?;
                Ok(Arrived::Tcp { stream, tls: tls.as_ref().map(|current| TlsAcceptor::from(current())) })
            }
        }
    }
}

// === impl Arrived ===

impl Arrived {
    async fn answer(self, router: Router, stopped: watch::Receiver<bool>) {
        match self {
            Arrived::Socket { stream, own_uid } => {
                // Without its user, nobody is let in.
                let Ok(peer) = stream.peer_cred() else { return };
                answer(stream, Peer::Socket { uid: peer.uid(), own_uid }, router, stopped).await;
            }
            Arrived::Tcp { stream, tls: None } => answer(stream, Peer::Tcp { tls: false }, router, stopped).await,
            Arrived::Tcp { stream, tls: Some(acceptor) } => {
                match timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => answer(stream, Peer::Tcp { tls: true }, router, stopped).await,
                    Ok(Err(error)) => tracing::debug!("admin: the TLS handshake failed: {error}"),
                    Err(_) => tracing::debug!("admin: the TLS handshake took too long"),
                }
            }
        }
    }
}

async fn answer<S>(stream: S, peer: Peer, router: Router, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX).half_close(false);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("admin: a connection ended early: {error}");
    }
}
