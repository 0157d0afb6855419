//! One spelling for every path (DESIGN section 4, "Paths"): what is matched is what is forwarded.
//!
//! A guard on `/admin/**` is worth nothing if `/shop/..%2fadmin` passes beside it and means the same to the back end. So
//! a path is normalised once, at the edge, and what has two readings is refused.

mod segments;

use std::borrow::Cow;

use callgate_model::bounds;

use crate::octets::{self, PATH_PLAIN};

/// Which of the refusals are switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathRules {
    /// Let `%2F` and `%5C` through, still encoded. Raw `\` stays refused, and so do dot segments between them.
    pub encoded_separators: bool,
    /// Let `;` (and `%3B`) through. Dot segments with parameters (`..;x`) stay refused.
    pub semicolons: bool,
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// `..` above the root.
    #[error("the path climbs above the root with `..`")]
    AboveRoot,
    /// `%2F` or `%5C`.
    #[error("the path holds an encoded separator (%2F or %5C)")]
    EncodedSeparator,
    /// `%00`, `%0A`, ...
    #[error("the path holds an encoded control character")]
    EncodedControl,
    /// `%2e`, `%2e%2e`, `.%2e`, or `..` beside an encoded separator or a parameter.
    #[error("the path holds a dot segment in disguise (`%2e`, or `.` or `..` beside an encoded separator or a `;`)")]
    EncodedDotSegment,
    /// Raw `\`.
    #[error("the path holds a backslash")]
    Backslash,
    /// `%` without two hexadecimal digits.
    #[error("the path holds a % that two hexadecimal digits don't follow")]
    BrokenPercent,
    /// What the percent-encoding stands for is not UTF-8.
    #[error("the path's percent-encoding does not stand for UTF-8")]
    NotUtf8,
    /// `;` or `%3B`.
    #[error("the path holds a semicolon, which some servers cut a segment at")]
    Semicolon,
    /// A control, a space, `?`, `#`, or a byte over 0x7f, unencoded.
    #[error("the path holds a character that must be percent-encoded")]
    Character,
    /// Over `PATH_SEGMENTS_MAX`.
    #[error("the path has too many segments")]
    TooManySegments,
}

/// Normalises a path (without its query): decodes %XX of unreserved characters, upper-cases the other hexadecimal,
/// resolves `.` and `..`, merges `//`. A `/` at the end stays. Borrows when nothing changes, which one scan finds out.
///
/// # Errors
/// What has more than one reading, or none.
pub fn normalize<'a>(raw: &'a str, rules: &PathRules) -> Result<Cow<'a, str>, PathFault> {
    if is_normal(raw.as_bytes()) {
        return Ok(Cow::Borrowed(raw));
    }
    let normal = segments::resolve(raw, rules)?;
    Ok(if normal == raw { Cow::Borrowed(raw) } else { Cow::Owned(normal) })
}

/// Whether the slow way would change and refuse nothing. `false` may be wrong, `true` never is.
fn is_normal(raw: &[u8]) -> bool {
    let Some((b'/', mut rest)) = raw.split_first() else {
        return false;
    };
    let mut segments = 1;
    loop {
        let end = rest.iter().position(|byte| !octets::is(*byte, PATH_PLAIN)).unwrap_or(rest.len());
        let Some((segment, after)) = rest.split_at_checked(end) else {
            return false;
        };
        if segment == b"." || segment == b".." || segments > bounds::PATH_SEGMENTS_MAX {
            return false;
        }
        match after.split_first() {
            None => return true,
            Some((b'/', next)) if !segment.is_empty() => {
                segments += 1;
                rest = next;
            }
            Some(_) => return false,
        }
    }
}

/// The form in which normalised paths and the literals of route patterns are compared: every %XX is decoded but those of
/// `/`, `\` and `%`. RFC 3986 calls `/users/@me` and `/users/%40me` different, but no back end does, so a guard on the one
/// must hold for the other. What is forwarded stays as [`normalize`] left it.
#[must_use]
pub fn matching_form(normal: &str) -> Cow<'_, str> {
    if memchr::memchr(b'%', normal.as_bytes()).is_none() {
        return Cow::Borrowed(normal);
    }
    let mut bytes = Vec::with_capacity(normal.len());
    let mut rest = normal.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match octets::encoded(after) {
            Some((decoded, after)) if *byte == b'%' && !matches!(decoded, b'/' | b'\\' | b'%') => {
                bytes.push(decoded);
                rest = after;
            }
            _ => bytes.push(*byte),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(normal),
    }
}

/// Whether two texts differ, and in nothing but the case of ASCII letters.
#[must_use]
pub fn equals_but_for_case(left: &str, right: &str) -> bool {
    left != right && left.eq_ignore_ascii_case(right)
}

/// The rest of a normalised path behind a prefix (`/` or `/a/b`), cut at a segment boundary: `/shop/x` behind `/shop` is
/// `/x`, `/shop` is `/`, `/shopping` is nothing.
#[must_use]
pub fn cut_prefix<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix.strip_suffix('/').unwrap_or(prefix))?;
    match rest.as_bytes().first() {
        None => Some("/"),
        Some(b'/') => Some(rest),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
