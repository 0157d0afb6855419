//! Moments as people write them: `30d` from now, `2027-01-31`, `2027-01-31T12:00:00Z`.

use std::time::Duration;

use callgate_model::quantity;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Reads a moment, Unix milliseconds. A day alone is its beginning in UTC, as calendar quotas are.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str, now_ms: i64) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(from_now) = quantity::duration(text) {
        return Ok(now_ms.saturating_add(ms(from_now)));
    }
    absolute(text).ok_or_else(|| {
        format!("`{text}` is no moment: write `30d` or `12h` (from now), `2027-01-31`, or `2027-01-31T12:00:00Z`")
    })
}

/// Reads a moment that lies behind, for searches: a duration counts back from now.
///
/// # Errors
/// What to write instead.
pub fn parse_past(text: &str, now_ms: i64) -> Result<i64, String> {
    let text = text.trim();
    if let Ok(ago) = quantity::duration(text) {
        return Ok(now_ms.saturating_sub(ms(ago)));
    }
    absolute(text).ok_or_else(|| {
        format!("`{text}` is no moment: write `1h` or `7d` (ago), `2027-01-31`, or `2027-01-31T12:00:00Z`")
    })
}

fn absolute(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    let midnight = text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_millisecond())
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{parse, parse_past};

    fn check(text: &str, expect: Option<i64>) {
        assert_eq!(parse(text, 1_000).ok(), expect, "{text}");
    }

    #[test]
    fn what_people_write() {
        check("30d", Some(1_000 + 30 * 86_400_000));
        check(" 500ms ", Some(1_500));
        check("2027-01-31", Some(1_801_353_600_000));
        check("2027-01-31T00:00:01Z", Some(1_801_353_601_000));
        check("2027-01-31T01:00:01+01:00", Some(1_801_353_601_000));
        for wrong in ["", "soon", "-3d", "2027-02-30", "30"] {
            check(wrong, None);
        }
    }

    #[test]
    fn searches_look_back() {
        assert_eq!(parse_past("1s", 5_000), Ok(4_000));
        assert_eq!(parse_past("2027-01-31", 5_000), parse("2027-01-31", 5_000));
        assert!(parse_past("yesterday", 5_000).is_err());
    }
}
