//! WebSocket (RFC 6455), as far as somebody in the middle must understand it: how a session is asked for and agreed on
//! ([`handshake`]), and where its frames begin and end ([`frame`]).
//!
//! Nothing here holds a message: a frame is judged by its head, and its payload passes as it comes.

mod base64;
pub mod frame;
pub mod handshake;
mod text;

pub use frame::{FrameFault, FrameReader, Passed, Sender};

/// Why a session ends, as a Close frame says it (RFC 6455 section 7.4.1).
pub mod close {
    /// The session has done what it was for.
    pub const NORMAL: u16 = 1000;
    /// One side is going away: a server that stops, a session past its time.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// A Close frame without a code. Never sent.
    pub const NO_CODE: u16 = 1005;
    /// A text is not UTF-8.
    pub const NO_TEXT: u16 = 1007;
    /// A rule forbids the session.
    pub const POLICY: u16 = 1008;
    /// A message is larger than it may be.
    pub const TOO_LARGE: u16 = 1009;
    /// The server can't go on.
    pub const SERVER_BROKE: u16 = 1011;

    /// Whether a Close frame may have this code: those that RFC 6455 section 7.4 and IANA's registry name, but for the ones
    /// that only stand for a Close that never came, and those of applications.
    #[must_use]
    pub fn may_be_sent(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}
