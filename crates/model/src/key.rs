//! The text of an API key: `<brand>_<live|test>_<8 base62 id><32 base62 secret><6 base62 CRC-32>`.
//!
//! The brand lets a leak scanner find it, the id lets a person name it, the checksum lets the gate drop garbage without a
//! look-up. The checksum is a spam filter, not a defence: anybody can compute it. The 32 base62 characters carry 190 bits.

use crate::ids::KeyId;

/// Characters of the random part.
pub const SECRET_CHARS: usize = 32;
/// Characters of the id.
pub const ID_CHARS: usize = 8;
/// Characters of the checksum: 62^6 > 2^32.
pub const CHECKSUM_CHARS: usize = 6;
const BODY_CHARS: usize = ID_CHARS + SECRET_CHARS + CHECKSUM_CHARS;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a key is for, as its text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For real calls.
    #[default]
    Live,
    /// For trying things out; policy may treat it the same, but people can tell it apart.
    Test,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Live => "live",
            Kind::Test => "test",
        }
    }
}

/// Why a text is not a key of ours. None of these costs a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAKey {
    /// It does not have the shape of a key: it may be a foreign, imported one.
    Shape,
    /// It has the shape, but the checksum does not fit: it was mistyped or cut.
    Checksum,
}

/// Random text of so many base62 characters.
///
/// `random` must give uniformly distributed bytes; bytes of 248 and above are skipped so that every character is equally
/// likely (62 × 4 = 248).
pub fn base62(chars: usize, mut random: impl FnMut() -> u8) -> String {
    let mut draw = || loop {
        let byte = random();
        if byte < 248 {
            break digit(u32::from(byte) % 62);
        }
    };
    (0..chars).map(|_| draw()).collect()
}

/// Makes the text of a new key out of random bytes, as [`base62`] takes them.
pub fn mint(brand: &str, kind: Kind, mut random: impl FnMut() -> u8) -> (KeyId, String) {
    loop {
        let id = base62(ID_CHARS, &mut random);
        let secret = base62(SECRET_CHARS, &mut random);
        let Some(key_id) = KeyId::parse(&id) else { continue };
        let head = format!("{brand}_{}_{id}{secret}", kind.word());
        let checksum: String = checksum(head.as_bytes()).into_iter().map(char::from).collect();
        return (key_id, format!("{head}{checksum}"));
    }
}

/// Reads the shape and the checksum of a presented key, and gives its id.
///
/// # Errors
/// [`NotAKey`], without having looked anything up.
pub fn inspect(text: &str) -> Result<KeyId, NotAKey> {
    let (head, body) = text.rsplit_once('_').ok_or(NotAKey::Shape)?;
    let kind = head.rsplit_once('_').map(|(_, kind)| kind).ok_or(NotAKey::Shape)?;
    if !matches!(kind, "live" | "test")
        || body.len() != BODY_CHARS
        || !body.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Err(NotAKey::Shape);
    }
    let (signed, given) = text.split_at_checked(text.len() - CHECKSUM_CHARS).ok_or(NotAKey::Shape)?;
    if checksum(signed.as_bytes()) != given.as_bytes() {
        return Err(NotAKey::Checksum);
    }
    body.get(..ID_CHARS).and_then(KeyId::parse).ok_or(NotAKey::Shape)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_CHARS] {
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; CHECKSUM_CHARS];
    for place in digits.iter_mut().rev() {
        *place = digit(rest % 62) as u8;
        rest /= 62;
    }
    digits
}

fn digit(value: u32) -> char {
    ALPHABET.get(value as usize).map_or('0', |byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut() -> u8 {
        let mut byte = 0_u8;
        move || {
            byte = byte.wrapping_add(37);
            byte
        }
    }

    #[test]
    fn a_minted_key_is_a_key() {
        let (id, text) = mint("cg", Kind::Live, counting());
        assert!(text.starts_with("cg_live_"), "{text}");
        assert_eq!(inspect(&text), Ok(id));
    }

    #[test]
    fn a_changed_character_fails_the_checksum_and_a_cut_key_the_shape() {
        let (_, text) = mint("cg", Kind::Test, counting());
        let mut other = text.clone().into_bytes();
        other[12] = if other[12] == b'a' { b'b' } else { b'a' };
        assert_eq!(inspect(std::str::from_utf8(&other).unwrap()), Err(NotAKey::Checksum));
        assert_eq!(inspect(text.split_at(text.len() - 1).0), Err(NotAKey::Shape));
        for garbage in ["", "_", "__", "cg_live_", "ключ_live_ё", "cg_prod_0123"] {
            assert_eq!(inspect(garbage), Err(NotAKey::Shape), "{garbage}");
        }
    }
}
