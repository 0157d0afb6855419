//! The Accept field (RFC 9110 section 12.5.1).

use http::header::{ACCEPT, HeaderMap, HeaderValue};

use super::{MediaType, Pattern, SubPattern, ends_with, same_value};
use crate::octets;

/// Ranges looked at; browsers send about ten. What comes later counts as not written.
const RANGES_MAX: usize = 64;

/// What a caller accepts. Reads the fields anew for every question and allocates nothing.
#[derive(Debug, Clone, Copy)]
pub struct Accept<'a> {
    headers: &'a HeaderMap,
}

/// Whether a caller accepts some type of some pattern. Several Accept fields are one list.
#[must_use]
pub fn acceptable(headers: &HeaderMap, patterns: &[Pattern]) -> bool {
    Accept::of(headers).allows_any(patterns)
}

/// Whether a caller accepts a problem document as JSON.
#[must_use]
pub fn takes_json(headers: &HeaderMap) -> bool {
    Accept::of(headers).allows_json()
}

// === impl Accept ===

impl<'a> Accept<'a> {
    /// The Accept fields of a request.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Accept<'a> {
        Accept { headers }
    }

    /// Whether a type is acceptable, and how much: 0 to 1000. The most specific range decides, whatever its order. Without
    /// a readable range everything is acceptable.
    #[must_use]
    pub fn quality(&self, media: &MediaType<'_>) -> u16 {
        let mut best = None;
        let mut is_silent = true;
        for (range, quality) in self.ranges() {
            is_silent = false;
            if let Some(rank) = specificity(&range, media)
                && best.is_none_or(|(best_rank, _)| rank > best_rank)
            {
                best = Some((rank, quality));
            }
        }
        if is_silent { 1000 } else { best.map_or(0, |(_, quality)| quality) }
    }

    /// Whether some type of a pattern is acceptable.
    #[must_use]
    pub fn allows(&self, pattern: &Pattern) -> bool {
        if pattern.single().is_some() {
            // Its text is a media type.
            return MediaType::parse(&pattern.text).is_none_or(|media| self.quality(&media) > 0);
        }
        let mut is_silent = true;
        let overlaps = self.ranges().any(|(range, quality)| {
            is_silent = false;
            quality > 0 && overlap(&range, pattern)
        });
        overlaps || is_silent
    }

    /// Whether some type of some pattern is acceptable; no patterns say nothing, so everything is.
    #[must_use]
    pub fn allows_any(&self, patterns: &[Pattern]) -> bool {
        patterns.is_empty() || patterns.iter().any(|pattern| self.allows(pattern))
    }

    /// Whether a problem document may be sent as JSON (`application/problem+json` or plain `application/json`).
    #[must_use]
    pub fn allows_json(&self) -> bool {
        let mut fields = self.headers.get_all(ACCEPT).iter();
        // Nearly every caller that is no browser sends one of these.
        let is_plain = match (fields.next().map(HeaderValue::as_bytes), fields.next()) {
            (Some(value), None) => matches!(value, b"*/*" | b"application/json"),
            (only, _) => only.is_none(),
        };
        let is_accepted = |sub| self.quality(&MediaType { main: "application", sub, params: "" }) > 0;
        is_plain || is_accepted("problem+json") || is_accepted("json")
    }

    /// Readable ranges with their quality.
    fn ranges(&self) -> impl Iterator<Item = (MediaType<'a>, u16)> {
        let fields = self.headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
        fields.flat_map(Elements).take(RANGES_MAX).filter_map(read_range)
    }
}

fn read_range(element: &str) -> Option<(MediaType<'_>, u16)> {
    // Java's old URL connection sends `*; q=.2` for `*/*`.
    let (bare, params) = element.split_at_checked(element.find(';').unwrap_or(element.len()))?;
    let range = match octets::trim_text(bare) {
        "*" => MediaType { main: "*", sub: "*", params },
        _ => MediaType::parse(element)?,
    };
    let quality = range.param("q").map_or(Some(1000), read_quality)?;
    Some((range, quality))
}

/// `0.5` in thousandths. Lenient about a missing zero (`.2`) and about more than three decimals, which are cut.
fn read_quality(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() + decimals.len() == 0 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole {
        "1" => Some(1000),
        "0" | "" => {
            let mut digits = decimals.bytes().map(|byte| u16::from(byte - b'0')).chain(std::iter::repeat(0));
            Some((0..3).fold(0, |sum, _| sum * 10 + digits.next().unwrap_or(0)))
        }
        _ => None,
    }
}

/// How closely a range fits a type: 0 `*/*`, 1 `type/*`, 2 and more an exact type with its parameters. None: it doesn't.
fn specificity(range: &MediaType<'_>, media: &MediaType<'_>) -> Option<usize> {
    match (range.main, range.sub) {
        ("*", "*") => Some(0),
        (main, "*") => main.eq_ignore_ascii_case(media.main).then_some(1),
        (main, sub) => {
            let mut rank = 2;
            // `q` ends the parameters of the type itself.
            for (name, value) in super::Params(range.params).flatten() {
                if name.eq_ignore_ascii_case("q") {
                    break;
                }
                // An operator's `application/json` says nothing about charset, so a range with one still fits it.
                if media.param(name).is_some_and(|found| !same_value(name, found, value)) {
                    return None;
                }
                rank += 1;
            }
            media.is(main, sub).then_some(rank)
        }
    }
}

/// Whether a range and a pattern with `*` have a type in common.
fn overlap(range: &MediaType<'_>, pattern: &Pattern) -> bool {
    let same_main = range.main == "*" || pattern.main.as_ref().is_none_or(|main| main.eq_ignore_ascii_case(range.main));
    same_main
        && match &pattern.sub {
            _ if range.sub == "*" => true,
            SubPattern::Any => true,
            SubPattern::Exactly(sub) => sub.eq_ignore_ascii_case(range.sub),
            SubPattern::Suffix(suffix) => ends_with(range.sub, suffix),
        }
}

/// Elements of a list; commas in quoted strings don't separate.
struct Elements<'a>(&'a str);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start_matches([',', ' ', '\t']);
        if rest.is_empty() {
            return None;
        }
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = rest.bytes().position(|byte| {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_quoted => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                b',' if !is_quoted => return true,
                _ => {}
            }
            false
        });
        let (element, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        self.0 = rest;
        Some(octets::trim_text(element))
    }
}
