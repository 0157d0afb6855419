//! The body of a response, out of the bytes of its connection.

use bytes::{Buf, Bytes, BytesMut};
use callgate_model::bounds;
use callgate_wire::chunked::ChunkFault;
use http::HeaderMap;

use super::error::BodyError;
use super::head::{Finder, field};

/// Where a body ends, and how much of it is still to come.
#[derive(Debug)]
pub(super) enum Decoder {
    /// After so many bytes.
    Length(u64),
    Chunked(Chunks),
    /// With the connection.
    UntilClose,
    Ended,
}

/// What the next bytes are.
#[derive(Debug)]
pub(super) enum Step {
    Data(Bytes),
    /// Trailer fields; the body has ended.
    Trailers(HeaderMap),
    Ended,
    /// More must be read; so many bytes at least, 0 if that is not known.
    More(u64),
}

/// A chunked body (RFC 9112 section 7.1). The rules are those of `callgate_wire::chunked`, but for two that are no danger
/// in this direction, because the body is framed anew on its way to the caller: blanks behind a size, which old servers
/// pad it with, and any field name in the trailers that HTTP allows.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Bytes of chunk extensions in the whole body.
    extension_bytes: usize,
}

#[derive(Debug)]
enum At {
    /// At a chunk's size.
    Size,
    /// In its data, with so many bytes to come.
    Data(u64),
    /// At the CR LF behind its data.
    DataEnd,
    /// At the first trailer field, or the empty line instead.
    Trailers(Finder),
}

/// The end of a body whose last chunk has been handed on.
const LAST: &[u8] = b"\r\n0\r\n\r\n";

// === impl Decoder ===

impl Decoder {
    pub(super) fn length(length: u64) -> Decoder {
        if length == 0 { Decoder::Ended } else { Decoder::Length(length) }
    }

    pub(super) fn chunked() -> Decoder {
        Decoder::Chunked(Chunks { at: At::Size, extension_bytes: 0 })
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self, Decoder::Ended)
    }

    /// Takes the next piece off the buffer.
    pub(super) fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, ChunkFault> {
        let step = match self {
            Decoder::Ended => return Ok(Step::Ended),
            Decoder::Length(left) => data(left, buffer),
            Decoder::UntilClose if buffer.is_empty() => Step::More(0),
            Decoder::UntilClose => Step::Data(buffer.split().freeze()),
            Decoder::Chunked(chunks) => chunks.step(buffer)?,
        };
        // The end is told with the last piece where it is known, so that the connection is given back at once.
        let ended = match (&step, &mut *self) {
            (Step::Ended | Step::Trailers(_), _) | (_, Decoder::Length(0)) => true,
            (Step::Data(_), Decoder::Chunked(Chunks { at: At::DataEnd, .. })) if buffer.starts_with(LAST) => {
                buffer.advance(LAST.len());
                true
            }
            _ => false,
        };
        if ended {
            *self = Decoder::Ended;
        }
        Ok(step)
    }

    /// The server sends no more.
    pub(super) fn close(&mut self) -> Result<(), BodyError> {
        match self {
            Decoder::UntilClose | Decoder::Ended => {
                *self = Decoder::Ended;
                Ok(())
            }
            Decoder::Length(_) | Decoder::Chunked(_) => Err(BodyError::Cut),
        }
    }
}

/// As many of the bytes that are left as are there.
fn data(left: &mut u64, buffer: &mut BytesMut) -> Step {
    if buffer.is_empty() {
        return Step::More(*left);
    }
    let length = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
    *left -= length as u64;
    Step::Data(buffer.split_to(length).freeze())
}

// === impl Chunks ===

impl Chunks {
    fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, ChunkFault> {
        loop {
            match &mut self.at {
                At::Size => {
                    let Some(line) = line(buffer)? else { return Ok(Step::More(0)) };
                    let size = self.size(line)?;
                    let length = line.len() + 2;
                    buffer.advance(length);
                    self.at = if size == 0 { At::Trailers(Finder::default()) } else { At::Data(size) };
                }
                At::Data(left) => {
                    let step = data(left, buffer);
                    if *left == 0 {
                        self.at = At::DataEnd;
                    }
                    return Ok(step);
                }
                At::DataEnd => match &**buffer {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        self.at = At::Size;
                    }
                    [] | [b'\r'] => return Ok(Step::More(0)),
                    _ => return Err(ChunkFault::LineEnd),
                },
                At::Trailers(finder) => return trailers(finder, buffer),
            }
        }
    }

    /// The size that a line says, digits and blanks and extensions being as they must.
    fn size(&mut self, line: &[u8]) -> Result<u64, ChunkFault> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, rest) = line.split_at_checked(digits).ok_or(ChunkFault::Size)?;
        if digits.is_empty() || digits.len() > 16 {
            return Err(ChunkFault::Size);
        }
        let size = digits.iter().fold(0, |size, digit| size << 4 | u64::from(hex(*digit)));
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match rest.get(blanks..).unwrap_or_default() {
            [] => {}
            [b';', extension @ ..] => {
                self.extension_bytes += extension.len();
                if self.extension_bytes > bounds::CHUNK_EXTENSIONS_BYTES_MAX {
                    return Err(ChunkFault::TooLong);
                }
                if !extension.iter().all(|byte| *byte == b'\t' || (b' '..0x7f).contains(byte)) {
                    return Err(ChunkFault::Extension);
                }
            }
            _ => return Err(ChunkFault::Size),
        }
        Ok(size)
    }
}

/// The first line, without its CR LF.
fn line(buffer: &[u8]) -> Result<Option<&[u8]>, ChunkFault> {
    let head = buffer.get(..bounds::CHUNK_LINE_BYTES_MAX).unwrap_or(buffer);
    match memchr::memchr(b'\n', head) {
        Some(end) => match head.get(..end) {
            Some([line @ .., b'\r']) => Ok(Some(line)),
            _ => Err(ChunkFault::LineEnd),
        },
        None if head.len() == bounds::CHUNK_LINE_BYTES_MAX => Err(ChunkFault::TooLong),
        None => Ok(None),
    }
}

fn trailers(finder: &mut Finder, buffer: &mut BytesMut) -> Result<Step, ChunkFault> {
    match &**buffer {
        [b'\r', b'\n', ..] => {
            buffer.advance(2);
            return Ok(Step::Ended);
        }
        [] | [b'\r'] => return Ok(Step::More(0)),
        _ => {}
    }
    let found = finder.take(buffer, bounds::TRAILER_BYTES_MAX).map_err(|_| ChunkFault::TooLong)?;
    let Some(block) = found else { return Ok(Step::More(0)) };
    let mut space = [httparse::EMPTY_HEADER; bounds::HEAD_FIELDS_MAX];
    let fields = match httparse::parse_headers(&block, &mut space) {
        Ok(httparse::Status::Complete((length, fields))) if length == block.len() => fields,
        Err(httparse::Error::TooManyHeaders) => return Err(ChunkFault::TooLong),
        _ => return Err(ChunkFault::Trailer),
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for one in fields {
        let (name, value) = field(&block, one).ok_or(ChunkFault::Trailer)?;
        trailers.append(name, value);
    }
    Ok(Step::Trailers(trailers))
}

/// Of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
