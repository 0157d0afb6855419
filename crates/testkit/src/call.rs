//! A well-formed HTTP/1.1 call, built as a person would say it.

use std::net::{IpAddr, SocketAddr};

use crate::answer::{Answer, Fault};
use crate::client::RawClient;

/// A call on a connection of its own.
#[derive(Debug, Clone)]
#[must_use = "a call is made by `.send()`"]
pub struct Call {
    to: SocketAddr,
    /// Where the call comes from, when not from 127.0.0.1.
    source: Option<IpAddr>,
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    chunked: bool,
}

// === impl Call ===

impl Call {
    /// `what` is a method and a target: `GET /shop/books?page=2`.
    #[track_caller]
    pub fn new(to: SocketAddr, what: &str) -> Call {
        let (method, target) = what.split_once(' ').unwrap_or_else(|| panic!("write `GET /path`, not `{what}`"));
        Call {
            to,
            source: None,
            method: method.to_owned(),
            target: target.to_owned(),
            fields: Vec::new(),
            body: Vec::new(),
            chunked: false,
        }
    }

    /// Adds a field; a `Host` replaces the usual one.
    pub fn field(mut self, name: &str, value: impl AsRef<str>) -> Call {
        self.fields.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sends the key in `X-API-Key`.
    pub fn key(self, key: impl AsRef<str>) -> Call {
        self.field("X-API-Key", key)
    }

    /// A body of this type.
    pub fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Call {
        self.body = body.as_ref().to_vec();
        self.field("Content-Type", content_type)
    }

    /// A body without a content type.
    pub fn untyped_body(mut self, body: impl AsRef<[u8]>) -> Call {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends the body in chunks instead of declaring its length.
    pub fn chunked(mut self) -> Call {
        self.chunked = true;
        self
    }

    /// Makes the call from another loopback address.
    #[track_caller]
    pub fn from(mut self, source: &str) -> Call {
        self.source = Some(source.parse().unwrap_or_else(|_| panic!("{source} is not an address")));
        self
    }

    /// The bytes of the call.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let names = |name: &str| self.fields.iter().any(|(is, _)| is.eq_ignore_ascii_case(name));
        if !names("host") {
            head += &format!("Host: {}\r\n", self.to);
        }
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        let has_body = !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let mut body = Vec::new();
        if self.chunked {
            head += "Transfer-Encoding: chunked\r\n";
            for piece in self.body.chunks(7 * 1024) {
                body.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                body.extend(piece);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
        } else if has_body && !names("content-length") {
            head += &format!("Content-Length: {}\r\n", self.body.len());
            body.clone_from(&self.body);
        }
        head += "\r\n";
        let mut bytes = head.into_bytes();
        bytes.extend(body);
        bytes
    }

    /// Makes the call and reads the whole answer.
    #[track_caller]
    pub fn send(&self) -> Answer {
        let mut client = self.open();
        if self.method == "HEAD" { client.answer_to_head() } else { client.answer() }
    }

    /// Makes the call and reads the whole answer.
    ///
    /// # Errors
    /// Why there was none; [`Fault::Closed`] also when nobody listens.
    pub fn try_send(&self) -> Result<Answer, Fault> {
        let mut client = RawClient::try_connect(self.to).map_err(|_| Fault::Closed)?;
        client.send(self.bytes());
        client.try_answer()
    }

    /// Makes the call and leaves the answer to be read.
    #[track_caller]
    pub fn open(&self) -> RawClient {
        let mut client = match self.source {
            Some(source) => RawClient::connect_from(source, self.to),
            None => RawClient::connect(self.to),
        };
        client.send(self.bytes());
        client
    }
}
