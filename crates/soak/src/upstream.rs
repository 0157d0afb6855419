//! An upstream that says what it was asked, and misbehaves when a call asks it to. It can also be gone for a while.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two pieces of a stream, and how many there are: two seconds, so that it lives through several reloads.
const PIECE_EVERY: Duration = Duration::from_millis(100);
pub(crate) const PIECES: usize = 20;
/// How long a slow answer takes.
const SLOW: Duration = Duration::from_millis(200);
/// Bytes of a large answer.
const LARGE: usize = 8 << 20;

/// It runs until the process ends.
#[derive(Debug)]
pub(crate) struct Echo {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

struct Asked {
    method: String,
    target: String,
    /// The field `X-Soak`: how to answer.
    how: String,
    id: String,
    body: Vec<u8>,
}

// === impl Echo ===

impl Echo {
    pub(crate) fn start() -> Echo {
        #[expect(clippy::unwrap_used, reason = "no soak without an upstream")]
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        #[expect(clippy::unwrap_used, reason = "a bound socket has an address")]
        let address = listener.local_addr().unwrap();
        let echo = Echo { address, gone: Arc::default(), open: Arc::default() };
        let (gone, open) = (Arc::clone(&echo.gone), Arc::clone(&echo.open));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                // Taken and closed without a word, as by a server that dies in front of a balancer that goes on.
                if gone.load(Ordering::Acquire) {
                    continue;
                }
                if let Ok(held) = socket.try_clone() {
                    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                    open.retain(|socket| socket.take_error().is_ok() && socket.peer_addr().is_ok());
                    open.push(held);
                }
                std::thread::spawn(move || {
                    serve(&socket);
                    // Said here, because `open` holds the socket too. It may be closed already.
                    socket.shutdown(std::net::Shutdown::Both).unwrap_or_default();
                });
            }
        });
        echo
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes what is open and takes nothing, or comes back.
    pub(crate) fn be_gone(&self, gone: bool) {
        self.gone.store(gone, Ordering::Release);
        if gone {
            for socket in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                // It may be closed already.
                socket.shutdown(std::net::Shutdown::Both).unwrap_or_default();
            }
        }
    }
}

/// What an answer says: what arrived, so that a caller sees an answer that is another's.
pub(crate) fn told(id: &str, method: &str, target: &str, body: &[u8]) -> String {
    let sum = body.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    format!("{id} {method} {target} {} {sum}", body.len())
}

/// What a stream says in one piece.
pub(crate) fn piece(id: &str, number: usize) -> String {
    format!("{id} piece {number}\n")
}

fn serve(socket: &TcpStream) {
    let mut from = BufReader::new(socket);
    while let Some(asked) = read(&mut from) {
        // The gate may be gone from this connection; the next read says so.
        if answer(socket, &asked).is_err() {
            return;
        }
    }
}

fn answer(mut to: &TcpStream, asked: &Asked) -> std::io::Result<()> {
    let whole = |text: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
        [head.as_bytes(), text].concat()
    };
    let told = told(&asked.id, &asked.method, &asked.target, &asked.body);
    match asked.how.as_str() {
        "close" => Err(std::io::ErrorKind::ConnectionAborted.into()),
        "garbage" => to.write_all(b"BOGUS\r\n\r\n").and(Err(std::io::ErrorKind::ConnectionAborted.into())),
        "cut" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
        "slow" => {
            std::thread::sleep(SLOW);
            to.write_all(&whole(told.as_bytes()))
        }
        "large" => to.write_all(&whole(&vec![b'x'; LARGE])),
        "stream" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for number in 0..PIECES {
                let piece = piece(&asked.id, number);
                to.write_all(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes())?;
                std::thread::sleep(PIECE_EVERY);
            }
            to.write_all(b"0\r\n\r\n")
        }
        _ => to.write_all(&whole(told.as_bytes())),
    }
}

/// One request; none at the end of the connection, or when it is not one that the gate would send.
fn read(from: &mut impl BufRead) -> Option<Asked> {
    let mut asked =
        Asked { method: String::new(), target: String::new(), how: String::new(), id: String::new(), body: Vec::new() };
    let line = line(from)?;
    let mut words = line.split(' ');
    (asked.method, asked.target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut chunked) = (0, false);
    loop {
        let line = self::line(from)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "transfer-encoding" => chunked = true,
            "x-soak" => value.clone_into(&mut asked.how),
            "x-soak-id" => value.clone_into(&mut asked.id),
            _ => {}
        }
    }
    if chunked {
        loop {
            let size = usize::from_str_radix(&self::line(from)?, 16).ok()?;
            let mut chunk = vec![0; size];
            from.read_exact(&mut chunk).ok()?;
            asked.body.extend(chunk);
            if !self::line(from)?.is_empty() {
                return None;
            }
            if size == 0 {
                return Some(asked);
            }
        }
    }
    asked.body = vec![0; length];
    from.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

fn line(from: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|count| *count > 0)?;
    Some(line.trim_end_matches(['\r', '\n']).to_owned())
}
