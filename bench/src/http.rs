//! As much of an HTTP client as the bench needs to ask its programs how they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Client<S: Read + Write>(BufReader<S>);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// One GET on a connection of its own.
///
/// # Errors
/// Nobody answered, or not in HTTP.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    connect(address)?.ask("GET", path, "")
}

/// A connection that is kept.
///
/// # Errors
/// Nobody listens there.
pub(crate) fn connect(address: SocketAddr) -> Result<Client<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(PATIENCE)).context("setting a timeout")?;
    Ok(Client(BufReader::new(stream)))
}

/// A connection to a socket of the file system.
///
/// # Errors
/// Nobody listens there.
pub(crate) fn unix(path: &Path) -> Result<Client<UnixStream>> {
    let stream = UnixStream::connect(path).with_context(|| format!("connecting to {}", path.display()))?;
    stream.set_read_timeout(Some(PATIENCE)).context("setting a timeout")?;
    Ok(Client(BufReader::new(stream)))
}

// === impl Client ===

impl<S: Read + Write> Client<S> {
    /// Asks, and reads the whole answer. `body` is JSON, or empty for none.
    ///
    /// # Errors
    /// The connection broke, or the answer is not HTTP.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Answer> {
        self.send(method, path, if body.is_empty() { "" } else { "Content-Type: application/json\r\n" }, body)
    }

    /// Posts a form.
    ///
    /// # Errors
    /// The connection broke, or the answer is not HTTP.
    pub(crate) fn post_form(&mut self, path: &str, form: &str) -> Result<Answer> {
        self.send("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", form)
    }

    fn send(&mut self, method: &str, path: &str, kind: &str, body: &str) -> Result<Answer> {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {}\r\n\r\n", body.len());
        self.0.get_mut().write_all(format!("{head}{body}").as_bytes()).context("sending")?;
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("`{line}` is no status line"))?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse().context("reading Content-Length")?,
                Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
                Some(_) => {}
                None => break,
            }
        }
        let body = if chunked { self.chunks()? } else { self.bytes(length)? };
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line).context("reading")? == 0 {
            bail!("the connection ended within an answer");
        }
        Ok(line.trim_end().to_owned())
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).context("reading a body")?;
        Ok(body)
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).context("reading the size of a chunk")?;
            body.extend(self.bytes(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
