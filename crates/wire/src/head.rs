//! The head of an HTTP/1.x request, inspected byte by byte before any HTTP library sees it (RFC 9112).
//!
//! Whoever parses more leniently than the server behind it can be made to see one request where the other sees two
//! (request smuggling), so nothing here is repaired: what is odd is refused. Start at [`inspect`].

mod fields;
mod request_line;
mod scanner;

use std::ops::Range;

use callgate_model::bounds;

pub use crate::fault::HeadFault;
use crate::fault::malformed;
use crate::host::Host;
pub use crate::target::TargetForm;
use fields::Fields;
pub(crate) use fields::content_length;
use request_line::RequestLine;
pub use scanner::{H2_PREFACE, HeadScanner, early_fault, find_end};

/// How the body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Content-Length.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What a head says to the connection. Ranges are of the bytes that were inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the one empty line that may come before the request line: 0 or 2.
    pub start: usize,
    /// The method.
    pub method: Range<usize>,
    /// The whole target.
    pub target: Range<usize>,
    /// In which form the target came.
    pub form: TargetForm,
    /// The target's path: begins with `/`, or is `*`, or is empty (which means `/`).
    pub path: Range<usize>,
    /// The target's query, without `?`.
    pub query: Option<Range<usize>>,
    /// 0 or 1 of HTTP/1.x.
    pub minor_version: u8,
    /// How the body is delimited.
    pub framing: Framing,
    /// Whether the connection may carry another call (RFC 9112 section 9.3). Any `close` wins over any `keep-alive`.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` (never on HTTP/1.0: RFC 9110 section 10.1.1).
    pub expect_continue: bool,
    /// An `Expect` that is not `100-continue`; 417 is the answer if anybody cares.
    pub expect_other: bool,
    /// There is an `Upgrade` field.
    pub has_upgrade: bool,
    /// The Host field's value; its text has passed [`Host::parse`]. Only HTTP/1.0 may miss it.
    pub host: Option<Range<usize>>,
    /// Field lines.
    pub fields: usize,
}

/// Inspects a head: exactly the bytes up to and including its empty line.
///
/// # Errors
/// What is wrong with it; the connection can't be used any further, because nobody can tell where the next head begins.
pub fn inspect(bytes: &[u8]) -> Result<Head, HeadFault> {
    inspect_each(bytes, |_name, _value| Ok(()))
}

/// Inspects a head, and hands out each field that passed: where its name is, and where its value without the blanks around
/// it. The fields of a head that is refused later were handed out too.
///
/// # Errors
/// See [`inspect`]; and what `each` refuses.
pub fn inspect_each(
    bytes: &[u8],
    mut each: impl FnMut(Range<usize>, Range<usize>) -> Result<(), HeadFault>,
) -> Result<Head, HeadFault> {
    if bytes.len() > bounds::HEAD_BYTES_MAX {
        return Err(HeadFault::TooLarge);
    }
    let start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let mut lines = Lines { bytes, at: start };
    let (at, line) = lines.next_line()?;
    let request = RequestLine::parse(at, line)?;
    let mut fields = Fields::default();
    loop {
        let (at, line) = lines.next_line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = fields.add(at, line)?;
        each(name, value)?;
    }
    if lines.at != bytes.len() {
        return malformed("there are bytes after the empty line that ends the head");
    }
    fields.finish(&request, bytes)
}

/// Hands out lines without their CRLF.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    #[inline]
    fn next_line(&mut self) -> Result<(usize, &'a [u8]), HeadFault> {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return malformed("the head does not end in an empty line");
        };
        self.at = start + end + 1;
        match rest.get(..end) {
            Some([line @ .., b'\r']) => Ok((start, line)),
            // Some back ends end a line here and some don't: RFC 9112 section 2.2 lets us refuse.
            _ => malformed("a line ends in a bare LF: end every line in CR LF"),
        }
    }
}

// === impl Head ===

impl Head {
    /// The method's text.
    #[must_use]
    pub fn method_text<'a>(&self, bytes: &'a [u8]) -> &'a str {
        text(bytes, &self.method)
    }

    /// The target's text.
    #[must_use]
    pub fn target_text<'a>(&self, bytes: &'a [u8]) -> &'a str {
        text(bytes, &self.target)
    }

    /// The path's text; `/` where the target has none.
    #[must_use]
    pub fn path_text<'a>(&self, bytes: &'a [u8]) -> &'a str {
        match text(bytes, &self.path) {
            "" => "/",
            path => path,
        }
    }

    /// The Host field.
    #[must_use]
    pub fn host_text<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        self.host.as_ref().map(|range| text(bytes, range))
    }

    /// The Host field, cut into name and port.
    #[must_use]
    pub fn host_parts<'a>(&self, bytes: &'a [u8]) -> Option<Host<'a>> {
        Host::parse(self.host_text(bytes)?).ok()
    }
}

fn text<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a str {
    bytes.get(range.clone()).and_then(|part| std::str::from_utf8(part).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
