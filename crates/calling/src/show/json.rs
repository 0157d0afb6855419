//! JSON for reading: indented and coloured, or on one line. Members keep their order, numbers and strings the text that
//! was sent: `1.10`, `1e400` and `"\u00e9"` mean something to whoever looks for a defect.

use callgate_model::bounds::BODY_DEPTH_MAX;

use super::paint::Paint;
use super::plain;

/// How the document is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A line for each member and element, two spaces for each level.
    Indented,
    /// No space at all.
    Compact,
}

/// One token, as it stands in the text.
enum Token<'text> {
    /// `{` or `[`.
    Open(char),
    /// `}` or `]`.
    Close(char),
    Comma,
    Colon,
    String(&'text str),
    Number(&'text str),
    Word(&'text str),
}

/// The document laid out, or nothing when the text is no JSON. Nothing either when it is nested deeper than
/// `BODY_DEPTH_MAX`: nobody reads that, and the indentation of a megabyte of brackets would be a terabyte.
pub(super) fn laid_out(text: &str, layout: Layout, paint: Paint) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut shown = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut tokens = Tokens { rest: text }.peekable();
    let line = |shown: &mut String, depth: usize| {
        if layout == Layout::Indented {
            shown.push('\n');
            shown.extend(std::iter::repeat_n("  ", depth));
        }
    };
    while let Some(token) = tokens.next() {
        match token {
            Token::Open(bracket) => {
                shown.push(bracket);
                depth += 1;
                if depth > BODY_DEPTH_MAX {
                    return None;
                }
                if !matches!(tokens.peek(), Some(Token::Close(_))) {
                    line(&mut shown, depth);
                }
            }
            Token::Close(bracket) => {
                depth = depth.saturating_sub(1);
                if !shown.ends_with(['{', '[']) {
                    line(&mut shown, depth);
                }
                shown.push(bracket);
            }
            Token::Comma => {
                shown.push(',');
                line(&mut shown, depth);
            }
            Token::Colon => shown.push_str(if layout == Layout::Indented { ": " } else { ":" }),
            Token::String(text) => {
                let is_name = matches!(tokens.peek(), Some(Token::Colon));
                let text = if layout == Layout::Indented { plain::line(text) } else { text.to_owned() };
                shown.push_str(&if is_name { paint.name(&text) } else { paint.string(&text) });
            }
            Token::Number(text) => shown.push_str(&paint.number(text)),
            Token::Word(text) => shown.push_str(&paint.word(text)),
        }
    }
    Some(shown)
}

/// Cuts a text that is known to be JSON.
struct Tokens<'text> {
    rest: &'text str,
}

// === impl Tokens ===

impl<'text> Tokens<'text> {
    /// Takes this many bytes off the front.
    fn take(&mut self, bytes: usize) -> &'text str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Bytes of the string at the front, quotes included.
    fn string_bytes(&self) -> usize {
        let mut escaped = false;
        for (at, byte) in self.rest.bytes().enumerate().skip(1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => return at + 1,
                _ => {}
            }
        }
        self.rest.len()
    }
}

impl<'text> Iterator for Tokens<'text> {
    type Item = Token<'text>;

    fn next(&mut self) -> Option<Token<'text>> {
        self.rest = self.rest.trim_ascii_start();
        let first = self.rest.chars().next()?;
        Some(match first {
            '{' | '[' | '}' | ']' | ',' | ':' => {
                self.take(1);
                match first {
                    '{' | '[' => Token::Open(first),
                    '}' | ']' => Token::Close(first),
                    ',' => Token::Comma,
                    _ => Token::Colon,
                }
            }
            '"' => {
                let bytes = self.string_bytes();
                Token::String(self.take(bytes))
            }
            _ => {
                let end = |letter: char| letter.is_ascii_whitespace() || ",:]}".contains(letter);
                let bytes = self.rest.find(end).unwrap_or(self.rest.len());
                let text = self.take(bytes);
                if first.is_ascii_alphabetic() { Token::Word(text) } else { Token::Number(text) }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, layout: Layout, expect: Option<&str>) {
        assert_eq!(laid_out(text, layout, Paint { on: false }).as_deref(), expect, "{text}");
    }

    #[test]
    fn order_and_text_stay() {
        let text = r#" {"z":1.10,"a":[1e400,-0,{}, [] ,"\u00e9\"}"],"z":{"b":null,"c":true}} "#;
        check(
            text,
            Layout::Indented,
            Some(
                r#"{
  "z": 1.10,
  "a": [
    1e400,
    -0,
    {},
    [],
    "\u00e9\"}"
  ],
  "z": {
    "b": null,
    "c": true
  }
}"#,
            ),
        );
        check(text, Layout::Compact, Some(r#"{"z":1.10,"a":[1e400,-0,{},[],"\u00e9\"}"],"z":{"b":null,"c":true}}"#));
    }

    #[test]
    fn single_values_are_json_too() {
        for text in ["1", "\"a\"", "null", "[]", "{}", "-1.5E+3"] {
            check(text, Layout::Indented, Some(text));
        }
    }

    #[test]
    fn what_is_no_json_is_not_laid_out() {
        for text in ["", "{", "{\"a\":1}x", "nul", "[1,]", "'a'"] {
            check(text, Layout::Indented, None);
        }
        check(&"[".repeat(100_000), Layout::Indented, None);
        let nested = |depth| laid_out(&("[".repeat(depth) + &"]".repeat(depth)), Layout::Indented, Paint { on: false });
        assert!(nested(BODY_DEPTH_MAX).is_some());
        assert!(nested(BODY_DEPTH_MAX + 1).is_none());
    }

    #[test]
    fn strings_of_a_server_cannot_steer_the_terminal() {
        check("\"a\u{7f}\u{9b}31m\"", Layout::Indented, Some("\"a\u{2421}\u{fffd}31m\""));
    }

    #[test]
    fn names_strings_numbers_and_words_have_their_colours() {
        let shown = laid_out(r#"{"a":["b",1,null]}"#, Layout::Compact, Paint { on: true }).unwrap();
        insta::assert_snapshot!(shown.replace('\x1b', "^"), @r#"{^[36m"a"^[0m:[^[32m"b"^[0m,^[33m1^[0m,^[35mnull^[0m]}"#);
    }
}
