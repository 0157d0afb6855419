//! The slow way of normalisation: segment by segment.

use callgate_model::bounds;

use super::{PathFault, PathRules};
use crate::octets::{self, TARGET, UNRESERVED};

/// Normalises a path that the fast scan did not recognise as normal.
pub(super) fn resolve(raw: &str, rules: &PathRules) -> Result<String, PathFault> {
    let Some(rest) = raw.strip_prefix('/') else {
        return Err(PathFault::NotAbsolute);
    };
    let mut normal = String::with_capacity(raw.len());
    // Where each kept segment's `/` is, so that `..` can take it back.
    let mut starts: Vec<usize> = Vec::new();
    let mut ends_in_slash = true;
    let mut segment_text = String::new();
    for segment in rest.split('/') {
        ends_in_slash = match segment {
            "" | "." => true,
            ".." => {
                normal.truncate(starts.pop().ok_or(PathFault::AboveRoot)?);
                true
            }
            _ => {
                if starts.len() >= bounds::PATH_SEGMENTS_MAX {
                    return Err(PathFault::TooManySegments);
                }
                segment_text.clear();
                decode(segment, rules, &mut segment_text)?;
                check_disguised_dots(&segment_text)?;
                starts.push(normal.len());
                normal.push('/');
                normal.push_str(&segment_text);
                false
            }
        };
    }
    if ends_in_slash {
        normal.push('/');
    }
    Ok(normal)
}

/// Appends a segment with every %XX in its one form.
fn decode(segment: &str, rules: &PathRules, normal: &mut String) -> Result<(), PathFault> {
    let mut rest = segment.as_bytes();
    // Decoded bytes over 0x7f that follow each other: together they must be UTF-8.
    let mut high_bytes = Vec::new();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            finish_utf8(&mut high_bytes)?;
            check_raw(*byte, rules)?;
            normal.push(char::from(*byte));
            continue;
        }
        let (decoded, after) = octets::encoded(after).ok_or(PathFault::BrokenPercent)?;
        rest = after;
        if decoded >= 0x80 {
            high_bytes.push(decoded);
        } else {
            finish_utf8(&mut high_bytes)?;
            check_encoded(decoded, rules)?;
        }
        if octets::is(decoded, UNRESERVED) {
            normal.push(char::from(decoded));
        } else {
            normal.push('%');
            normal.extend(octets::hex_pair(decoded));
        }
    }
    finish_utf8(&mut high_bytes)
}

fn check_raw(byte: u8, rules: &PathRules) -> Result<(), PathFault> {
    match byte {
        b'\\' => Err(PathFault::Backslash),
        b';' if !rules.semicolons => Err(PathFault::Semicolon),
        b'?' => Err(PathFault::Character),
        _ if !octets::is(byte, TARGET) => Err(PathFault::Character),
        _ => Ok(()),
    }
}

fn check_encoded(decoded: u8, rules: &PathRules) -> Result<(), PathFault> {
    match decoded {
        b'/' | b'\\' if !rules.encoded_separators => Err(PathFault::EncodedSeparator),
        // A server that decodes before it cuts parameters off reads this as `;`.
        b';' if !rules.semicolons => Err(PathFault::Semicolon),
        0..0x20 | 0x7f => Err(PathFault::EncodedControl),
        _ => Ok(()),
    }
}

fn finish_utf8(high_bytes: &mut Vec<u8>) -> Result<(), PathFault> {
    if high_bytes.is_empty() {
        return Ok(());
    }
    // Overlong forms (`%c0%af` for `/`) and surrogates are not UTF-8.
    let text = std::str::from_utf8(high_bytes).map_err(|_| PathFault::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(PathFault::EncodedControl);
    }
    high_bytes.clear();
    Ok(())
}

/// A segment that a later reader could take for `.` or `..`: because the dots were encoded, because it cuts parameters
/// off (`..;x`), or because it decodes separators (`..%2Fadmin`). Plain dot segments never come here.
fn check_disguised_dots(segment: &str) -> Result<(), PathFault> {
    let mut rest = segment;
    loop {
        let end = ["%2F", "%5C"].iter().filter_map(|separator| rest.find(separator)).min();
        let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
        let cut = [";", "%3B"].iter().filter_map(|mark| piece.find(mark)).min();
        if matches!(piece.get(..cut.unwrap_or(piece.len())), Some("." | "..")) {
            return Err(PathFault::EncodedDotSegment);
        }
        let Some(next) = end.and_then(|end| rest.get(end + 3..)) else {
            return Ok(());
        };
        rest = next;
    }
}
