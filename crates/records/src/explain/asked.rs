//! What a person may ask `explain` about.

use callgate_model::{CallId, Code};

/// A thing to explain, as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A call's id.
    Call(CallId),
    /// A code of the gate: `rate_limited`, or its URN.
    Code(Code),
    /// A status: `429`.
    Status(u16),
    /// A range of statuses: `4xx`.
    Class(u8),
}

// === impl Asked ===

impl Asked {
    /// Reads it.
    ///
    /// # Errors
    /// What can be asked, with the nearest code where one is near.
    pub fn parse(text: &str) -> Result<Asked, String> {
        let text = text.trim();
        let word = text.strip_prefix("urn:callgate:refusal:").unwrap_or(text).to_ascii_lowercase().replace('-', "_");
        if let Some(code) = Code::from_name(&word) {
            return Ok(Asked::Code(code));
        }
        if let Some(call_id) = CallId::parse(text) {
            return Ok(Asked::Call(call_id));
        }
        if let Some(class) = word.strip_suffix("xx").and_then(|class| class.parse().ok()).filter(|class| *class <= 5) {
            return if class == 0 { Err(help(text)) } else { Ok(Asked::Class(class)) };
        }
        match word.parse() {
            Ok(status @ 100..=599) => Ok(Asked::Status(status)),
            _ => Err(help(&word)),
        }
    }
}

fn help(word: &str) -> String {
    let nearest =
        Code::ALL.iter().map(|code| (distance(code.name(), word), code)).min_by_key(|(distance, _)| *distance);
    let near = match nearest {
        Some((distance, code)) if distance <= 3 => format!("; did you mean `{}`?", code.name()),
        _ => String::new(),
    };
    format!(
        "`{word}` is neither a call's id, nor a code of the gate (`rate_limited`), nor a status (`429`, `4xx`){near}"
    )
}

/// How many letters must be added, removed or changed (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (above, here) in left.chars().enumerate() {
        let mut diagonal = above;
        let mut beside = above + 1;
        for (cell, there) in row.iter_mut().skip(1).zip(right.chars()) {
            let changed = diagonal + usize::from(here != there);
            diagonal = *cell;
            *cell = changed.min(beside + 1).min(diagonal + 1);
            beside = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type() {
        assert_eq!(Asked::parse("429"), Ok(Asked::Status(429)));
        assert_eq!(Asked::parse(" 5XX"), Ok(Asked::Class(5)));
        assert_eq!(Asked::parse("rate-limited"), Ok(Asked::Code(Code::RateLimited)));
        assert_eq!(Asked::parse("urn:callgate:refusal:ip_denied"), Ok(Asked::Code(Code::IpDenied)));
        assert!(matches!(Asked::parse("019cbf1c-6a5a-7000-8000-000000000001"), Ok(Asked::Call(_))));
        for wrong in ["", "0xx", "9xx", "42", "600", "teapot"] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Asked::parse("rate_limitted").unwrap_err().ends_with("did you mean `rate_limited`?"));
    }

    #[test]
    fn distances() {
        assert_eq!((distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")), (3, 0, 3));
    }
}
