//! Base64 (RFC 4648 section 4) of the few bytes that a handshake writes in it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of some bytes, padded.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 0x3f;
            let letter = ALPHABET.get(digit as usize).copied().unwrap_or(b'=');
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Whether a text is the base64 of exactly 16 bytes, in the one way to write them.
pub(super) fn is_16_bytes(text: &[u8]) -> bool {
    let value = |letter: &u8| ALPHABET.iter().position(|one| one == letter);
    match text {
        // 16 bytes are 21 digits and a third of the next: the four bits behind them are zero.
        [digits @ .., last, b'=', b'='] if digits.len() == 21 => {
            digits.iter().all(|digit| value(digit).is_some()) && value(last).is_some_and(|value| value % 16 == 0)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_rfc_4648_section_10() {
        for (bytes, expect) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encode(bytes.as_bytes()), expect);
        }
        assert_eq!(encode(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn sixteen_bytes_are_told_from_anything_else() {
        for bytes in [[0; 16], [0xff; 16], *b"the sample nonce"] {
            assert!(is_16_bytes(encode(&bytes).as_bytes()));
        }
        for text in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZR==",
            "dGhlIHNhbXBsZSBub25j ZQ=",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZQ==AAAA",
        ] {
            assert!(!is_16_bytes(text.as_bytes()), "{text}");
        }
    }
}
