//! Frames: where each begins and ends, and whether it may come where it does (RFC 6455 section 5).
//!
//! The reader judges heads, and of payloads whether a text is one; all else it only counts. What it has not judged must not
//! pass on: half a head, and half a Close, stay with the caller, who shows them again when more has come. So whoever is behind
//! the gate never holds a part of a frame whose head is refused, and the gate can still put a Close of its own behind the last
//! whole one. Only a text that goes wrong in its middle leaves a frame that nobody can finish.

use callgate_model::bounds;
use thiserror::Error;

use super::close;
use super::text::Text;

/// Bytes of a frame's head at most.
pub const HEAD_BYTES_MAX: usize = 14;
/// Payload of a control frame at most (RFC 6455 section 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const TEXT: u8 = 1;
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
    /// A Close with half a code, or with one that is never sent.
    #[error("a Close frame has a code that may not be sent")]
    Close,
    /// A continuation of nothing, or a message within a message.
    #[error("a fragment is out of order")]
    Fragment,
    /// A text, or the reason of a Close, is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// The message goes on and on in fragments without a byte.
    #[error("a message has too many empty fragments")]
    Empty,
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
    /// The message that has begun and not ended.
    message: Option<Message>,
    messages: u64,
    bytes: u64,
    /// That of the Close that has passed.
    close: Option<u16>,
}

/// What is known of a message so far.
#[derive(Debug, Clone, Copy)]
struct Message {
    /// Of all its frames whose heads have passed.
    bytes: u64,
    /// None of a binary one.
    text: Option<Text>,
    empty_fragments: u32,
}

#[derive(Debug)]
enum At {
    Head,
    Payload {
        /// Bytes still to come, at least one.
        left: u64,
        kind: Kind,
        /// What the next four are masked with.
        mask: [u8; 4],
    },
    /// Behind a Close: nothing may follow (RFC 6455 section 5.5.1).
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Of a message; `last` when the message ends with it.
    Data { last: bool },
    /// Whole: what its payload says.
    Close { code: u16 },
    /// Ping or Pong.
    Other,
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
    /// Its own; of a Close, those of the whole frame.
    bytes: usize,
    /// Of the payload that is still to come.
    payload: u64,
    kind: Kind,
    mask: [u8; 4],
    /// The message that it is of, with this frame.
    message: Option<Message>,
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
                        self.message = head.message;
                        self.at = At::Payload { left: head.payload, kind: head.kind, mask: head.mask };
                        if head.payload == 0 {
                            self.end(head.kind);
                        }
                    }
                    Err(fault) => return Passed { bytes: passed, fault: Some(fault) },
                },
                At::Payload { left, mut mask, kind } => {
                    if rest.is_empty() {
                        return Passed { bytes: passed, fault: None };
                    }
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let (piece, _) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                    let taken = self.payload(piece, left, kind, mask);
                    passed += taken;
                    let left = left - taken as u64;
                    mask.rotate_left(taken % 4);
                    self.at = At::Payload { left, kind, mask };
                    if taken < piece.len() {
                        return Passed { bytes: passed, fault: Some(FrameFault::Text) };
                    }
                    if left == 0 {
                        self.end(kind);
                    }
                }
            }
        }
    }

    /// Takes the next of the bytes that are left of a payload; fewer than all if the one behind them makes a text none.
    fn payload(&mut self, piece: &[u8], left: u64, kind: Kind, mask: [u8; 4]) -> usize {
        let Kind::Data { last } = kind else { return piece.len() };
        let mut taken = piece.len();
        if let Some(Message { text: Some(text), .. }) = &mut self.message {
            let before = *text;
            taken = text.take(piece, mask);
            if last && taken as u64 == left && !text.is_whole() {
                // With its last byte the receiver would have the whole message.
                taken -= 1;
                *text = before;
                text.take(piece.get(..taken).unwrap_or_default(), mask);
            }
        }
        self.bytes += taken as u64;
        taken
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

    /// The code of the Close that has passed; [`close::NO_CODE`] for one without.
    #[must_use]
    pub fn close_code(&self) -> Option<u16> {
        self.close
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
        let message = if is_control { self.message } else { Some(self.message_with(opcode, payload, last)?) };
        let (mask, rest) = match (masked, rest) {
            (false, rest) => ([0; 4], rest),
            (true, [one, two, three, four, rest @ ..]) => ([*one, *two, *three, *four], rest),
            (true, _) => return Ok(None),
        };
        let bytes = bytes.len() - rest.len();
        let (bytes, payload, kind) = match opcode {
            CLOSE => {
                let length = usize::try_from(payload).unwrap_or_default();
                let Some(said) = rest.get(..length) else { return Ok(None) };
                (bytes + length, 0, Kind::Close { code: close_code(said, mask)? })
            }
            9 | 10 => (bytes, payload, Kind::Other),
            _ => (bytes, payload, Kind::Data { last }),
        };
        Ok(Some(Head { bytes, payload, kind, mask, message }))
    }

    /// The message with another frame of it.
    fn message_with(&self, opcode: u8, payload: u64, last: bool) -> Result<Message, FrameFault> {
        let new = Message { bytes: 0, text: (opcode == TEXT).then(Text::default), empty_fragments: 0 };
        let mut message = self.message.unwrap_or(new);
        message.bytes = message.bytes.saturating_add(payload);
        if message.bytes > self.message_bytes_max {
            return Err(FrameFault::TooLarge);
        }
        if payload == 0 && last && message.text.is_some_and(|text| !text.is_whole()) {
            return Err(FrameFault::Text);
        }
        if payload == 0 && !last {
            message.empty_fragments += 1;
            if message.empty_fragments > bounds::WEBSOCKET_EMPTY_FRAGMENTS_MAX {
                return Err(FrameFault::Empty);
            }
        }
        Ok(message)
    }

    /// A frame has ended.
    fn end(&mut self, kind: Kind) {
        self.at = At::Head;
        if let Kind::Close { code } = kind {
            self.at = At::Closed;
            self.close = Some(code);
        }
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

/// What the payload of a Close says (RFC 6455 sections 5.5.1 and 7.4).
fn close_code(payload: &[u8], mask: [u8; 4]) -> Result<u16, FrameFault> {
    let mut plain = payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let code = match (plain.next(), plain.next()) {
        (None, _) => return Ok(close::NO_CODE),
        (Some(first), Some(second)) => u16::from_be_bytes([first, second]),
        (Some(_), None) => return Err(FrameFault::Close),
    };
    if !close::may_be_sent(code) {
        return Err(FrameFault::Close);
    }
    let reason: Vec<u8> = plain.collect();
    std::str::from_utf8(&reason).map(|_| code).map_err(|_| FrameFault::Text)
}

#[cfg(test)]
mod tests;
