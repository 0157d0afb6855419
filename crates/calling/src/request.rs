//! A request that is ready to be sent.

use std::fmt::Write as _;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use crate::secrecy;
use crate::url::Url;

/// Everything that goes out, before any of it does.
#[derive(Debug, Clone)]
pub struct Request {
    /// As it stands in the request line.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Every field in its order, `Host` included; the framing of the body is added while sending.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub payload: Payload,
}

/// A body that can be sent again after a redirect.
#[derive(Debug, Clone)]
pub enum Payload {
    /// No body, and no Content-Length.
    Nothing,
    /// Bytes in memory.
    Whole(Bytes),
    /// A file, read while it is sent.
    File {
        /// Where it is.
        path: PathBuf,
        /// Its size when the request was made; sent as Content-Length.
        length: u64,
    },
}

// === impl Request ===

impl Request {
    /// The first value of a field.
    #[must_use]
    pub fn field(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The head as text, for `-v`. Credentials are replaced unless they are asked for.
    #[must_use]
    pub fn head_text(&self, show_secrets: bool) -> String {
        let shown = if show_secrets { self.url.target.clone() } else { secrecy::target(&self.url.target) };
        let mut text = format!("{} {shown}\n", self.method);
        for (name, value) in &self.fields {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = if show_secrets { value } else { secrecy::field(name, &value) };
            // Writing to a String can't fail.
            let _written = writeln!(text, "{name}: {value}");
        }
        text
    }
}

// === impl Payload ===

impl Payload {
    /// Bytes, when known and not nothing.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Payload::Nothing => None,
            Payload::Whole(bytes) => Some(bytes.len() as u64),
            Payload::File { length, .. } => Some(*length),
        }
    }
}
