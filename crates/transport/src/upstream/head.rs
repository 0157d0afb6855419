//! The head of a response: found, parsed, and asked how its body ends.

use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use callgate_model::bounds;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};

use super::decode::Decoder;
use super::encode::{closes, has_token};
use super::error::Kind;

/// Header fields of a response. hyper's 100 are few for a response that sets many cookies.
const FIELDS_MAX: usize = 256;

/// A response but for its header fields.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) decoder: Decoder,
    /// Whether another request may follow on the connection.
    pub(super) keeps: bool,
}

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadFault {
    #[error("it is longer than {} bytes", bounds::UPSTREAM_HEAD_BYTES_MAX)]
    TooLong,
    #[error("it has more than {FIELDS_MAX} fields")]
    TooManyFields,
    #[error("its status line or a field is not well-formed")]
    Syntax(#[source] Option<httparse::Error>),
    #[error("its status is not 100 to 999")]
    Status,
    #[error("its Content-Length is not one number")]
    Length,
    #[error("it has a Transfer-Encoding, which HTTP/1.0 does not know")]
    Coding,
    #[error("too many interim answers came before it")]
    Interim,
}

/// Looks for the end of a head.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// How many bytes at the front of the buffer were searched before. Without it, a server that sends byte by byte would
    /// have each byte looked at as often as there are bytes after it.
    searched: usize,
}

// === impl Finder ===

impl Finder {
    /// Takes a whole block of lines, with the empty one that ends it, from the front of the buffer.
    pub(super) fn take(&mut self, buffer: &mut BytesMut, bytes_max: usize) -> Result<Option<Bytes>, TooLong> {
        let from = self.searched.saturating_sub(3);
        for at in memchr::memchr_iter(b'\n', buffer.get(from..).unwrap_or_default()) {
            let end = match buffer.get(from + at + 1..) {
                Some([b'\n', ..]) => from + at + 2,
                Some([b'\r', b'\n', ..]) => from + at + 3,
                _ => continue,
            };
            if end > bytes_max {
                return Err(TooLong);
            }
            self.searched = 0;
            return Ok(Some(buffer.split_to(end).freeze()));
        }
        self.searched = buffer.len();
        if buffer.len() >= bytes_max { Err(TooLong) } else { Ok(None) }
    }
}

/// A block of lines that does not end within its bound.
#[derive(Debug)]
pub(super) struct TooLong;

// === impl Head ===

impl Head {
    /// Parses a whole head; its fields go into `headers`. `method` is the request's.
    pub(super) fn parse(head: &Bytes, method: &Method, headers: &mut HeaderMap) -> Result<Head, HeadFault> {
        let mut space = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        match config.parse_response_with_uninit_headers(&mut parsed, head, &mut space) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Ok(_) => return Err(HeadFault::Syntax(None)),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadFault::TooManyFields),
            Err(error) => return Err(HeadFault::Syntax(Some(error))),
        }
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(HeadFault::Status)?;
        let version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        headers.clear();
        headers.reserve(parsed.headers.len());
        for field in &*parsed.headers {
            let (name, value) = self::field(head, field).ok_or(HeadFault::Syntax(None))?;
            headers.append(name, value);
        }
        let keeps = match version {
            Version::HTTP_11 => !closes(headers),
            _ => !closes(headers) && headers.get_all(CONNECTION).iter().any(|value| has_token(value, b"keep-alive")),
        };
        let decoder = decoder(status, version, method, headers)?;
        // Two lengths: of a server that says both, the next answer may not be where it seems (RFC 9112 section 6.3).
        let doubtful = headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
        Ok(Head { status, version, keeps: keeps && !doubtful && !matches!(decoder, Decoder::UntilClose), decoder })
    }
}

impl HeadFault {
    pub(super) fn kind(self) -> Kind {
        match self {
            HeadFault::TooLong | HeadFault::TooManyFields => Kind::HeadTooLarge,
            _ => Kind::Invalid,
        }
    }
}

/// Whether these bytes, the first that have come, can become a head: it begins with the protocol's name and major version
/// (RFC 9112 section 4), after empty lines, which a parser may pass over (section 2.2).
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"HTTP/1.";
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let bytes = bytes.get(blank..).unwrap_or_default();
    let known = bytes.len().min(BEGIN.len());
    bytes.get(..known) == BEGIN.get(..known)
}

/// Fields of a block; the values are slices of it, not copies.
pub(super) fn field(block: &Bytes, field: &httparse::Header<'_>) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
    let value = HeaderValue::from_maybe_shared(block.slice_ref(field.value)).ok()?;
    Some((name, value))
}

/// RFC 9112 section 6.3.
fn decoder(status: StatusCode, version: Version, method: &Method, headers: &HeaderMap) -> Result<Decoder, HeadFault> {
    let bodiless = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD
        || *method == Method::CONNECT && status.is_success();
    if bodiless {
        return Ok(Decoder::Ended);
    }
    if let Some(last) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        if version == Version::HTTP_10 {
            return Err(HeadFault::Coding);
        }
        let last = last.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
        let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        return Ok(if chunked { Decoder::chunked() } else { Decoder::UntilClose });
    }
    let mut length = None;
    for one in headers.get_all(CONTENT_LENGTH).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let one = number(one.trim_ascii()).ok_or(HeadFault::Length)?;
        if length.is_some_and(|length| length != one) {
            return Err(HeadFault::Length);
        }
        length = Some(one);
    }
    Ok(length.map_or(Decoder::UntilClose, Decoder::length))
}

/// Digits and nothing else, in 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
