//! Text of others, made harmless for a terminal.
//!
//! An escape sequence in a header or a body can set a terminal's title, move the cursor over what stood before, or make
//! a command look typed; bidirectional controls make text read as what it isn't. Control characters are therefore shown
//! as pictures, only line feeds and tabs act.

/// A text of several lines.
pub(super) fn text(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        match letter {
            '\n' | '\t' => safe.push(letter),
            // Before a line feed it says nothing; alone it would overwrite the line.
            '\r' => {}
            other => push(&mut safe, other),
        }
        safe
    })
}

/// A text that has to stay on one line.
pub(super) fn line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, letter| {
        push(&mut safe, letter);
        safe
    })
}

fn push(safe: &mut String, letter: char) {
    match letter {
        // Unicode has a picture for each of these.
        '\u{00}'..='\u{1f}' => safe.push(char::from_u32(0x2400 + u32::from(letter)).unwrap_or('\u{fffd}')),
        '\u{7f}' => safe.push('\u{2421}'),
        '\u{80}'..='\u{9f}' => safe.push('\u{fffd}'),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            safe.push_str(&format!("<U+{:04X}>", u32::from(letter)));
        }
        other => safe.push(other),
    }
}

/// Makes text of bytes that come in pieces, cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// The beginning of a character whose rest has not come; at most 3 bytes.
    pending: Vec<u8>,
}

// === impl Pieces ===

impl Pieces {
    /// The text that is complete by now.
    pub(super) fn push(&mut self, piece: &[u8]) -> String {
        let mut bytes = std::mem::take(&mut self.pending);
        bytes.extend_from_slice(piece);
        let mut decoded = String::with_capacity(bytes.len());
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            decoded.push_str(chunk.valid());
            let broken = chunk.invalid();
            let unfinished = std::str::from_utf8(broken).is_err_and(|cause| cause.error_len().is_none());
            if chunks.peek().is_none() && unfinished {
                self.pending = broken.to_vec();
            } else if !broken.is_empty() {
                decoded.push('\u{fffd}');
            }
        }
        text(&decoded)
    }

    /// What is left at the end.
    pub(super) fn end(self) -> &'static str {
        if self.pending.is_empty() { "" } else { "\u{fffd}" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_pictures() {
        assert_eq!(text("a\x1b[31mb\r\n\tc\x07\x7f\u{9b}"), "a␛[31mb\n\tc␇␡\u{fffd}");
        assert_eq!(line("a\r\nb"), "a␍␊b");
        assert_eq!(line("pay\u{202e}gpj.exe"), "pay<U+202E>gpj.exe");
    }

    #[test]
    fn pieces_cut_anywhere_give_the_same_text() {
        let whole = "é\u{1f600}a\nü".as_bytes();
        for cut in 0..=whole.len() {
            let (first, second) = whole.split_at(cut);
            let mut pieces = Pieces::default();
            let shown = pieces.push(first) + &pieces.push(second) + pieces.end();
            assert_eq!(shown.as_bytes(), whole, "cut at {cut}");
        }
        let mut pieces = Pieces::default();
        assert_eq!(pieces.push(b"a\xff\xc3") + pieces.end(), "a\u{fffd}\u{fffd}");
    }
}
