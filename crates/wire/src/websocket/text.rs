//! Text that comes in pieces: whether it is UTF-8 so far (RFC 3629 section 4; RFC 6455 section 8.1).

/// Looked at at once: a masked piece is unmasked here, and nowhere else.
const BLOCK_BYTES: usize = 512;

/// Where in a character a text stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// Bytes that the character still needs.
    left: u8,
    /// What the next of them may be: some first bytes allow less of the second than any continuation.
    low: u8,
    high: u8,
}

// === impl Text ===

impl Text {
    /// Whether the text may end here.
    pub(super) fn is_whole(self) -> bool {
        self.left == 0
    }

    /// Takes the next bytes, which are masked with this. Gives how many of them can be in a text: fewer than all if the one
    /// behind them can't.
    pub(super) fn take(&mut self, bytes: &[u8], mask: [u8; 4]) -> usize {
        let mut taken = 0;
        for piece in bytes.chunks(BLOCK_BYTES) {
            let mut block = [0; BLOCK_BYTES];
            let plain = if mask == [0; 4] { piece } else { unmask(piece, mask, &mut block) };
            if self.is_whole() && plain.is_ascii() {
                taken += plain.len();
                continue;
            }
            for byte in plain {
                if !self.step(*byte) {
                    return taken;
                }
                taken += 1;
            }
        }
        taken
    }

    fn step(&mut self, byte: u8) -> bool {
        (self.left, self.low, self.high) = match (self.left, byte) {
            (0, 0..=0x7f) => (0, 0, 0),
            (0, 0xc2..=0xdf) => (1, 0x80, 0xbf),
            // Two forms of one character, and halves of pairs, are no UTF-8.
            (0, 0xe0) => (2, 0xa0, 0xbf),
            (0, 0xed) => (2, 0x80, 0x9f),
            (0, 0xe1..=0xef) => (2, 0x80, 0xbf),
            (0, 0xf0) => (3, 0x90, 0xbf),
            (0, 0xf1..=0xf3) => (3, 0x80, 0xbf),
            (0, 0xf4) => (3, 0x80, 0x8f),
            (1.., _) if (self.low..=self.high).contains(&byte) => (self.left - 1, 0x80, 0xbf),
            _ => return false,
        };
        true
    }
}

/// A block's length is a multiple of the mask's, so every block begins with the mask's first byte.
fn unmask<'b>(piece: &[u8], mask: [u8; 4], block: &'b mut [u8; BLOCK_BYTES]) -> &'b [u8] {
    for (to, from) in block.chunks_exact_mut(4).zip(piece.chunks(4)) {
        for ((to, from), mask) in to.iter_mut().zip(from).zip(mask) {
            *to = from ^ mask;
        }
    }
    block.get(..piece.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_text_is_found_at_its_byte() {
        for (bytes, taken) in [
            (&b"plain"[..], 5),
            ("κόσμε".as_bytes(), 10),
            (b"a\xff", 1),
            (b"\x80", 0),
            (b"\xc0\xaf", 0),
            (b"\xe0\x9f\xbf", 1),
            (b"\xed\xa0\x80", 1),
            (b"\xf0\x8f\xbf\xbf", 1),
            (b"\xf4\x90\x80\x80", 1),
            (b"\xf5", 0),
            (b"\xe2\x82A", 2),
        ] {
            assert_eq!(Text::default().take(bytes, [0; 4]), taken, "{bytes:02x?}");
        }
        let mut half = Text::default();
        assert_eq!((half.take(b"\xe2\x82", [0; 4]), half.is_whole()), (2, false));
        assert_eq!((half.take(b"\xac", [0; 4]), half.is_whole()), (1, true));
    }

    proptest! {
        /// As the standard library finds, in pieces of any size and behind any mask.
        #[test]
        fn in_pieces_as_in_one(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                ".{0,400}".prop_map(String::into_bytes),
                (".{0,300}", any::<u8>(), 0..300_usize).prop_map(|(text, byte, at)| {
                    let mut bytes = text.into_bytes();
                    bytes.insert(at.min(bytes.len()), byte);
                    bytes
                }),
            ],
            mask in any::<[u8; 4]>(),
            cut in 1..700_usize,
        ) {
            let (mut text, mut taken) = (Text::default(), 0);
            for piece in bytes.chunks(cut) {
                let masked: Vec<u8> = piece.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
                let now = text.take(&masked, mask);
                taken += now;
                if now < piece.len() {
                    break;
                }
            }
            let expect = std::str::from_utf8(&bytes);
            prop_assert_eq!(taken == bytes.len() && text.is_whole(), expect.is_ok());
            if let Err(error) = expect {
                // Of a character that goes wrong, what could have become one is taken.
                prop_assert!((error.valid_up_to()..error.valid_up_to() + 4).contains(&taken));
            }
        }
    }
}
