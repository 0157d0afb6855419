//! Quotas: how much per calendar period, in UTC.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::limit::Subject;
use crate::quantity;

/// A calendar period in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// From minute 0.
    Hour,
    /// From midnight UTC.
    Day,
    /// From the first of the month, midnight UTC.
    Month,
}

/// One quota: `[name:] N/hour|day|month [per key|consumer]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Its name in the `RateLimit` fields and in refusals.
    pub name: String,
    /// Calls per period.
    pub amount: u64,
    /// The period.
    pub period: Period,
    /// Whose calls are counted together: [`Subject::Key`] or [`Subject::Consumer`].
    pub per: Subject,
    /// As the operator wrote it, for messages.
    pub text: String,
}

const HELP: &str = "write a quota as `[name:] N/hour|day|month [per key|consumer]`, for example `1000/day`";

// === impl Period ===

impl Period {
    /// The first millisecond of the period that contains this moment, and the first of the next one.
    #[must_use]
    pub fn around(self, unix_ms: i64) -> (i64, i64) {
        const HOUR_MS: i64 = 3_600_000;
        match self {
            Period::Hour => {
                let start = unix_ms.div_euclid(HOUR_MS) * HOUR_MS;
                (start, start + HOUR_MS)
            }
            Period::Day => {
                let start = unix_ms.div_euclid(24 * HOUR_MS) * 24 * HOUR_MS;
                (start, start + 24 * HOUR_MS)
            }
            Period::Month => month_around(unix_ms).unwrap_or((0, i64::MAX)),
        }
    }

    /// The period's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
        }
    }
}

/// None only for moments outside the years -9999 to 9999.
fn month_around(unix_ms: i64) -> Option<(i64, i64)> {
    let date = Timestamp::from_millisecond(unix_ms).ok()?.to_zoned(TimeZone::UTC).date();
    let first: DateTime = date.first_of_month().into();
    let next: DateTime = date.first_of_month().checked_add(1.month()).ok()?.into();
    let ms = |moment: DateTime| Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    Some((ms(first)?, ms(next)?))
}

// === impl Quota ===

impl Quota {
    /// Reads a quota.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str, default_per: &Subject) -> Result<Quota, String> {
        let (name, rest) = match text.split_once(": ") {
            Some((name, rest)) if crate::consumer::is_name(name.trim()) => (Some(name.trim()), rest),
            Some(_) => return Err(HELP.to_owned()),
            None => (None, text),
        };
        let mut words = rest.split_whitespace();
        let (amount, unit) = words.next().and_then(|word| word.split_once('/')).ok_or(HELP)?;
        let amount = quantity::count(amount).filter(|amount| (1..=1_000_000_000_000).contains(amount)).ok_or(HELP)?;
        let period = match unit {
            "hour" | "h" => Period::Hour,
            "day" => Period::Day,
            "month" => Period::Month,
            _ => return Err(format!("`/{unit}` is not a quota's period: {HELP}")),
        };
        let per = match (words.next(), words.next(), words.next()) {
            (None, ..) => default_per.clone(),
            (Some("per"), Some("key"), None) => Subject::Key,
            (Some("per"), Some("consumer"), None) => Subject::Consumer,
            _ => return Err(HELP.to_owned()),
        };
        let name = name.map_or_else(|| format!("{amount}-{}", period.name()), str::to_owned);
        Ok(Quota { name, amount, period, per, text: text.to_owned() })
    }

    /// How much a node takes from the store at once: 1/200 of the quota, at least 1 (DESIGN section 5). A crash wastes at
    /// most this much.
    #[must_use]
    pub fn block(&self) -> u64 {
        (self.amount / 200).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_calendar_periods_in_utc() {
        let moment: Timestamp = "2024-02-29T13:45:10Z".parse().unwrap();
        let check = |period: Period, start: &str, next: &str| {
            let (from, to) = period.around(moment.as_millisecond());
            assert_eq!(Timestamp::from_millisecond(from).unwrap().to_string(), start);
            assert_eq!(Timestamp::from_millisecond(to).unwrap().to_string(), next);
        };
        check(Period::Hour, "2024-02-29T13:00:00Z", "2024-02-29T14:00:00Z");
        check(Period::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z");
        check(Period::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    }

    #[test]
    fn what_operators_write() {
        let quota = Quota::parse("1M/month", &Subject::Consumer).unwrap();
        assert_eq!((quota.amount, quota.period, quota.block()), (1_000_000, Period::Month, 5_000));
        assert!(Quota::parse("10/s", &Subject::Consumer).is_err());
        assert!(Quota::parse("10/day per ip", &Subject::Consumer).is_err());
    }
}
