//! The chunked coding (RFC 9112 section 7.1), followed byte by byte so that the end of a body is known to the connection
//! and not only to the HTTP library: two parsers that disagree about that end are a request smuggling.

use callgate_model::bounds;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::octets::{self, NAME, VALUE};

/// Follows one chunked body through any split of its bytes.
#[derive(Debug, Clone)]
pub struct ChunkScanner {
    state: State,
    /// Bytes of the line that is being read; bounded by `CHUNK_LINE_BYTES_MAX`.
    line_bytes: usize,
    /// Bytes of the trailer section so far; bounded by `TRAILER_BYTES_MAX`.
    trailer_bytes: usize,
    /// Trailer lines so far; bounded by `HEAD_FIELDS_MAX`.
    trailer_fields: usize,
    /// Bytes of chunk extensions in the whole body; bounded by `CHUNK_EXTENSIONS_BYTES_MAX`.
    extension_bytes: usize,
    /// Payload of the whole body so far.
    payload_bytes: u64,
}

/// What a slice of bytes held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// How many of the slice's bytes belong to this body, framing included; what follows belongs to the next head.
    pub body: usize,
    /// How many of them were payload.
    pub payload: u64,
    /// Whether the body ended, trailers included, within those bytes (or before).
    pub ended: bool,
}

/// Why a chunked body is refused. The connection can't be used any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkFault {
    /// A chunk size that isn't 1 to 16 hexadecimal digits followed by CR LF or an extension.
    #[error("a chunk's size is not one to sixteen hexadecimal digits")]
    Size,
    /// A control character in a chunk extension, among them a bare CR or LF.
    #[error("a chunk's extension holds a control character")]
    Extension,
    /// A line end that isn't CR LF, or payload that isn't followed by one.
    #[error("a chunk does not end in CR LF where its size says")]
    LineEnd,
    /// A trailer line that isn't `name: value`.
    #[error("a trailer field is not well-formed")]
    Trailer,
    /// A line, the extensions or the trailers are over their bound.
    #[error("the framing of the chunked body is too long")]
    TooLong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Digits of a size; how many there were.
    Size { digits: u8, size: u64 },
    /// Blanks between a size and `;`.
    SizeBlank { size: u64 },
    /// Behind `;`.
    Extension { size: u64 },
    /// Behind the CR of a size line.
    SizeLf { size: u64 },
    /// Payload.
    Data { left: u64 },
    /// Behind payload.
    DataCr,
    /// Behind the CR after payload.
    DataLf,
    /// At the beginning of a trailer line, or of the empty line that ends the body.
    LineStart,
    /// In the name of a trailer field.
    TrailerName,
    /// Behind its colon.
    TrailerValue,
    /// Behind its CR.
    TrailerLf,
    /// Behind the CR of the last line.
    EndLf,
    /// Behind it all.
    Ended,
    /// Nothing is read any more.
    Broken(ChunkFault),
}

/// Takes a chunked body apart: payload and trailers, through any split of its bytes.
#[derive(Debug, Clone, Default)]
pub struct ChunkDecoder {
    scanner: ChunkScanner,
    /// The trailer section as it came, without its last line.
    trailers: Vec<u8>,
}

/// A step of taking a body apart: first framing, then payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    /// Bytes of framing at the front.
    pub framing: usize,
    /// Bytes of payload behind them. None: all that was there was framing.
    pub payload: usize,
    /// The body ended with the framing.
    pub ended: bool,
}

// === impl ChunkDecoder ===

impl ChunkDecoder {
    /// Takes the next piece off the front of what is here. What it does not mention is to be shown again.
    ///
    /// # Errors
    /// The body is not well-formed; every later call says the same.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Piece, ChunkFault> {
        let mut framing = 0;
        while !self.scanner.has_ended() {
            let rest = bytes.get(framing..).unwrap_or_default();
            if let State::Data { left } = self.scanner.state {
                let payload = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                self.scanner.skip(payload);
                return Ok(Piece { framing, payload, ended: false });
            }
            let Some(byte) = rest.first() else { break };
            self.scanner.advance(*byte)?;
            if matches!(self.scanner.state, State::TrailerName | State::TrailerValue | State::TrailerLf) {
                self.trailers.push(*byte);
            } else if self.scanner.state == State::LineStart && !self.trailers.is_empty() {
                self.trailers.push(b'\n');
            }
            framing += 1;
        }
        Ok(Piece { framing, payload: 0, ended: self.scanner.has_ended() })
    }

    /// The trailer fields of a body that has ended.
    #[must_use]
    pub fn take_trailers(&mut self) -> HeaderMap {
        let section = std::mem::take(&mut self.trailers);
        let lines = section.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let fields = lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = line.split_at_checked(colon)?;
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
        });
        fields.fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        })
    }
}

// === impl ChunkScanner ===

impl Default for ChunkScanner {
    fn default() -> ChunkScanner {
        ChunkScanner::new()
    }
}

impl ChunkScanner {
    /// At the first byte of a body.
    #[must_use]
    pub fn new() -> ChunkScanner {
        ChunkScanner {
            state: State::Size { digits: 0, size: 0 },
            line_bytes: 0,
            trailer_bytes: 0,
            trailer_fields: 0,
            extension_bytes: 0,
            payload_bytes: 0,
        }
    }

    /// Payload bytes of the whole body so far.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Whether the body has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Looks at the next bytes of the connection. Any split of the same bytes gives the same result in all.
    ///
    /// # Errors
    /// The body is not well-formed; every later call says the same.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scan, ChunkFault> {
        let payload_before = self.payload_bytes;
        let mut rest = bytes;
        while self.state != State::Ended {
            if let State::Data { left } = self.state {
                // Payload is skipped, not looked at: this is where a body spends its bytes.
                let skipped = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                rest = rest.get(skipped..).unwrap_or_default();
                self.skip(skipped);
            }
            let Some((byte, after)) = rest.split_first() else {
                break;
            };
            self.advance(*byte)?;
            rest = after;
        }
        Ok(Scan {
            body: bytes.len() - rest.len(),
            payload: self.payload_bytes - payload_before,
            ended: self.has_ended(),
        })
    }

    /// So many bytes of payload came: no more than are left of the chunk.
    fn skip(&mut self, payload: usize) {
        if let State::Data { left } = self.state {
            self.payload_bytes = self.payload_bytes.saturating_add(payload as u64);
            let left = left.saturating_sub(payload as u64);
            self.state = if left == 0 { State::DataCr } else { State::Data { left } };
        }
    }

    /// Takes one byte of framing in.
    fn advance(&mut self, byte: u8) -> Result<(), ChunkFault> {
        match self.step(byte) {
            Ok(state) => {
                self.state = state;
                Ok(())
            }
            Err(fault) => {
                self.state = State::Broken(fault);
                Err(fault)
            }
        }
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, ChunkFault> {
        match self.state {
            State::Size { .. } | State::SizeBlank { .. } | State::Extension { .. } | State::SizeLf { .. } => {
                self.step_size_line(byte)
            }
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => {
                self.line_bytes = 0;
                Ok(State::Size { digits: 0, size: 0 })
            }
            State::Data { .. } | State::DataCr | State::DataLf => Err(ChunkFault::LineEnd),
            State::LineStart
            | State::TrailerName
            | State::TrailerValue
            | State::TrailerLf
            | State::EndLf
            | State::Ended => self.step_trailer(byte),
            State::Broken(fault) => Err(fault),
        }
    }

    fn step_size_line(&mut self, byte: u8) -> Result<State, ChunkFault> {
        self.line_bytes += 1;
        if self.line_bytes > bounds::CHUNK_LINE_BYTES_MAX {
            return Err(ChunkFault::TooLong);
        }
        match (self.state, byte) {
            (State::Size { digits, size }, _) => match (octets::hex(byte), byte) {
                (Some(digit), _) if digits < 16 => {
                    Ok(State::Size { digits: digits + 1, size: size << 4 | u64::from(digit) })
                }
                (None, b'\r') if digits > 0 => Ok(State::SizeLf { size }),
                (None, b';') if digits > 0 => Ok(State::Extension { size }),
                (None, b' ' | b'\t') if digits > 0 => Ok(State::SizeBlank { size }),
                _ => Err(ChunkFault::Size),
            },
            (State::SizeBlank { size }, b' ' | b'\t') => Ok(State::SizeBlank { size }),
            (State::SizeBlank { size }, b';') => Ok(State::Extension { size }),
            // Blanks may come before `;` alone (RFC 9112 section 7.1.1): readers differ about `5 CR LF`.
            (State::SizeBlank { .. }, _) => Err(ChunkFault::Size),
            (State::Extension { size }, b'\r') => Ok(State::SizeLf { size }),
            (State::Extension { size }, _) => {
                self.extension_bytes += 1;
                if self.extension_bytes > bounds::CHUNK_EXTENSIONS_BYTES_MAX {
                    return Err(ChunkFault::TooLong);
                }
                let is_text = byte == b'\t' || (b' '..0x7f).contains(&byte);
                if is_text { Ok(State::Extension { size }) } else { Err(ChunkFault::Extension) }
            }
            (State::SizeLf { size: 0 }, b'\n') => Ok(State::LineStart),
            (State::SizeLf { size }, b'\n') => Ok(State::Data { left: size }),
            _ => Err(ChunkFault::LineEnd),
        }
    }

    fn step_trailer(&mut self, byte: u8) -> Result<State, ChunkFault> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > bounds::TRAILER_BYTES_MAX {
            return Err(ChunkFault::TooLong);
        }
        match (self.state, byte) {
            (State::LineStart, b'\r') => Ok(State::EndLf),
            (State::LineStart, _) if octets::is(byte, NAME) => {
                self.trailer_fields += 1;
                if self.trailer_fields > bounds::HEAD_FIELDS_MAX {
                    return Err(ChunkFault::TooLong);
                }
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, _) if octets::is(byte, NAME) => Ok(State::TrailerName),
            (State::LineStart | State::TrailerName, _) => Err(ChunkFault::Trailer),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, _) if octets::is(byte, VALUE) => Ok(State::TrailerValue),
            (State::TrailerValue, b'\n') => Err(ChunkFault::LineEnd),
            (State::TrailerValue, _) => Err(ChunkFault::Trailer),
            (State::TrailerLf, b'\n') => Ok(State::LineStart),
            (State::EndLf, b'\n') => Ok(State::Ended),
            _ => Err(ChunkFault::LineEnd),
        }
    }
}

#[cfg(test)]
mod tests;
