//! Frames: where each begins and ends, and whether it may come where it does (RFC 6455 section 5).
//!
//! The reader sees heads; payloads it only counts. What it has not judged must not pass on: half a head stays with the
//! caller, who shows it again when more has come. So whoever is behind the gate never holds a part of a frame that is
//! refused, and the gate can still put a Close of its own behind the last whole one.

use thiserror::Error;

/// Bytes of a frame's head at most.
pub const HEAD_BYTES_MAX: usize = 14;
/// Payload of a control frame at most (RFC 6455 section 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const CLOSE: u8 = 8;

/// Who sends the frames that a reader reads. A client masks them, a server does not (RFC 6455 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Masks.
    Client,
    /// Does not.
    Server,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameFault {
    /// A reserved bit is set, of an extension that was not agreed on.
    #[error("a reserved bit is set")]
    Reserved,
    /// No such kind of frame.
    #[error("there is no such opcode")]
    Opcode,
    /// Masked where it must not be, or the other way round.
    #[error("the masking is not that of this side")]
    Mask,
    /// A length in more bytes than it needs, or past 63 bits.
    #[error("the length is not written in its one way")]
    Length,
    /// A control frame in pieces, or a longer one than may be.
    #[error("a control frame is fragmented or longer than 125 bytes")]
    Control,
    /// A Close with half a code.
    #[error("a Close frame has a payload of one byte")]
    Close,
    /// A continuation of nothing, or a message within a message.
    #[error("a fragment is out of order")]
    Fragment,
    /// The message has, or would have, more bytes than it may.
    #[error("a message is too large")]
    TooLarge,
}

/// Reads one direction of a session.
#[derive(Debug)]
pub struct FrameReader {
    from: Sender,
    message_bytes_max: u64,
    at: At,
    /// Bytes of the message that has begun and not ended.
    message: Option<u64>,
    messages: u64,
    bytes: u64,
    close: Option<Code>,
}

#[derive(Debug)]
enum At {
    Head,
    Payload {
        /// Bytes still to come, at least one.
        left: u64,
        kind: Kind,
    },
    /// Behind a Close: nothing may follow (RFC 6455 section 5.5.1).
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of a message; `last` when the message ends with it.
    Data {
        last: bool,
    },
    Close {
        mask: [u8; 4],
    },
    /// Ping or Pong.
    Other,
}

/// The code of a Close frame, as far as it has come.
#[derive(Debug, Clone, Copy, Default)]
struct Code {
    value: u16,
    bytes: u8,
}

/// How much of some bytes may pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// So many bytes from their beginning. What follows is half a head, or faulty, or comes after a Close.
    pub bytes: usize,
    /// What is wrong with the frame that begins there.
    pub fault: Option<FrameFault>,
}

/// A head that was understood.
struct Head {
    bytes: usize,
    payload: u64,
    kind: Kind,
}

/// The bytes of a Close frame. A client's is masked; `reason` is cut to what fits.
#[must_use]
pub fn close_frame(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.bytes().take(CONTROL_BYTES_MAX as usize - 2));
    let mut frame = vec![FIN | CLOSE, payload.len() as u8];
    if let Some(mask) = mask {
        if let Some(length) = frame.last_mut() {
            *length |= MASKED;
        }
        frame.extend_from_slice(&mask);
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    frame.append(&mut payload);
    frame
}

// === impl FrameReader ===

impl FrameReader {
    /// Reads what this side sends; a message of more than so many bytes is a fault.
    #[must_use]
    pub fn new(from: Sender, message_bytes_max: u64) -> FrameReader {
        FrameReader { from, message_bytes_max, at: At::Head, message: None, messages: 0, bytes: 0, close: None }
    }

    /// Judges the next bytes: those that may pass are taken as having passed, the others are to be shown again. With
    /// `to_boundary` it stops where a frame ends.
    pub fn pass(&mut self, bytes: &[u8], to_boundary: bool) -> Passed {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            match self.at {
                At::Closed => return Passed { bytes: passed, fault: None },
                At::Head if to_boundary => return Passed { bytes: passed, fault: None },
                At::Head => match self.head(rest) {
                    Ok(None) => return Passed { bytes: passed, fault: None },
                    Ok(Some(head)) => {
                        passed += head.bytes;
                        self.at = At::Payload { left: head.payload, kind: head.kind };
                        if head.payload == 0 {
                            self.end(head.kind);
                        }
                    }
                    Err(fault) => return Passed { bytes: passed, fault: Some(fault) },
                },
                At::Payload { left, kind } => {
                    if rest.is_empty() {
                        return Passed { bytes: passed, fault: None };
                    }
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let (piece, _) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                    passed += piece.len();
                    let left = left - piece.len() as u64;
                    self.at = At::Payload { left, kind };
                    match kind {
                        Kind::Data { .. } => self.bytes += piece.len() as u64,
                        Kind::Close { mask } => self.close.get_or_insert_default().add(piece, mask),
                        Kind::Other => {}
                    }
                    if left == 0 {
                        self.end(kind);
                    }
                }
            }
        }
    }

    /// Whether what has passed ends with a whole frame.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        matches!(self.at, At::Head | At::Closed)
    }

    /// Whether a Close has passed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.at, At::Closed)
    }

    /// The code of the Close that has passed; [`super::close::NO_CODE`] for one without.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        let code = self.close.unwrap_or_default();
        self.is_closed().then_some(if code.bytes < 2 { super::close::NO_CODE } else { code.value })
    }

    /// Messages that have passed to their end.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of messages that have passed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The head at the front of these bytes. A fault is told as early as it can be known.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<Head>, FrameFault> {
        let [first, rest @ ..] = bytes else { return Ok(None) };
        let (last, opcode) = (first & FIN != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(FrameFault::Reserved);
        }
        match opcode {
            0 if self.message.is_none() => return Err(FrameFault::Fragment),
            1 | 2 if self.message.is_some() => return Err(FrameFault::Fragment),
            0..=2 => {}
            8..=10 if !last => return Err(FrameFault::Control),
            8..=10 => {}
            _ => return Err(FrameFault::Opcode),
        }
        let [second, rest @ ..] = rest else { return Ok(None) };
        let (masked, short) = (second & MASKED != 0, u64::from(second & 0x7f));
        if masked != (self.from == Sender::Client) {
            return Err(FrameFault::Mask);
        }
        let is_control = opcode >= CLOSE;
        if is_control && short > CONTROL_BYTES_MAX {
            return Err(FrameFault::Control);
        }
        if opcode == CLOSE && short == 1 {
            return Err(FrameFault::Close);
        }
        let Some((payload, rest)) = length(short, rest)? else { return Ok(None) };
        let message = self.message.unwrap_or_default().saturating_add(payload);
        if !is_control && message > self.message_bytes_max {
            return Err(FrameFault::TooLarge);
        }
        let (mask, rest) = match (masked, rest) {
            (false, rest) => ([0; 4], rest),
            (true, [one, two, three, four, rest @ ..]) => ([*one, *two, *three, *four], rest),
            (true, _) => return Ok(None),
        };
        let kind = match opcode {
            CLOSE => Kind::Close { mask },
            9 | 10 => Kind::Other,
            _ => Kind::Data { last },
        };
        if !is_control {
            self.message = Some(message);
        }
        Ok(Some(Head { bytes: bytes.len() - rest.len(), payload, kind }))
    }

    /// A frame has ended.
    fn end(&mut self, kind: Kind) {
        self.at = match kind {
            Kind::Close { .. } => At::Closed,
            _ => At::Head,
        };
        if kind == (Kind::Data { last: true }) {
            self.messages += 1;
            self.message = None;
        }
    }
}

/// The length of a payload, and the bytes behind it (RFC 6455 section 5.2: in as few bytes as can be).
fn length(short: u64, rest: &[u8]) -> Result<Option<(u64, &[u8])>, FrameFault> {
    let (length, least, rest) = match (short, rest) {
        (..=125, rest) => return Ok(Some((short, rest))),
        (126, [one, two, rest @ ..]) => (u64::from(u16::from_be_bytes([*one, *two])), 126, rest),
        (127, rest) => match rest.split_first_chunk::<8>() {
            Some((long, rest)) => (u64::from_be_bytes(*long), 1 << 16, rest),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    if length < least || length > i64::MAX as u64 {
        return Err(FrameFault::Length);
    }
    Ok(Some((length, rest)))
}

// === impl Code ===

impl Code {
    fn add(&mut self, piece: &[u8], mask: [u8; 4]) {
        let [first, second, ..] = mask;
        for byte in piece.iter().take(2) {
            match self.bytes {
                0 => self.value = u16::from(byte ^ first) << 8,
                1 => self.value |= u16::from(byte ^ second),
                _ => return,
            }
            self.bytes += 1;
        }
    }
}

#[cfg(test)]
mod tests;
