//! Moments as people read them: RFC 3339 in UTC, as records write them, and how long ago.

use callgate_model::Clock;
use jiff::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60;
const DAY: u64 = 24;
/// Until two years the number of days still says something.
const DAYS_MAX: u64 = 730;
const YEAR: u64 = 365;

/// Tells moments from one point in time, so that all of one listing fit together.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    now_ms: i64,
}

// === impl Moments ===

impl Moments {
    /// Told from now.
    #[must_use]
    pub fn now() -> Moments {
        Moments { now_ms: Clock::system().unix_ms() }
    }

    /// The point itself, Unix milliseconds.
    #[must_use]
    pub fn now_ms(self) -> i64 {
        self.now_ms
    }

    /// `2027-01-31T12:00:00Z (3 min ago)`.
    #[must_use]
    pub fn tell(self, unix_ms: i64) -> String {
        // To the second: nobody administers by the millisecond.
        match Timestamp::from_second(unix_ms.div_euclid(1000)) {
            Ok(at) => format!("{at} ({})", self.relative(unix_ms)),
            Err(_) => format!("{unix_ms} ms"),
        }
    }

    /// The same, or a word where there is none.
    #[must_use]
    pub fn tell_or(self, unix_ms: Option<i64>, word: &str) -> String {
        unix_ms.map_or_else(|| word.to_owned(), |unix_ms| self.tell(unix_ms))
    }

    /// `2027-01-31T12:00Z (3 min ago)`: a moment that is known to the minute, and that was not before another one.
    #[must_use]
    pub fn tell_minute(self, unix_ms: i64, not_before_ms: i64) -> String {
        match Timestamp::from_second(unix_ms.div_euclid(1000)) {
            Ok(at) => format!("{} ({})", at.strftime("%Y-%m-%dT%H:%MZ"), self.relative(unix_ms.max(not_before_ms))),
            Err(_) => format!("{unix_ms} ms"),
        }
    }

    /// `3 min ago`, `in 30 days`.
    fn relative(self, unix_ms: i64) -> String {
        let apart = duration(unix_ms.abs_diff(self.now_ms));
        match unix_ms.cmp(&self.now_ms) {
            _ if apart == "0 s" => "now".to_owned(),
            std::cmp::Ordering::Greater => format!("in {apart}"),
            _ => format!("{apart} ago"),
        }
    }
}

/// A length of time in its largest fitting unit, rounded: `3 min`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = rounded(ms, 1000);
    let minutes = rounded(seconds, MINUTE);
    let hours = rounded(minutes, HOUR);
    let days = rounded(hours, DAY);
    match () {
        () if seconds < MINUTE => format!("{seconds} s"),
        () if minutes < HOUR => format!("{minutes} min"),
        () if hours < DAY => format!("{hours} h"),
        () if days == 1 => "1 day".to_owned(),
        () if days < DAYS_MAX => format!("{days} days"),
        () => format!("{} years", rounded(days, YEAR)),
    }
}

fn rounded(count: u64, by: u64) -> u64 {
    count.saturating_add(by / 2) / by
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_801_353_600_000;

    #[test]
    fn how_long_ago() {
        let check = |apart_ms: i64, expect: &str| {
            let told = Moments { now_ms: NOW_MS }.tell(NOW_MS + apart_ms);
            assert!(told.ends_with(&format!("Z ({expect})")), "{apart_ms}: {told}");
        };
        check(0, "now");
        check(-499, "now");
        check(-1_000, "1 s ago");
        check(-59_400, "59 s ago");
        check(-59_600, "1 min ago");
        check(-180_000, "3 min ago");
        check(-3_600_000 * 5, "5 h ago");
        check(-86_400_000, "1 day ago");
        // Just made: a few milliseconds have gone by.
        check(86_400_000 * 30 - 7, "in 30 days");
        check(-86_400_000 * 365 * 3, "3 years ago");
    }

    #[test]
    fn a_minute_is_not_before_what_came_first() {
        let moments = Moments { now_ms: NOW_MS + 58_000 };
        assert_eq!(moments.tell_minute(NOW_MS, NOW_MS + 50_000), "2027-01-31T00:00Z (8 s ago)");
        assert_eq!(moments.tell_minute(NOW_MS - 120_000, NOW_MS - 900_000), "2027-01-30T23:58Z (3 min ago)");
    }

    #[test]
    fn moments_are_written_in_utc() {
        let moments = Moments { now_ms: NOW_MS };
        assert_eq!(moments.tell(NOW_MS - 1), "2027-01-30T23:59:59Z (now)");
        assert_eq!(moments.tell_or(None, "never"), "never");
        assert_eq!(moments.tell(i64::MAX), format!("{} ms", i64::MAX));
    }
}
