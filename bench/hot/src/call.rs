//! A whole call, from the bytes of its request to the bytes of its answer and its line in the access log, through
//! everything that a connection passes but the kernel: a pipe in memory takes its place.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use callgate_gateway::plane::{self, Door};
use callgate_gateway::worker::Worker;
use callgate_model::key::{Kind, mint};
use callgate_transport::greet::{Greeted, Protocol};
use callgate_transport::guarded::Guarded;
use callgate_transport::serve::{Drain, Server};
use callgate_transport::{Buffer, Timing};
use callgate_wire::head;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::LocalSet;

use crate::gate::{self, Shipped};
use crate::{key, upstream};

/// Callers that take turns, each with a key of its own. Each calls once before anything is counted, so that the blocks of
/// quota are there, the connection to the upstream too.
const CALLERS: usize = 256;
/// Bytes that a pipe holds: whole heads and answers.
const PIPE_BYTES: usize = 64 * 1024;

/// What every call is to come to.
struct Expected {
    status: &'static [u8],
    path: &'static str,
    /// Whether the keys are this gate's.
    known: bool,
}

/// A caller at the other end of the pipe.
struct Caller {
    io: DuplexStream,
    received: Vec<u8>,
}

/// `times` calls that the gate answers by itself, after every check.
pub(crate) fn answered(times: u64) -> Result<()> {
    run(times, &Expected { status: b"HTTP/1.1 200", path: "/shop/answers/7", known: true })
}

/// `times` calls with a key that was minted by another gate: well-formed, and not known here.
pub(crate) fn refused(times: u64) -> Result<()> {
    run(times, &Expected { status: b"HTTP/1.1 401", path: "/shop/answers/7", known: false })
}

/// `times` calls that go to an upstream, over a connection that is kept.
pub(crate) fn forwarded(times: u64) -> Result<()> {
    run(times, &Expected { status: b"HTTP/1.1 200", path: "/shop/books/7", known: true })
}

fn run(times: u64, expected: &Expected) -> Result<()> {
    let runtime = gate::runtime()?;
    LocalSet::new().block_on(&runtime, async {
        let shipped = Shipped::start(upstream::start()?).await?;
        let worker = Worker::new(Arc::clone(&shipped.gate), 1);
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let serving = tokio::task::spawn_local(serve(far, worker));
        let mut caller = Caller { io: near, received: Vec::with_capacity(PIPE_BYTES) };

        let texts: Vec<String> = if expected.known { shipped.texts.clone() } else { foreign() };
        let requests: Vec<Vec<u8>> = texts.iter().take(CALLERS).map(|text| request(expected.path, text)).collect();
        for request in &requests {
            caller.call(request, expected.status).await?;
        }
        for request in requests.iter().cycle().take(usize::try_from(times)?) {
            caller.call(request, expected.status).await?;
        }
        drop(caller);
        serving.await?;
        shipped.end(times + CALLERS as u64).await
    })
}

/// Serves one connection as the plane does.
async fn serve(io: DuplexStream, worker: Rc<Worker>) {
    let timing = Timing::default();
    let io = Guarded::new(io, timing.write_stall_max);
    let greeted = Greeted { io, buffer: Buffer::default(), protocol: Protocol::Http1, tls: None };
    let door = Door { index: 0, tls: false, name: "127.0.0.1:8080".into(), relay: None };
    let server = Server::new(timing);
    plane::serve(greeted, Ipv4Addr::LOCALHOST.into(), door, worker, &server, Drain::new().enter()).await;
}

/// Keys that no table here holds.
fn foreign() -> Vec<String> {
    let mut random = key::numbers();
    // As many bytes further on as no key of the table was made from.
    (0..CALLERS * 1_000).map(|_| random()).for_each(drop);
    (0..CALLERS).map(|_| mint("cg", Kind::Live, &mut random).1).collect()
}

/// What a small HTTP client sends.
fn request(path: &str, key: &str) -> Vec<u8> {
    let lines = [
        &format!("GET {path} HTTP/1.1"),
        "Host: api.example.com",
        "User-Agent: bookshop/2.4 (linux; x86_64)",
        "Accept: application/json",
        "Accept-Encoding: gzip, deflate, br",
        &format!("X-API-Key: {key}"),
        "",
        "",
    ];
    lines.join("\r\n").into_bytes()
}

// === impl Caller ===

impl Caller {
    /// Sends a request and reads its answer to the end.
    async fn call(&mut self, request: &[u8], status: &[u8]) -> Result<()> {
        self.io.write_all(request).await?;
        self.received.clear();
        loop {
            let read = self.io.read_buf(&mut self.received).await?;
            ensure!(read > 0, "the gate closed the connection");
            if whole(&self.received)? {
                break;
            }
        }
        if !self.received.starts_with(status) {
            bail!("not {} but {}", String::from_utf8_lossy(status), String::from_utf8_lossy(&self.received));
        }
        Ok(())
    }
}

/// Whether an answer is there to its last byte.
fn whole(received: &[u8]) -> Result<bool> {
    let Some(end) = head::find_end(received, 0) else { return Ok(false) };
    let head = received.get(..end).unwrap_or_default();
    let length = memmem::find(head, b"content-length: ").context("an answer without a length")?;
    let digits = head.get(length + 16..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length: usize, digit| length * 10 + usize::from(digit - b'0'));
    Ok(received.len() >= end + length)
}
