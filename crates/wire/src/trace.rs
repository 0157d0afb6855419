//! `traceparent` (W3C Trace Context): one name for a call through every service that it passes.

use std::fmt;

use crate::octets;

/// The length of `00-<32>-<16>-<2>`.
const LENGTH: usize = 55;

/// A trace parent, kept as its text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// ASCII; checked when it was read or made.
    text: [u8; LENGTH],
}

/// Reads a trace parent. None for what a service must ignore: upper case, ids of zeros, version `ff`, a version 00 of
/// another length. Of later versions the four known parts are read.
#[must_use]
pub fn parse(text: &str) -> Option<TraceParent> {
    let bytes = text.as_bytes();
    let (known, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let mut parts = known.split(|byte| *byte == b'-');
    let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let lengths = [version.len(), trace_id.len(), parent_id.len(), flags.len()];
    let is_whole = lengths == [2, 32, 16, 2] && [version, trace_id, parent_id, flags].into_iter().all(is_hex);
    let is_known = version != b"ff" && if version == b"00" { rest.is_empty() } else { matches!(rest, [] | [b'-', ..]) };
    if !is_whole || !is_known || is_zero(trace_id) || is_zero(parent_id) {
        return None;
    }
    let mut text = *known;
    // What is passed on is the version that we understand.
    text.iter_mut().take(2).for_each(|byte| *byte = b'0');
    Some(TraceParent { text })
}

/// Makes one for a call that came without: the trace id is `seed` (a call id: unique, mostly random), the parent id its
/// random half, the sampled flag unset, because nobody decided.
#[must_use]
pub fn make(seed: &[u8; 16]) -> TraceParent {
    let (_, half) = seed.split_at(8);
    let mut text = *b"00-................................-................-00";
    for (place, byte) in (3..).step_by(2).zip(seed).chain((36..).step_by(2).zip(half)) {
        if let Some(digits) = text.get_mut(place..place + 2) {
            digits.copy_from_slice(&octets::hex_pair_lower(*byte));
        }
    }
    // Ids of zeros mean "none"; a seed that ends in them is not worth another error.
    if half.iter().all(|byte| *byte == 0)
        && let Some(last) = text.get_mut(51)
    {
        *last = b'1';
    }
    TraceParent { text }
}

// === impl TraceParent ===

impl TraceParent {
    /// The field's value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.as_str().get(3..35).unwrap_or_default()
    }

    /// 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn parent_id(&self) -> &str {
        self.as_str().get(36..52).unwrap_or_default()
    }

    /// Whether the caller may have recorded this trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.text.last().and_then(|byte| octets::hex(*byte)).is_some_and(|flags| flags & 1 != 0)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn parents() {
        let parent = parse(GOOD).unwrap();
        assert_eq!((parent.trace_id(), parent.parent_id()), ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"));
        assert!(parent.is_sampled() && parent.as_str() == GOOD);
        assert_eq!(parse(&format!("{}-what-comes", GOOD.replacen("00", "cc", 1))), Some(parent));
        for ignored in [
            "".to_owned(),
            GOOD.to_uppercase(),
            format!("{GOOD}-x"),
            format!("{GOOD}x"),
            format!("{}x", GOOD.replacen("00", "cc", 1)),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("4bf9", "4bg9"),
            GOOD.replace("-00f", "f-00"),
            GOOD.replace("-01", "-0"),
        ] {
            assert_eq!(parse(&ignored), None, "{ignored}");
        }
    }

    proptest! {
        #[test]
        fn what_is_made_is_read(seed: [u8; 16]) {
            let made = make(&seed);
            prop_assert_eq!(parse(made.as_str()), (seed != [0; 16]).then_some(made));
        }
    }

    #[test]
    fn a_seed_with_an_empty_half() {
        let made = make(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(parse(made.as_str()), Some(made));
    }
}
