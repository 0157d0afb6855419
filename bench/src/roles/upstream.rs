//! The server behind every proxy: as cheap as can be, and it counts what reaches it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::http;

/// 90 bytes, the answer to nearly everything.
const SMALL: &str = r#"{"id":"book-0001","title":"The Gate of Calls","pages":412,"author":"A. Writer","stock":17}"#;
const LARGE_BYTES: usize = 100 * 1024;
/// Where the counts are told; such questions are not counted.
const COUNTS: &str = "/bench/counts";
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What the upstream has seen since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    /// Heads with a field in which a caller's credential may stand.
    pub(crate) credentials: u64,
    pub(crate) connections: u64,
    /// Bytes of request bodies.
    pub(crate) body_bytes: u64,
    /// Heads that it could not read, and bodies without a length.
    pub(crate) misunderstood: u64,
}

struct Seen {
    counts: Cell<Counts>,
    small: Vec<u8>,
    large: Vec<u8>,
}

/// Answers for ever.
///
/// # Errors
/// The address can't be listened on.
pub(super) async fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(LARGE_BYTES - 11));
    let seen = Seen { counts: Cell::default(), small: answer(SMALL), large: answer(&large) };
    LocalSet::new().run_until(accept(listener, Rc::new(seen))).await
}

async fn accept(listener: TcpListener, seen: Rc<Seen>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accepting")?;
        let seen = Rc::clone(&seen);
        seen.count(|counts| counts.connections += 1);
        tokio::task::spawn_local(async move {
            if stream.set_nodelay(true).is_ok() {
                // A connection that breaks is the proxy's affair.
                drop(serve_one(stream, &seen).await);
            }
        });
    }
}

async fn serve_one(mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let Some(end) = head_end(&buffer) else {
            if buffer.len() > HEAD_BYTES_MAX {
                seen.count(|counts| counts.misunderstood += 1);
                return Ok(());
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let head = Head::of(buffer.get(..end).unwrap_or_default());
        let Some(mut body_left) = head.body else {
            seen.count(|counts| counts.misunderstood += 1);
            return Ok(());
        };
        let is_question = head.is_question;
        if !is_question {
            seen.count(|counts| {
                counts.calls += 1;
                counts.credentials += u64::from(head.has_credential);
                counts.body_bytes += u64::try_from(body_left).unwrap_or(u64::MAX);
            });
        }
        let is_large = head.is_large;
        buffer.drain(..end);
        while body_left > 0 {
            let taken = body_left.min(buffer.len());
            buffer.drain(..taken);
            body_left -= taken;
            if body_left > 0 && stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        if is_question {
            stream.write_all(&answer(&seen.counts.get().json().to_string())).await?;
        } else {
            stream.write_all(if is_large { &seen.large } else { &seen.small }).await?;
        }
    }
}

fn answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn head_end(buffer: &[u8]) -> Option<usize> {
    buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|start| start + 4)
}

struct Head {
    is_question: bool,
    is_large: bool,
    has_credential: bool,
    /// Bytes of the body; none if it is chunked or can't be read.
    body: Option<usize>,
}

// === impl Head ===

impl Head {
    fn of(head: &[u8]) -> Head {
        let mut lines = head.split(|byte| *byte == b'\n');
        let target = lines.next().unwrap_or_default().split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let mut found = Head {
            is_question: target == COUNTS.as_bytes(),
            is_large: target == b"/large",
            has_credential: false,
            body: Some(0),
        };
        for line in lines {
            // One look at the first letter spares the others: this runs on every call, on the core that makes the load.
            match line.first().map(u8::to_ascii_lowercase) {
                Some(b'a' | b'x') if named(line, "x-api-key:") || named(line, "authorization:") => {
                    found.has_credential = true;
                }
                Some(b'c') if named(line, "content-length:") => {
                    let value = line.get("content-length:".len()..).unwrap_or_default();
                    found.body = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
                }
                Some(b't') if named(line, "transfer-encoding:") => found.body = None,
                _ => {}
            }
        }
        found
    }
}

fn named(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

// === impl Seen ===

impl Seen {
    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }
}

// === impl Counts ===

impl Counts {
    /// Asks the upstream.
    ///
    /// # Errors
    /// It does not answer as it should.
    pub(crate) fn ask(address: SocketAddr) -> Result<Counts> {
        let answer = http::get(address, COUNTS).context("asking the upstream what it has seen")?;
        let counts: Value = serde_json::from_str(&answer.body).context("reading the upstream's counts")?;
        let one = |name: &str| counts.get(name).and_then(Value::as_u64).with_context(|| format!("no count of {name}"));
        Ok(Counts {
            calls: one("calls")?,
            credentials: one("credentials")?,
            connections: one("connections")?,
            body_bytes: one("body_bytes")?,
            misunderstood: one("misunderstood")?,
        })
    }

    pub(crate) fn since(&self, before: &Counts) -> Counts {
        Counts {
            calls: self.calls - before.calls,
            credentials: self.credentials - before.credentials,
            connections: self.connections - before.connections,
            body_bytes: self.body_bytes - before.body_bytes,
            misunderstood: self.misunderstood - before.misunderstood,
        }
    }

    fn json(self) -> Value {
        json!({
            "calls": self.calls,
            "credentials": self.credentials,
            "connections": self.connections,
            "body_bytes": self.body_bytes,
            "misunderstood": self.misunderstood,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_answer_has_ninety_bytes() {
        assert_eq!(SMALL.len(), 90);
    }

    #[test]
    fn heads_are_read() {
        let head = Head::of(b"POST /large HTTP/1.1\r\nHost: a\r\ncontent-length: 12\r\nX-API-KEY: secret\r\n\r\n");
        assert!(head.is_large && head.has_credential && !head.is_question && head.body == Some(12));
        let head = Head::of(b"GET /bench/counts HTTP/1.1\r\nX-Api-Keys: no\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(head.is_question && !head.has_credential && head.body.is_none());
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nrest"), Some(18));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r"), None);
    }
}
