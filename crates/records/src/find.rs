//! What a person looks for, read from the texts that they typed.

use std::ops::RangeInclusive;

use callgate_model::{CallRecord, Code, KeyId, bounds, quantity};
use callgate_store::CallFilter;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

/// Calls shown when nobody says how many.
const LIMIT_DEFAULT: usize = 50;

/// What was typed, on the command line or in a query of the admin API. Everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Find {
    /// A key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A consumer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// `429`, `4xx`, `400-403`, or `none` for clients that were gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// A code of the gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the path begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// An API's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// A route's template, as records write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Not before: `10m` (ago), `2026-03-01`, `2026-03-01T12:00:00Z`, `today`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Before, written like `since`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// One text that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{field} `{value}`: {help}")]
pub struct FindFault {
    /// Which text.
    pub field: &'static str,
    /// As typed.
    pub value: String,
    /// What to write instead.
    pub help: String,
}

// === impl Find ===

impl Find {
    /// The filter that was meant, counting durations back from `now_ms`.
    ///
    /// # Errors
    /// Every text that was not understood.
    pub fn filter(&self, now_ms: i64) -> Result<CallFilter, Vec<FindFault>> {
        let mut faults = Vec::new();
        let moment = |text: &str| moment(text, now_ms);
        let filter = CallFilter {
            api: self.api.clone(),
            route: self.route.clone(),
            consumer: self.consumer.clone(),
            key_id: read("key", self.key.as_deref(), key, &mut faults),
            status: read("status", self.status.as_deref(), status, &mut faults),
            code: read("code", self.code.as_deref(), code, &mut faults),
            path_prefix: read("path", self.path.as_deref(), path, &mut faults),
            since_ms: read("since", self.since.as_deref(), moment, &mut faults),
            until_ms: read("until", self.until.as_deref(), moment, &mut faults),
            before: None,
            limit: read("limit", self.limit.as_deref(), limit, &mut faults).or(Some(LIMIT_DEFAULT)),
        };
        if let (Some(since_ms), Some(until_ms)) = (filter.since_ms, filter.until_ms)
            && since_ms >= until_ms
        {
            let value = self.until.clone().unwrap_or_default();
            faults.push(FindFault { field: "until", value, help: "write a moment after `since`".to_owned() });
        }
        if faults.is_empty() { Ok(filter) } else { Err(faults) }
    }
}

/// Whether a call fits, by the rules of the database's search: `limit` and `before` are about pages, not about calls.
#[must_use]
pub fn matches(filter: &CallFilter, record: &CallRecord) -> bool {
    fn fits<T: PartialEq + ?Sized>(wanted: Option<&T>, found: Option<&T>) -> bool {
        wanted.is_none_or(|wanted| found == Some(wanted))
    }
    // In observe mode nothing is refused, and what would have been is found by the same code.
    let refusal = record.refusal.as_deref().or(record.would_refuse.first());
    fits(filter.api.as_deref(), record.api.as_deref())
        && fits(filter.route.as_deref(), record.route.as_deref())
        && fits(filter.consumer.as_deref(), record.consumer.as_deref())
        && fits(filter.key_id.as_ref(), record.key_id.as_ref())
        && fits(filter.code.as_ref(), refusal.map(|refusal| &refusal.code))
        && filter.status.as_ref().is_none_or(|wanted| wanted.contains(&record.status))
        && filter.path_prefix.as_ref().is_none_or(|prefix| record.path.starts_with(prefix.as_str()))
        && filter.since_ms.is_none_or(|since_ms| record.started_ms >= since_ms)
        && filter.until_ms.is_none_or(|until_ms| record.started_ms < until_ms)
}

fn read<T>(
    field: &'static str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Result<T, String>,
    faults: &mut Vec<FindFault>,
) -> Option<T> {
    let text = text?.trim();
    match parse(text) {
        Ok(value) => Some(value),
        Err(help) => {
            // A pasted key must not travel on in our message.
            let value = if field == "key" { "…".to_owned() } else { text.to_owned() };
            faults.push(FindFault { field, value, help });
            None
        }
    }
}

fn key(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).ok_or_else(|| "write the key's id, the 8 letters and digits that `keys list` shows".to_owned())
}

fn status(text: &str) -> Result<RangeInclusive<u16>, String> {
    let number = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    let range = match text.split_once('-') {
        _ if text == "none" => Some(0..=0),
        Some((from, to)) => number(from).zip(number(to)).filter(|(from, to)| from <= to).map(|(from, to)| from..=to),
        None => match text.to_ascii_lowercase().strip_suffix("xx") {
            Some(class) => class
                .parse()
                .ok()
                .filter(|class| (1..=5).contains(class))
                .map(|class: u16| class * 100..=class * 100 + 99),
            None => number(text).map(|status| status..=status),
        },
    };
    range.ok_or_else(|| "write a status (`429`), a range of them (`4xx`, `500-504`), or `none`".to_owned())
}

fn code(text: &str) -> Result<Code, String> {
    let name = text.to_ascii_lowercase().replace('-', "_");
    Code::from_name(&name).ok_or_else(|| "write a code of the gate; `callgate explain 4xx` lists them".to_owned())
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with `/`".to_owned()) }
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = quantity::count(text).and_then(|limit| usize::try_from(limit).ok());
    limit
        .filter(|limit| (1..=bounds::LISTING_MAX).contains(limit))
        .ok_or_else(|| format!("write a number from 1 to {}", bounds::LISTING_MAX))
}

/// A duration ago, a moment, or a day; without a zone it is UTC, as in the log.
fn moment(text: &str, now_ms: i64) -> Result<i64, String> {
    let help = || {
        "write how long ago (`10m`, `2h`, `7d`), a day (`2026-03-01`, `today`, `yesterday`) or a moment \
         (`2026-03-01T12:00:00Z`)"
            .to_owned()
    };
    if let Ok(ago) = quantity::duration(text) {
        let ago_ms = i64::try_from(ago.as_millis()).map_err(|_| help())?;
        return Ok(now_ms.saturating_sub(ago_ms));
    }
    let today = || Some(Timestamp::from_millisecond(now_ms).ok()?.to_zoned(TimeZone::UTC).date());
    let utc_ms = |moment: DateTime| Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    let found = match text {
        "now" => Some(now_ms),
        "today" => today().and_then(|day| utc_ms(day.into())),
        "yesterday" => today().and_then(|day| day.checked_sub(1.day()).ok()).and_then(|day| utc_ms(day.into())),
        _ => (text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond))
            .or_else(|| text.parse::<DateTime>().ok().and_then(utc_ms))
            .or_else(|| text.parse::<Date>().ok().and_then(|day| utc_ms(day.into()))),
    };
    found.ok_or_else(help)
}

#[cfg(test)]
mod tests {
    use callgate_model::Refusal;

    use super::*;
    use crate::sample;

    const NOW_MS: i64 = sample::STARTED_MS + 60_000;

    fn find(texts: &[(&str, &str)]) -> Find {
        let map = texts.iter().map(|(name, text)| ((*name).to_owned(), serde_json::Value::from(*text)));
        serde_json::from_value(serde_json::Value::Object(map.collect())).unwrap()
    }

    fn check(texts: &[(&str, &str)], record: &CallRecord, expect: bool) {
        let filter = find(texts).filter(NOW_MS).unwrap();
        assert_eq!(matches(&filter, record), expect, "{texts:?}");
    }

    #[test]
    fn what_people_look_for() {
        let good = sample::good();
        let refused = sample::refused(Refusal::new(Code::RateLimited, "limit"));
        check(&[], &good, true);
        check(&[("key", "Ab12Cd34")], &good, true);
        check(&[("key", "Zz12Cd34")], &good, false);
        check(&[("consumer", "alice"), ("api", "bookshop")], &good, true);
        check(&[("consumer", "bob")], &good, false);
        check(&[("status", "2xx")], &good, true);
        check(&[("status", "400-499")], &good, false);
        check(&[("status", "429"), ("code", "rate-limited")], &refused, true);
        check(&[("code", "ip_denied")], &refused, false);
        check(&[("path", "/shop/")], &good, true);
        check(&[("path", "/shopping")], &good, false);
        check(&[("since", "2m")], &good, true);
        check(&[("since", "30s")], &good, false);
        check(&[("since", "2026-03-01"), ("until", "2026-03-02T00:00")], &good, true);
        check(&[("until", "2026-03-01T12:00:00+02:00")], &good, false);
        check(&[("since", "today")], &good, true);
        check(&[("since", "yesterday"), ("until", "today")], &good, false);
    }

    #[test]
    fn what_observe_mode_would_have_refused_is_found_by_its_code() {
        let mut record = sample::good();
        record.would_refuse.push(*Refusal::new(Code::IpDenied, "ip"));
        check(&[("code", "ip_denied")], &record, true);
    }

    #[test]
    fn every_text_that_is_not_understood_is_named_at_once() {
        let find = find(&[
            ("key", "cg_live_x"),
            ("status", "6xx"),
            ("code", "nope"),
            ("path", "shop"),
            ("since", "soon"),
            ("limit", "0"),
        ]);
        let faults = find.filter(NOW_MS).unwrap_err();
        let fields: Vec<_> = faults.iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["key", "status", "code", "path", "since", "limit"]);
        let twisted = Find { since: Some("1m".into()), until: Some("2m".into()), ..Find::default() };
        assert_eq!(twisted.filter(NOW_MS).unwrap_err().first().unwrap().field, "until");
    }
}
