//! An upstream that does exactly what a script says, byte by byte, and remembers what it received.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::answer::{self, Fault};
use crate::signal::Signal;
use crate::wait::{PATIENCE, wait_for};

/// A TCP server on a free port. Each connection runs the script on a thread of its own.
#[derive(Debug)]
pub struct ScriptedUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    received: Mutex<Vec<Received>>,
    connections: Mutex<usize>,
    closed: Mutex<usize>,
    /// Raised when the upstream is dropped: scripts that wait for ever end.
    over: Signal,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Which connection brought it, from 0.
    pub connection: usize,
    /// `GET /books HTTP/1.1`.
    pub line: String,
    /// Fields in their order, names as written.
    pub fields: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
}

/// One connection, in the hands of a script. When the script returns, the connection is closed.
#[derive(Debug)]
pub struct Connection {
    /// Which connection this is, from 0.
    pub number: usize,
    stream: TcpStream,
    buffer: Vec<u8>,
    shared: Arc<Shared>,
}

/// The bytes of a response with a body of this length: `reply("200 OK", "hello")`.
#[must_use]
pub fn reply(status: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

// === impl ScriptedUpstream ===

impl ScriptedUpstream {
    /// Starts a server whose connections run this script.
    #[must_use]
    pub fn start(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> ScriptedUpstream {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// The same on an address that was another one's before: a server that comes back.
    #[must_use]
    #[track_caller]
    pub fn start_at(address: SocketAddr, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> ScriptedUpstream {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let script = Arc::new(script);
        let for_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.over.is_raised() {
                    return;
                }
                let Ok(stream) = stream else { return };
                let (script, shared) = (Arc::clone(&script), Arc::clone(&for_thread));
                std::thread::spawn(move || {
                    let mut connection = Connection::new(stream, Arc::clone(&shared));
                    script(&mut connection);
                    drop(connection);
                    *shared.closed.lock().unwrap() += 1;
                });
            }
        });
        ScriptedUpstream { address, shared }
    }

    /// Answers every request with `200 OK` and this text.
    #[must_use]
    pub fn answering(text: &str) -> ScriptedUpstream {
        Self::replying(reply("200 OK", text))
    }

    /// Reads each request whole and answers it with exactly these bytes, keeping the connection.
    #[must_use]
    pub fn replying(bytes: impl Into<Vec<u8>>) -> ScriptedUpstream {
        let bytes = bytes.into();
        Self::responding(move |_| bytes.clone())
    }

    /// Reads each request whole and answers it with what the closure makes of it, keeping the connection.
    #[must_use]
    pub fn responding(respond: impl Fn(&Received) -> Vec<u8> + Send + Sync + 'static) -> ScriptedUpstream {
        Self::start(move |connection| {
            while let Some(request) = connection.request() {
                connection.send(respond(&request));
            }
        })
    }

    /// Answers every request with its own head and body, as they arrived.
    #[must_use]
    pub fn echoing() -> ScriptedUpstream {
        Self::responding(|request| reply("200 OK", request.to_string()))
    }

    /// An address on which nobody listens.
    #[must_use]
    pub fn nobody() -> SocketAddr {
        // Bound and never listening, as long as the test's process lives: a port that was only looked for would be given to
        // the next test that asks for one.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        std::mem::forget(socket);
        address
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// How many requests have come.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// How many connections were made to it.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    /// How many connections it has closed.
    #[must_use]
    pub fn closed(&self) -> usize {
        *self.shared.closed.lock().unwrap()
    }

    /// The last request; waits for the first.
    #[must_use]
    #[track_caller]
    pub fn last(&self) -> Received {
        wait_for("a request at the upstream", || self.count() > 0);
        self.received().pop().unwrap()
    }
}

impl Drop for ScriptedUpstream {
    fn drop(&mut self) {
        self.shared.over.raise();
        // Wakes the accepting thread, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

// === impl Connection ===

impl Connection {
    fn new(stream: TcpStream, shared: Arc<Shared>) -> Connection {
        stream.set_nodelay(true).unwrap();
        let number = {
            let mut connections = shared.connections.lock().unwrap();
            *connections += 1;
            *connections - 1
        };
        Connection { number, stream, buffer: Vec::new(), shared }
    }

    /// Reads a whole request; `None` when the peer closed instead. It is remembered in [`ScriptedUpstream::received`].
    pub fn request(&mut self) -> Option<Received> {
        let mut request = self.head()?;
        self.body_of(&mut request)?;
        self.shared.received.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Reads a head alone; `None` when the peer closed instead. It is remembered at once, without a body.
    pub fn head_only(&mut self) -> Option<Received> {
        let request = self.head()?;
        self.shared.received.lock().unwrap().push(request.clone());
        Some(request)
    }

    fn head(&mut self) -> Option<Received> {
        let head = answer::take_through(&mut self.stream, &mut self.buffer, b"\r\n\r\n").ok()?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next()?.to_owned();
        let fields = answer::fields(lines);
        Some(Received { connection: self.number, line, fields, body: Vec::new(), trailers: Vec::new() })
    }

    fn body_of(&mut self, request: &mut Received) -> Option<()> {
        if request.field("transfer-encoding").is_some() {
            loop {
                let line = answer::take_through(&mut self.stream, &mut self.buffer, b"\r\n").ok()?;
                let text = String::from_utf8_lossy(&line).into_owned();
                let size = usize::from_str_radix(text.split([';', '\r']).next()?.trim(), 16).ok()?;
                if size == 0 {
                    break;
                }
                request.body.extend(self.read(size)?);
                self.read(2)?;
            }
            loop {
                let line = answer::take_through(&mut self.stream, &mut self.buffer, b"\r\n").ok()?;
                if line == b"\r\n" {
                    return Some(());
                }
                let text = String::from_utf8_lossy(&line).into_owned();
                request.trailers.extend(answer::fields(std::iter::once(text.trim_end())));
            }
        }
        let length = request.field("content-length").map_or(Some(0), |length| length.parse().ok())?;
        request.body = self.read(length)?;
        Some(())
    }

    /// Reads exactly this many bytes; `None` when fewer came.
    pub fn read(&mut self, length: usize) -> Option<Vec<u8>> {
        answer::take(&mut self.stream, &mut self.buffer, length).ok()
    }

    /// Reads until the peer closes or resets; says whether it closed in an orderly way.
    pub fn until_closed(&mut self) -> bool {
        loop {
            match answer::take(&mut self.stream, &mut self.buffer, 1) {
                Ok(_) => {}
                Err(Fault::Cut(_) | Fault::Closed) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Sends exactly these bytes; says whether the peer was still there.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Closes with a reset (RST) instead of an end.
    pub fn reset(&mut self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Never answers: holds the connection until the upstream is dropped.
    pub fn hold(&mut self) {
        let started = std::time::Instant::now();
        while !self.shared.over.is_raised() && started.elapsed() < 4 * PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

// === impl Received ===

impl Received {
    /// The first field of this name, in any case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every field of this name.
    #[must_use]
    pub fn fields_named(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// The request's target: `/books?page=2`.
    #[must_use]
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("")
    }
}

impl std::fmt::Display for Received {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "{}", self.line)?;
        for (name, value) in &self.fields {
            writeln!(formatter, "{name}: {value}")?;
        }
        write!(formatter, "\n{}", String::from_utf8_lossy(&self.body))
    }
}
