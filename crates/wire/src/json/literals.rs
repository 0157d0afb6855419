//! Strings, numbers and words: each takes where it begins and gives the byte behind it.

use super::{ENDS, Fault};
use crate::octets::{self, JSON_PLAIN};

/// Behind the closing quote of a string whose inside begins at `at`.
#[inline]
pub(super) fn string(bytes: &[u8], mut at: usize) -> Result<usize, Fault> {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(plain) = rest.iter().position(|byte| !octets::is(*byte, JSON_PLAIN)) else {
            return Err((bytes.len(), ENDS));
        };
        at += plain;
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(bytes, at + 1)?,
            _ => return Err((at, "a string holds a control character unescaped")),
        }
    }
}

/// Behind an escape whose backslash is before `at`.
fn escape(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => {
            for digit in at + 1..at + 5 {
                match bytes.get(digit) {
                    Some(byte) if byte.is_ascii_hexdigit() => {}
                    Some(_) => return Err((digit, "`\\u` is not followed by four hexadecimal digits")),
                    None => return Err((digit, ENDS)),
                }
            }
            Ok(at + 5)
        }
        Some(_) => Err((at, "there is no such escape")),
        None => Err((at, ENDS)),
    }
}

/// Behind a number.
#[inline]
pub(super) fn number(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let mut at = if bytes.get(at) == Some(&b'-') { at + 1 } else { at };
    at = match bytes.get(at) {
        Some(b'0') if matches!(bytes.get(at + 1), Some(b'0'..=b'9')) => {
            return Err((at + 1, "a number begins with 0"));
        }
        _ => digits(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(bytes, at + 1 + sign)?;
    }
    Ok(at)
}

/// Behind one digit or more.
fn digits(bytes: &[u8], at: usize) -> Result<usize, Fault> {
    let count = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (count, bytes.get(at)) {
        (0, None) => Err((at, ENDS)),
        (0, Some(_)) => Err((at, "a digit must come here")),
        _ => Ok(at + count),
    }
}

/// Behind `true`, `false` or `null`.
pub(super) fn word(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Fault> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(word) {
        return Ok(at + word.len());
    }
    let same = rest.iter().zip(word).take_while(|(left, right)| left == right).count();
    Err((at + same, if same == rest.len() { ENDS } else { "only `true`, `false` and `null` are words" }))
}
