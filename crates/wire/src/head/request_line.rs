//! The first line: method, target, version (RFC 9112 section 3).

use std::ops::Range;

use callgate_model::bounds;

use crate::fault::{HeadFault, malformed};
use crate::inspect;
use crate::octets::{self, TOKEN};
use crate::target::{self, Target, TargetForm};

/// A request line, taken apart. Ranges are of the whole head.
pub(super) struct RequestLine {
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) parts: Target,
    pub(super) minor_version: u8,
}

impl RequestLine {
    /// Reads a line (without CRLF) that begins at `at` in the head.
    pub(super) fn parse(at: usize, line: &[u8]) -> Result<RequestLine, HeadFault> {
        let method_end = line.iter().position(|byte| !octets::is(*byte, TOKEN)).unwrap_or(line.len());
        let (Some(method), Some((b' ', rest))) =
            (line.get(..method_end), line.get(method_end..).and_then(<[u8]>::split_first))
        else {
            return malformed("the request line is not `METHOD target HTTP/1.1` with single spaces");
        };
        inspect::method(method)?;
        let Some((target, version)) = memchr::memchr(b' ', rest).and_then(|space| rest.split_at_checked(space)) else {
            return if rest.len() > bounds::TARGET_BYTES_MAX {
                Err(HeadFault::UriTooLong)
            } else {
                malformed("the request line has no version (HTTP/0.9 is not spoken here)")
            };
        };
        let minor_version = match version {
            b" HTTP/1.1" => 1,
            b" HTTP/1.0" => 0,
            _ => return malformed("the request line does not end in ` HTTP/1.1` or ` HTTP/1.0`"),
        };
        let parts = target::parse(target)?;
        if parts.form == TargetForm::Asterisk && method != b"OPTIONS" {
            return malformed("the target `*` belongs to OPTIONS alone");
        }
        let target_at = at + method_end + 1;
        Ok(RequestLine {
            method: at..at + method_end,
            target: target_at..target_at + target.len(),
            parts,
            minor_version,
        })
    }
}
