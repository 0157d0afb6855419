//! The field lines of a head, and what they say together about framing, host and connection.

use std::ops::Range;

use callgate_model::bounds;

use super::request_line::RequestLine;
use super::{Framing, Head, text};
use crate::fault::{HeadFault, malformed};
use crate::host::Host;
use crate::octets::{self, NAME};

/// What the field lines said so far.
#[derive(Default)]
pub(super) struct Fields {
    count: usize,
    host: Option<Range<usize>>,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expect_continue: bool,
    expect_other: bool,
    upgrade: bool,
}

impl Fields {
    /// Takes one line (without CRLF) that begins at `at` in the head, and says where its name and its value are.
    #[inline]
    pub(super) fn add(&mut self, at: usize, line: &[u8]) -> Result<(Range<usize>, Range<usize>), HeadFault> {
        self.count += 1;
        if self.count > bounds::HEAD_FIELDS_MAX {
            return Err(HeadFault::TooLarge);
        }
        let (name, raw) = split(line)?;
        if !octets::is_value(raw) {
            return malformed("a field's value holds a control character (CR, NUL or another)");
        }
        let value = octets::trim(raw);
        if value.len() > bounds::FIELD_VALUE_BYTES_MAX {
            return Err(HeadFault::TooLarge);
        }
        let leading = raw.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count().min(raw.len() - value.len());
        let start = at + line.len() - raw.len() + leading;
        let place = start..start + value.len();
        self.note(name, value, &place)?;
        Ok((at..at + name.len(), place))
    }

    /// What a field says to the connection, if anything.
    #[inline]
    fn note(&mut self, name: &[u8], value: &[u8], place: &Range<usize>) -> Result<(), HeadFault> {
        // The length sorts out nearly every field before a comparison.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.add_host(value, place),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                let is_continue = value.eq_ignore_ascii_case(b"100-continue");
                self.expect_continue |= is_continue;
                self.expect_other |= !is_continue;
                Ok(())
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            10 if name.eq_ignore_ascii_case(b"connection") => self.add_connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return malformed("there are two Content-Length fields: send one");
                }
                self.length = Some(content_length(value)?);
                Ok(())
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return malformed("Transfer-Encoding is not exactly one `chunked`");
                }
                self.chunked = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add_host(&mut self, value: &[u8], place: &Range<usize>) -> Result<(), HeadFault> {
        if self.host.is_some() {
            return malformed("there are two Host fields: send one");
        }
        let Ok(text) = std::str::from_utf8(value) else {
            return malformed("the host holds characters that no host name has");
        };
        Host::parse(text)?;
        self.host = Some(place.clone());
        Ok(())
    }

    fn add_connection(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        // HTTP libraries read this field as ASCII or not at all; two readings would disagree about the connection.
        if !value.is_ascii() {
            return malformed("the Connection field holds bytes over 0x7f");
        }
        for option in value.split(|byte| *byte == b',').map(octets::trim) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
        Ok(())
    }

    /// Judges the fields together, and with the request line.
    pub(super) fn finish(self, request: &RequestLine, bytes: &[u8]) -> Result<Head, HeadFault> {
        let is_1_1 = request.minor_version == 1;
        let framing = match (self.length, self.chunked) {
            (Some(_), true) => return malformed("Content-Length and Transfer-Encoding come together: send one"),
            (None, true) if !is_1_1 => return malformed("HTTP/1.0 has no Transfer-Encoding"),
            (None, true) => Framing::Chunked,
            (Some(length), false) => Framing::Length(length),
            (None, false) => Framing::None,
        };
        if is_1_1 && self.host.is_none() {
            return malformed("there is no Host field");
        }
        let offset = request.target.start;
        let shifted = |range: &Range<usize>| range.start + offset..range.end + offset;
        if let (Some(authority), Some(host)) = (&request.parts.authority, &self.host) {
            let (authority, host) = (Host::parse(text(bytes, &shifted(authority)))?, Host::parse(text(bytes, host))?);
            if !authority.agrees(&host, request.parts.default_port) {
                return malformed("the target names another host than the Host field");
            }
        }
        Ok(Head {
            start: request.method.start,
            method: request.method.clone(),
            target: request.target.clone(),
            form: request.parts.form,
            path: shifted(&request.parts.path),
            query: request.parts.query.as_ref().map(shifted),
            minor_version: request.minor_version,
            framing,
            keep_alive: !self.close && (is_1_1 || self.keep_alive),
            expect_continue: is_1_1 && self.expect_continue && !self.expect_other,
            expect_other: self.expect_other,
            has_upgrade: self.upgrade,
            host: self.host,
            fields: self.count,
        })
    }
}

/// Cuts a line at its colon and checks the name.
#[inline]
pub(super) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), HeadFault> {
    let end = line.iter().position(|byte| !octets::is(*byte, NAME)).unwrap_or(line.len());
    match (line.get(..end), line.get(end..)) {
        (Some(name), Some([b':', value @ ..])) if !name.is_empty() => Ok((name, value)),
        (_, Some(rest)) => malformed(odd_name(end, rest)),
        _ => malformed(odd_name(end, line)),
    }
}

fn odd_name(end: usize, rest: &[u8]) -> &'static str {
    match rest.first() {
        Some(b' ' | b'\t') if end == 0 => "a line begins with whitespace (line folding is obsolete)",
        Some(b' ' | b'\t') => "there is whitespace before the colon of a field",
        Some(b':') => "a field has no name",
        Some(b'_') => "a field's name holds `_`, which CGI and WSGI can't tell from `-`: use `-`",
        Some(_) => "a field's name holds a character that no name has",
        None => "a field line has no colon",
    }
}

/// One run of digits. `+1`, `0x1`, `1, 1`, `-1`, an empty value and anything over 64 bits are refused.
pub(crate) fn content_length(value: &[u8]) -> Result<u64, HeadFault> {
    const WHY: &str = "Content-Length is not a number of decimal digits below 2^64";
    if value.is_empty() || value.len() > 20 {
        return malformed(WHY);
    }
    let mut length = 0_u64;
    for byte in value {
        if !byte.is_ascii_digit() {
            return malformed(WHY);
        }
        let digit = u64::from(byte - b'0');
        length = length.checked_mul(10).and_then(|tens| tens.checked_add(digit)).ok_or(HeadFault::Malformed(WHY))?;
    }
    Ok(length)
}
