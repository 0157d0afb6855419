//! A response, read leniently: a test judges it, so it must be able to show what is wrong with it.

use std::fmt;
use std::io::{ErrorKind, Read};

/// A whole response.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// `HTTP/1.1`, as written.
    pub version: String,
    /// The final status.
    pub status: u16,
    /// Statuses of the interim responses before it (100, 103).
    pub interim: Vec<u16>,
    /// Fields in their order, names as written.
    pub fields: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// Trailer fields of a chunked body.
    pub trailers: Vec<(String, String)>,
}

/// Why no whole response could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection was closed before the first byte.
    Closed,
    /// The connection was reset.
    Reset,
    /// Nothing came in time; what had come until then.
    Late(Vec<u8>),
    /// The connection ended in the middle; what had come until then.
    Cut(Vec<u8>),
    /// What came is not HTTP/1.
    NotHttp(Vec<u8>),
}

// === impl Answer ===

impl Answer {
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

    /// The body as text; other bytes are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the whole answer when it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body is not JSON ({error}):\n{self}"))
    }

    /// `200`, or `401 credential_missing` when the gate refused the call.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.field("callgate-refused") {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }

    /// The call's id; panics when the gate sent none.
    #[must_use]
    #[track_caller]
    pub fn call_id(&self) -> String {
        self.field("callgate-call-id").unwrap_or_else(|| panic!("no Callgate-Call-Id:\n{self}")).to_owned()
    }

    /// Reads one response. `buffer` holds what was read ahead, before and after. Without a body when `to_head` (the
    /// request was HEAD).
    pub(crate) fn read(source: &mut impl Read, buffer: &mut Vec<u8>, to_head: bool) -> Result<Answer, Fault> {
        let mut interim = Vec::new();
        loop {
            let mut answer = Self::read_head(source, buffer)?;
            if (100..200).contains(&answer.status) && answer.status != 101 {
                interim.push(answer.status);
                continue;
            }
            answer.interim = interim;
            let bodiless = to_head || matches!(answer.status, 101 | 204 | 304);
            if !bodiless {
                answer.read_body(source, buffer)?;
            }
            return Ok(answer);
        }
    }

    fn read_head(source: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Answer, Fault> {
        let head = take_through(source, buffer, b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let mut words = lines.next().unwrap_or("").splitn(3, ' ');
        let version = words.next().unwrap_or("").to_owned();
        let status = words.next().and_then(|status| status.parse().ok());
        match status {
            Some(status) if version.starts_with("HTTP/1.") => {
                Ok(Answer { version, status, fields: fields(lines), ..Answer::default() })
            }
            _ => Err(Fault::NotHttp(head)),
        }
    }

    fn read_body(&mut self, source: &mut impl Read, buffer: &mut Vec<u8>) -> Result<(), Fault> {
        if self.field("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked")) {
            return self.read_chunks(source, buffer);
        }
        match self.field("content-length").map(str::parse::<usize>) {
            Some(Ok(length)) => self.body = take(source, buffer, length)?,
            Some(Err(_)) => return Err(Fault::NotHttp(self.to_string().into_bytes())),
            None => {
                while fill(source, buffer)? > 0 {}
                self.body = std::mem::take(buffer);
            }
        }
        Ok(())
    }

    fn read_chunks(&mut self, source: &mut impl Read, buffer: &mut Vec<u8>) -> Result<(), Fault> {
        loop {
            let line = take_through(source, buffer, b"\r\n")?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let digits = text.split([';', '\r']).next().unwrap_or("").trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| Fault::NotHttp(line))?;
            if size == 0 {
                break;
            }
            self.body.extend(take(source, buffer, size)?);
            take(source, buffer, 2)?;
        }
        loop {
            let line = take_through(source, buffer, b"\r\n")?;
            if line == b"\r\n" {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            self.trailers.extend(fields(std::iter::once(text.trim_end())));
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{} {}", self.version, self.status)?;
        for (name, value) in &self.fields {
            writeln!(formatter, "{name}: {value}")?;
        }
        write!(formatter, "\n{}", self.text())
    }
}

/// `Name: value` lines.
pub(crate) fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Reads more into the buffer; 0 at the end.
fn fill(source: &mut impl Read, buffer: &mut Vec<u8>) -> Result<usize, Fault> {
    let mut piece = [0_u8; 16 * 1024];
    loop {
        match source.read(&mut piece) {
            Ok(read) => {
                buffer.extend_from_slice(&piece[..read]);
                return Ok(read);
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Fault::Late(buffer.clone())),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => return Err(Fault::Reset),
                // rustls says so when a peer ends TLS without its closing alert.
                ErrorKind::UnexpectedEof => return Ok(0),
                _ => panic!("reading: {error}"),
            },
        }
    }
}

pub(crate) fn take(source: &mut impl Read, buffer: &mut Vec<u8>, length: usize) -> Result<Vec<u8>, Fault> {
    while buffer.len() < length {
        if fill(source, buffer)? == 0 {
            return Err(Fault::Cut(std::mem::take(buffer)));
        }
    }
    Ok(buffer.drain(..length).collect())
}

pub(crate) fn take_through(source: &mut impl Read, buffer: &mut Vec<u8>, end: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut searched = 0;
    loop {
        if let Some(at) = buffer[searched..].windows(end.len()).position(|window| window == end) {
            return Ok(buffer.drain(..searched + at + end.len()).collect());
        }
        searched = buffer.len().saturating_sub(end.len() - 1);
        if fill(source, buffer)? == 0 {
            return Err(if buffer.is_empty() { Fault::Closed } else { Fault::Cut(std::mem::take(buffer)) });
        }
    }
}
