//! JSON text into a byte buffer that is used again and again, without a value tree in between.

/// Appends a JSON string, quotes included.
///
/// Beyond what RFC 8259 asks for, everything is escaped that could do something to whoever reads the log: DEL and the C1
/// controls (a terminal takes U+009B for an escape sequence), line and paragraph separators (tools that split lines on
/// them would see a forged line) and the bidirectional overrides (they reorder what a person sees).
pub(crate) fn push_string(text: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    push_escaped(text, into);
    into.push(b'"');
}

/// Appends the inside of a JSON string.
pub(crate) fn push_escaped(text: &str, into: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    // Nearly every text is plain.
    if is_plain(rest) {
        return into.extend_from_slice(rest);
    }
    while let Some(at) = rest.iter().position(|byte| wants_a_look(*byte)) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        into.extend_from_slice(plain);
        rest = push_one(from, into);
    }
    into.extend_from_slice(rest);
}

/// Whether nothing wants a look. Pieces of 16 are what a compiler makes vector code of, without a way out early; what is
/// left of them is looked up byte by byte.
fn is_plain(text: &[u8]) -> bool {
    let (pieces, rest) = text.as_chunks::<16>();
    let has_odd = |piece: &[u8; 16]| piece.iter().fold(false, |found, byte| found | wants_a_look(*byte));
    #[expect(clippy::indexing_slicing, reason = "the table has 256 entries and the index is a byte")]
    let is_odd = |byte: &u8| WANTS_A_LOOK[usize::from(*byte)];
    !pieces.iter().any(has_odd) && !rest.iter().any(is_odd)
}

/// The first bytes of everything that may need escaping: two of them begin harmless characters as well.
const fn wants_a_look(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f | 0xc2 | 0xe2)
}

static WANTS_A_LOOK: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "runs when compiling; the index stays below 256")]
        {
            table[byte] = wants_a_look(byte as u8);
        }
        byte += 1;
    }
    table
};

/// Appends the first character, escaped if it must be, and gives the rest.
fn push_one<'bytes>(from: &'bytes [u8], into: &mut Vec<u8>) -> &'bytes [u8] {
    match from {
        [b'"', rest @ ..] => push_and(b"\\\"", into, rest),
        [b'\\', rest @ ..] => push_and(b"\\\\", into, rest),
        [b'\n', rest @ ..] => push_and(b"\\n", into, rest),
        [b'\r', rest @ ..] => push_and(b"\\r", into, rest),
        [b'\t', rest @ ..] => push_and(b"\\t", into, rest),
        [byte @ (0..=0x1f | 0x7f), rest @ ..] => push_unicode(u16::from(*byte), into, rest),
        [0xc2, second @ 0x80..=0x9f, rest @ ..] => push_unicode(u16::from(*second), into, rest),
        [0xe2, 0x80, third @ 0xa8..=0xae, rest @ ..] => push_unicode(0x2000 | u16::from(*third - 0x80), into, rest),
        [0xe2, 0x81, third @ 0xa6..=0xa9, rest @ ..] => push_unicode(0x2040 | u16::from(*third - 0x80), into, rest),
        [harmless, rest @ ..] => push_and(&[*harmless], into, rest),
        [] => from,
    }
}

fn push_and<'bytes>(text: &[u8], into: &mut Vec<u8>, rest: &'bytes [u8]) -> &'bytes [u8] {
    into.extend_from_slice(text);
    rest
}

fn push_unicode<'bytes>(unit: u16, into: &mut Vec<u8>, rest: &'bytes [u8]) -> &'bytes [u8] {
    into.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = ((unit >> shift) & 0xf) as u8;
        into.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
    }
    rest
}

/// Appends a whole number.
pub(crate) fn push_number(mut value: u64, into: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    into.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Appends microseconds as milliseconds with three digits behind the point.
pub(crate) fn push_ms(us: u64, into: &mut Vec<u8>) {
    push_number(us / 1_000, into);
    push_fraction(us % 1_000, into);
}

/// Appends `.` and three digits.
pub(crate) fn push_fraction(thousandths: u64, into: &mut Vec<u8>) {
    into.push(b'.');
    for factor in [100, 10, 1] {
        into.push(b'0' + (thousandths / factor % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let mut written = Vec::new();
        push_string(text, &mut written);
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, expect);
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text, "a parser reads the same text back");
    }

    #[test]
    fn everything_that_could_act_on_a_reader_is_escaped() {
        check("plain /books/7", r#""plain /books/7""#);
        check("a\"b\\c", r#""a\"b\\c""#);
        check("line\r\n{\"forged\":1}\t", r#""line\r\n{\"forged\":1}\t""#);
        check("\u{1b}[31m red \0", r#""\u001b[31m red \u0000""#);
        check("\u{7f}\u{80}\u{9b}31m\u{9f}", r#""\u007f\u0080\u009b31m\u009f""#);
        check("\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}", r#""\u2028\u2029\u202e\u2066\u2069""#);
    }

    #[test]
    fn harmless_text_of_any_language_is_left_alone() {
        for text in ["", "é£ \u{a0}", "книга", "本", "€ “quoted” …", "😀\u{206a}\u{2027}\u{202f}"] {
            check(text, &format!("\"{text}\""));
        }
    }

    #[test]
    fn an_odd_byte_is_seen_wherever_it_stands() {
        for length in 0..40 {
            for place in 0..length {
                let text: String = (0..length).map(|at| if at == place { '"' } else { 'a' }).collect();
                check(&text, &format!("\"{}\"", text.replace('"', "\\\"")));
            }
        }
    }

    #[test]
    fn numbers() {
        for value in [0, 9, 10, 1_234_567, u64::MAX] {
            let mut written = Vec::new();
            push_number(value, &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), value.to_string());
        }
        let mut written = Vec::new();
        push_ms(12_005, &mut written);
        assert_eq!(written, b"12.005");
    }
}
