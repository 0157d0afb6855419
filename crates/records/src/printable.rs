//! Text that callers chose, made safe to show on a terminal.

use std::borrow::Cow;

/// Escapes what a terminal would act on or what reorders a line: controls, and the bidirectional marks.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn acts(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_is_left() {
        assert_eq!(printable("/books/é"), "/books/é");
        assert_eq!(printable("\u{1b}[2J\n\u{9b}x\u{202e}"), "\\u{1b}[2J\\u{a}\\u{9b}x\\u{202e}");
    }
}
