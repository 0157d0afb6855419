//! Classes of bytes, one table: which bytes may stand where in a head, a path or a JSON string.

/// `tchar` of RFC 9110 section 5.6.2.
pub(crate) const TOKEN: u8 = 1;
/// `tchar` without `_`: what a field name may hold at this gate.
pub(crate) const NAME: u8 = 1 << 1;
/// A field value: HTAB, SP, visible ASCII, obs-text.
pub(crate) const VALUE: u8 = 1 << 2;
/// A request target: visible ASCII without `#` and without what no URI library reads (`"`, `<`, `>`, `` ` ``).
pub(crate) const TARGET: u8 = 1 << 3;
/// `unreserved` of RFC 3986.
pub(crate) const UNRESERVED: u8 = 1 << 4;
/// A path byte that normalisation passes over: not `/`, not `%`, not `;`, not `\`, and a legal target byte.
pub(crate) const PATH_PLAIN: u8 = 1 << 5;
/// The inside of a JSON string without escapes: not `"`, not `\`, not a control.
pub(crate) const JSON_PLAIN: u8 = 1 << 6;

static CLASSES: [u8; 256] = classes();

/// Whether a byte belongs to a class.
#[inline]
#[expect(clippy::indexing_slicing, reason = "the table has 256 entries and the index is a byte")]
pub(crate) fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// Whether every byte belongs to a class.
#[inline]
pub(crate) fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|byte| is(*byte, class))
}

/// Whether bytes are a field value: [`VALUE`] for each. Without a way out early, so that the compiler looks at 16 bytes at
/// once: values are most of a head's bytes, and nearly all are fine.
#[inline]
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    let odd = |byte: u8| (byte < b' ' && byte != b'\t') | (byte == 0x7f);
    !bytes.iter().fold(false, |found, byte| found | odd(*byte))
}

/// The value of a hexadecimal digit.
#[inline]
pub(crate) fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The byte that two hexadecimal digits stand for (those behind a `%`), and what follows them.
#[inline]
pub(crate) fn encoded(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    match after_percent {
        [high, low, rest @ ..] => Some((hex(*high)? << 4 | hex(*low)?, rest)),
        _ => None,
    }
}

/// The two lower-case hexadecimal digits of a byte.
#[inline]
pub(crate) fn hex_pair_lower(byte: u8) -> [u8; 2] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

/// The two upper-case hexadecimal digits of a byte.
pub(crate) fn hex_pair(byte: u8) -> [char; 2] {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'A' + value - 10 });
    [digit(byte >> 4), digit(byte & 15)]
}

/// Without optional whitespace (SP, HTAB: RFC 9110 section 5.6.3) at both ends.
#[inline]
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// [`trim`] for text.
#[inline]
pub(crate) fn trim_text(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[expect(clippy::indexing_slicing, reason = "runs when compiling; the index stays below 256")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let letter_or_digit = byte.is_ascii_alphanumeric();
        let mut class = 0;
        if letter_or_digit
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            )
        {
            class |= TOKEN;
            if byte != b'_' {
                class |= NAME;
            }
        }
        if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
            class |= VALUE;
        }
        let target = byte > b' ' && byte < 0x7f && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'`');
        if target {
            class |= TARGET;
            if !matches!(byte, b'/' | b'%' | b';' | b'\\' | b'?') {
                class |= PATH_PLAIN;
            }
        }
        if letter_or_digit || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            class |= UNRESERVED;
        }
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            class |= JSON_PLAIN;
        }
        table[at] = class;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_way_and_the_table_agree() {
        for byte in 0..=255 {
            assert_eq!(is_value(&[b'a', byte]), is(byte, VALUE), "{byte}");
            assert_eq!(is_value(&[&[byte][..], &[b'a'; 40]].concat()), is(byte, VALUE), "{byte}");
        }
    }
}
