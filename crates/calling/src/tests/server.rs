//! A server of a few lines: takes one request a connection, keeps its bytes, and sends what it was told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// One that runs until the test's runtime ends.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the first connection with the first reply, and so on; closes each after its reply.
    pub(super) async fn replying<const N: usize>(replies: [impl Into<Vec<u8>>; N]) -> Server {
        let replies: Vec<Vec<u8>> = replies.map(Into::into).into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&seen);
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !is_whole(&request) {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                keeps.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                stream.write_all(&reply).await.unwrap();
            }
        });
        Server { addr, seen }
    }

    /// One that takes connections and never answers.
    pub(super) async fn silent() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Server { addr, seen: Arc::default() }
    }

    /// Every request so far, its bytes as text.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

/// Head complete, and as much of a body as Content-Length says. Or the beginning of a TLS handshake (RFC 8446 section
/// 5.1), which this server doesn't understand.
fn is_whole(request: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    if request.first() == Some(&HANDSHAKE) {
        return true;
    }
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// A reply with a JSON body.
pub(super) fn json(status: &str, body: &str) -> String {
    reply(status, &["content-type: application/json"], body)
}

/// A reply with these fields.
pub(super) fn reply(status: &str, fields: &[&str], body: &str) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}
