//! Bytes as people read them.

use std::fmt::Write;

/// Lower-case hex.
pub(crate) fn write(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String never fails.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// Exactly 32 bytes of hex.
pub(crate) fn read_32(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0_u8; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?,
            _ => return None,
        };
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let bytes: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        assert_eq!(read_32(&write(&bytes)), Some(bytes));
        assert_eq!(read_32("00"), None);
        assert_eq!(read_32(&"g".repeat(64)), None);
    }
}
