//! The way back from the browser: a port of this machine that answers one request (RFC 8252 section 7.3).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::asking::{AuthError, Issuer};

/// The port, open.
pub(super) struct Loopback {
    listener: TcpListener,
    port: u16,
}

/// As clients register it; the port is free to choose.
const PATH: &str = "/back";
/// A person looks for a password.
const WITHIN: Duration = Duration::from_secs(300);
/// For one request on the way back: other programs may knock, too.
const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// A request line with a code and a state.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

// === impl Loopback ===

impl Loopback {
    pub(super) async fn open() -> Result<Loopback, AuthError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(AuthError::NoWayBack)?;
        let port = listener.local_addr().map_err(AuthError::NoWayBack)?.port();
        Ok(Loopback { listener, port })
    }

    pub(super) fn redirect(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the browser. Whoever comes with another `state` is not it, and is sent away.
    pub(super) async fn code(&self, issuer: &Issuer, state: &str) -> Result<String, AuthError> {
        let coming = async {
            loop {
                let (mut stream, _) = self.listener.accept().await.map_err(AuthError::NoWayBack)?;
                let Ok(Some(query)) = timeout(REQUEST_WITHIN, query(&mut stream)).await else { continue };
                let outcome = issuer.code(&query, state);
                let is_ours = query.split('&').any(|pair| pair.strip_prefix("state=") == Some(state));
                let said = match &outcome {
                    Ok(_) => "You are signed in. You can close this page.",
                    Err(_) => "That did not work. The terminal says why.",
                };
                let _best_effort = timeout(REQUEST_WITHIN, answer(&mut stream, said)).await;
                if is_ours {
                    return outcome;
                }
            }
        };
        timeout(WITHIN, coming).await.unwrap_or(Err(AuthError::NobodyCame { within: WITHIN }))
    }
}

/// The query of a request for our path; nothing for anything else.
async fn query(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let line = String::from_utf8_lossy(&head);
    let target = line.lines().next()?.strip_prefix("GET ")?.split(' ').next()?;
    let (path, query) = target.split_once('?')?;
    (path == PATH).then(|| query.to_owned())
}

async fn answer(stream: &mut TcpStream, said: &str) -> std::io::Result<()> {
    let body = format!("<!doctype html><html lang=\"en\"><title>callgate</title><p>{said}</p></html>\n");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}
