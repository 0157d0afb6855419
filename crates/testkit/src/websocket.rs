//! WebSocket by hand, on either side: frames as bytes, and the handshake. It shares no code with the gate's.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::answer::Fault;
use crate::call::Call;
use crate::client::RawClient;
use crate::upstream::{Connection, Received, ScriptedUpstream};

/// A key as a client sends it; that of RFC 6455 section 1.3.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What agrees to it.
pub const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One frame, unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebsocketFrame {
    /// Its first byte: FIN, reserved bits, opcode.
    pub first: u8,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Whether it came masked.
    pub masked: bool,
}

// === impl WebsocketFrame ===

impl WebsocketFrame {
    /// A whole text message.
    #[must_use]
    pub fn text(text: &str) -> WebsocketFrame {
        WebsocketFrame { first: 0x81, payload: text.into(), masked: false }
    }

    /// A Close with this code.
    #[must_use]
    pub fn close(code: u16) -> WebsocketFrame {
        WebsocketFrame { first: 0x88, payload: code.to_be_bytes().to_vec(), masked: false }
    }

    /// Masked, as a client sends it.
    #[must_use]
    pub fn masked(mut self) -> WebsocketFrame {
        self.masked = true;
        self
    }

    /// Its bytes; payloads up to 64 KiB.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mask = [0x5a, 0x01, 0xff, 0x33];
        let bit = if self.masked { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match u16::try_from(self.payload.len()).unwrap() {
            length @ ..=125 => bytes.push(bit | length as u8),
            length => {
                bytes.push(bit | 126);
                bytes.extend(length.to_be_bytes());
            }
        }
        if !self.masked {
            bytes.extend(&self.payload);
            return bytes;
        }
        bytes.extend(mask);
        bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// The code of a Close, and its reason.
    #[must_use]
    #[track_caller]
    pub fn closing(&self) -> (u16, String) {
        assert_eq!(self.first, 0x88, "not a Close: {self:?}");
        let (code, reason) = self.payload.split_at(2);
        (u16::from_be_bytes([code[0], code[1]]), String::from_utf8_lossy(reason).into_owned())
    }

    /// Reads one frame, by what gives the next so many bytes; none when that gives none.
    pub fn read(mut read: impl FnMut(usize) -> Option<Vec<u8>>) -> Option<WebsocketFrame> {
        let head = read(2)?;
        let masked = head[1] & 0x80 != 0;
        let length = match head[1] & 0x7f {
            126 => {
                let long = read(2)?;
                usize::from(u16::from_be_bytes([long[0], long[1]]))
            }
            127 => usize::try_from(u64::from_be_bytes(read(8)?.try_into().unwrap())).unwrap(),
            short => usize::from(short),
        };
        let mask = if masked { read(4)? } else { vec![0; 4] };
        let payload = read(length)?.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        Some(WebsocketFrame { first: head[0], payload, masked })
    }
}

/// What agrees to a key.
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}

fn base64(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, place| bits << 8 | usize::from(*group.get(place).unwrap_or(&0)));
        for place in 0..4 {
            let letter = char::from(alphabet[bits >> (18 - 6 * place) & 0x3f]);
            text.push(if place <= group.len() { letter } else { '=' });
        }
    }
    text
}

impl Call {
    /// Offers a WebSocket, as a browser does.
    pub fn websocket(self) -> Call {
        self.field("Upgrade", "websocket")
            .field("Connection", "keep-alive, Upgrade")
            .field("Sec-WebSocket-Version", "13")
            .field("Sec-WebSocket-Key", WEBSOCKET_KEY)
            .field("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
    }

    /// Opens a WebSocket; panics when the answer is another one.
    #[track_caller]
    pub fn open_websocket(self) -> RawClient {
        let mut client = self.websocket().open();
        let answer = client.answer();
        assert_eq!(answer.status, 101, "{answer}");
        client
    }
}

impl RawClient {
    /// Sends a frame, masked.
    pub fn send_frame(&mut self, frame: WebsocketFrame) -> &mut RawClient {
        self.send(frame.masked().bytes())
    }

    /// Reads one frame.
    #[track_caller]
    pub fn frame(&mut self) -> WebsocketFrame {
        self.try_frame().unwrap_or_else(|fault| panic!("no frame: {fault:?}"))
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// Why there was none.
    pub fn try_frame(&mut self) -> Result<WebsocketFrame, Fault> {
        let mut fault = Fault::Closed;
        let read = |length| self.try_read_exactly(length).map_err(|why| fault = why).ok();
        WebsocketFrame::read(read).ok_or(fault)
    }
}

impl Connection {
    /// Takes the offer of a WebSocket.
    pub fn accept_websocket(&mut self, request: &Received) {
        let accept = accept(request.field("sec-websocket-key").unwrap_or(""));
        self.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        ));
    }

    /// Reads one frame; none when the peer closed instead.
    pub fn frame(&mut self) -> Option<WebsocketFrame> {
        WebsocketFrame::read(|length| self.read(length))
    }

    /// Sends every message back, until a Close, which it answers.
    pub fn echo_frames(&mut self) {
        while let Some(mut frame) = self.frame() {
            frame.masked = false;
            let closes = frame.first == 0x88;
            if frame.first == 0x89 {
                frame.first = 0x8a;
            }
            self.send(frame.bytes());
            if closes {
                return;
            }
        }
    }
}

impl ScriptedUpstream {
    /// Takes every offer of a WebSocket, and sends back what comes.
    #[must_use]
    pub fn echoing_websockets() -> ScriptedUpstream {
        Self::start(|connection| {
            if let Some(request) = connection.request() {
                connection.accept_websocket(&request);
                connection.echo_frames();
            }
        })
    }
}
