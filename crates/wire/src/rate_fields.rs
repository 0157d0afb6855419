//! `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers), as lists of structured fields (RFC 9651).
//! Written into a text that the caller keeps from call to call.

use crate::digits::push_number;
use crate::octets::{self, TOKEN};

/// Bytes of an item beside its name, with numbers of usual length.
const ITEM_BYTES: usize = 32;
/// The largest integer of a structured field (RFC 9651 section 3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// Adds `"name";q=10;w=1`: a burst of `quota` calls, refilled within `window_s` seconds.
pub fn push_policy(text: &mut String, name: &str, quota: u64, window_s: u64) {
    push_item(text, name, (";q=", quota), (";w=", window_s));
}

/// Adds `"name";r=9;t=1`: `remaining` whole calls left, all of them again in `reset_s` seconds.
pub fn push_state(text: &mut String, name: &str, remaining: u64, reset_s: u64) {
    push_item(text, name, (";r=", remaining), (";t=", reset_s));
}

fn push_item(text: &mut String, name: &str, first: (&str, u64), second: (&str, u64)) {
    // Room for this item and another.
    text.reserve(2 * (name.len() + ITEM_BYTES));
    if !text.is_empty() {
        text.push_str(", ");
    }
    text.push('"');
    if octets::all(name.as_bytes(), TOKEN) {
        text.push_str(name);
    } else {
        push_unusual(text, name);
    }
    text.push('"');
    for (key, value) in [first, second] {
        text.push_str(key);
        push_number(text, value.min(INTEGER_MAX));
    }
}

/// A name that is no token: nobody's first choice, so its letters may be looked at one by one.
fn push_unusual(text: &mut String, name: &str) {
    for letter in name.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            ' '..='~' => text.push(letter),
            // A string of a structured field is ASCII without controls.
            _ => text.push('?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let mut text = String::new();
        push_policy(&mut text, "burst", 10, 1);
        push_policy(&mut text, "day", 1_000_000, 86_400);
        insta::assert_snapshot!(text, @r#""burst";q=10;w=1, "day";q=1000000;w=86400"#);
        text.clear();
        push_state(&mut text, "a\"\\\u{fc}\n", 0, u64::MAX);
        insta::assert_snapshot!(text, @r#""a\"\\??";r=0;t=999999999999999"#);
    }
}
