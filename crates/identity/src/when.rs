//! Moments as people write them: `30d` from now, `2027-01-31`, `2027-01-31T12:00:00Z`.

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
        return Ok(now_ms.saturating_add(i64::try_from(from_now.as_millis()).unwrap_or(i64::MAX)));
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_millisecond());
    }
    if let Some(midnight) = text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok()) {
        return Ok(midnight.timestamp().as_millisecond());
    }
    Err(format!("`{text}` is no moment: write `30d` or `12h` (from now), `2027-01-31`, or `2027-01-31T12:00:00Z`"))
}

#[cfg(test)]
mod tests {
    use super::parse;

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
}
