//! Finding the end of a head while its bytes arrive, and seeing early that none will come.

use callgate_model::bounds;

use super::request_line::RequestLine;
use crate::fault::{HeadFault, malformed};
use crate::inspect::METHOD_BYTES_MAX;
use crate::octets::{self, TARGET, TOKEN};

/// The first bytes of HTTP/2 with prior knowledge (RFC 9113 section 3.4). They would be refused here as a request.
pub const H2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of ` HTTP/1.1` and two spaces' worth of slack in the longest request line.
const LINE_BYTES_MAX: usize = METHOD_BYTES_MAX + bounds::TARGET_BYTES_MAX + 16;

/// Looks for the end of one head in a buffer that grows. Every byte is looked at once, however small the pieces.
#[derive(Debug, Clone, Default)]
pub struct HeadScanner {
    /// Bytes already looked at.
    scanned: usize,
    /// Line ends seen, the one of the empty line before the request line included.
    lines: usize,
    /// Whether the request line has been checked.
    line_checked: bool,
}

/// The number of bytes up to and including the empty line that ends the head. `already_scanned` bytes of the same buffer
/// have been looked at before without success.
#[must_use]
pub fn find_end(bytes: &[u8], already_scanned: usize) -> Option<usize> {
    // The end may straddle the two readings.
    let from = already_scanned.saturating_sub(3).min(bytes.len());
    // Line by line: a search for all four bytes stops at every line's end as well, and is made anew for every head.
    memchr::memchr_iter(b'\n', bytes.get(from..)?)
        .map(|at| from + at + 1)
        .find(|end| bytes.get(..*end).is_some_and(|head| head.ends_with(b"\r\n\r\n")))
}

/// Whether these first bytes can never become a head that is served: answered at once instead of at a timeout.
#[must_use]
pub fn early_fault(bytes: &[u8]) -> Option<HeadFault> {
    check_line(bytes, 0).err()
}

// === impl HeadScanner ===

impl HeadScanner {
    /// A scanner for the next head.
    #[must_use]
    pub fn new() -> HeadScanner {
        HeadScanner::default()
    }

    /// Looks at what came since the last time; `bytes` is the whole buffer from the head's first byte.
    ///
    /// `Some(end)`: give `bytes[..end]` to [`super::inspect`]; the scanner is then ready for the next head.
    ///
    /// # Errors
    /// The head can't become well-formed any more.
    pub fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadFault> {
        if !self.line_checked {
            self.line_checked = check_line(bytes, self.scanned)?;
        }
        let mut from = self.scanned;
        while let Some(found) = bytes.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let at = from + found;
            from = at + 1;
            let before = bytes.get(..at).unwrap_or_default();
            if !before.ends_with(b"\r") {
                return malformed("a line ends in a bare LF: end every line in CR LF");
            }
            if before.ends_with(b"\r\n\r") {
                *self = HeadScanner::default();
                return if from > bounds::HEAD_BYTES_MAX { Err(HeadFault::TooLarge) } else { Ok(Some(from)) };
            }
            self.lines += 1;
            // The request line and the empty line before it are not fields.
            if self.lines > bounds::HEAD_FIELDS_MAX + 2 {
                return Err(HeadFault::TooLarge);
            }
        }
        self.scanned = bytes.len();
        if bytes.len() > bounds::HEAD_BYTES_MAX { Err(HeadFault::TooLarge) } else { Ok(None) }
    }
}

/// Checks the request line as far as it has come; `true` once it is complete and well-formed.
fn check_line(bytes: &[u8], scanned: usize) -> Result<bool, HeadFault> {
    let start = match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\r'] => 0,
        [0x16, 0x03, ..] => return malformed("these bytes look like TLS, but this listener speaks clear text"),
        _ => 0,
    };
    let line = bytes.get(start..).unwrap_or_default();
    if line.is_empty() || bytes == b"\r" {
        return Ok(false);
    }
    if let Some(end) = memchr::memchr(b'\n', bytes.get(scanned.max(start)..).unwrap_or_default()) {
        let end = scanned.max(start) + end;
        let Some([line @ .., b'\r']) = bytes.get(start..end) else {
            return malformed("a line ends in a bare LF: end every line in CR LF");
        };
        return RequestLine::parse(start, line).map(|_| true);
    }
    let method_end = line.iter().take(METHOD_BYTES_MAX + 1).position(|byte| !octets::is(*byte, TOKEN));
    match method_end {
        None if line.len() > METHOD_BYTES_MAX => return Err(HeadFault::MethodUnsupported),
        Some(end) if end == 0 || line.get(end) != Some(&b' ') => {
            return malformed("the first bytes are not the method of a request");
        }
        _ => {}
    }
    let fresh = bytes.get(scanned.max(start)..).unwrap_or_default();
    let fresh = fresh.strip_suffix(b"\r").unwrap_or(fresh);
    if !fresh.iter().all(|byte| *byte == b' ' || *byte == b'#' || octets::is(*byte, TARGET | TOKEN)) {
        return malformed("the request line holds a byte that no request line has");
    }
    if line.len() > LINE_BYTES_MAX { Err(HeadFault::UriTooLong) } else { Ok(false) }
}
