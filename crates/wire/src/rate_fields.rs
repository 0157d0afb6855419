//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), as lists of structured fields (RFC 9651).
//! Written into a text that the caller keeps from call to call.

use crate::digits::push_number;
use crate::octets::{self, TOKEN};

/// Room for three items of usual length.
const FIELD_BYTES: usize = 96;
/// The largest integer of a structured field (RFC 9651 section 3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// Adds `"name";q=10;w=1`: a burst of `quota` calls, refilled within `window_s` seconds.
pub fn push_policy(text: &mut Vec<u8>, name: &str, quota: u64, window_s: u64) {
    push_item(text, name, (";q=", quota), (";w=", window_s));
}

/// Adds `"name";r=9;t=1`: `remaining` whole calls left, all of them again in `reset_s` seconds.
pub fn push_state(text: &mut Vec<u8>, name: &str, remaining: u64, reset_s: u64) {
    push_item(text, name, (";r=", remaining), (";t=", reset_s));
}

fn push_item(text: &mut Vec<u8>, name: &str, first: (&str, u64), second: (&str, u64)) {
    if text.is_empty() {
        text.reserve(FIELD_BYTES);
    } else {
        text.extend_from_slice(b", ");
    }
    text.push(b'"');
    if octets::all(name.as_bytes(), TOKEN) {
        text.extend_from_slice(name.as_bytes());
    } else {
        push_unusual(text, name);
    }
    text.push(b'"');
    for (key, value) in [first, second] {
        text.extend_from_slice(key.as_bytes());
        push_number(text, value.min(INTEGER_MAX));
    }
}

/// A name that is no token: nobody's first choice, so its letters may be looked at one by one.
fn push_unusual(text: &mut Vec<u8>, name: &str) {
    for letter in name.chars() {
        match letter {
            '"' => text.extend_from_slice(b"\\\""),
            '\\' => text.extend_from_slice(b"\\\\"),
            // A string of a structured field is ASCII without controls.
            _ => text.push(u8::try_from(letter).ok().filter(|byte| matches!(byte, b' '..=b'~')).unwrap_or(b'?')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let mut text = Vec::new();
        push_policy(&mut text, "burst", 10, 1);
        push_policy(&mut text, "day", 1_000_000, 86_400);
        insta::assert_snapshot!(String::from_utf8_lossy(&text), @r#""burst";q=10;w=1, "day";q=1000000;w=86400"#);
        text.clear();
        push_state(&mut text, "a\"\\\u{fc}\n", 0, u64::MAX);
        insta::assert_snapshot!(String::from_utf8_lossy(&text), @r#""a\"\\??";r=0;t=999999999999999"#);
    }
}
