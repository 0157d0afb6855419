//! Counters as tables.

use callgate_admin::views::{Lost, Stats, StatsRow};
use callgate_records::printable;

use crate::moment::Moments;
use crate::terminal;

/// So many fit on a small terminal below each other.
const LIVE_ROUTES: usize = 10;
const LIVE_CONSUMERS: usize = 5;

/// Everything, once.
pub(super) fn whole(stats: &Stats) -> String {
    render(stats, None, usize::MAX, usize::MAX)
}

/// The busiest, with how fast they are since the look before.
pub(super) fn live(stats: &Stats, before: Option<&Stats>) -> String {
    let text = render(stats, before, LIVE_ROUTES, LIVE_CONSUMERS);
    format!("{text}\n\nCtrl-C ends it")
}

fn render(stats: &Stats, before: Option<&Stats>, routes: usize, consumers: usize) -> String {
    let since = Moments::now().tell(stats.since_ms);
    let mut parts =
        vec![format!("since {since}: {}", summary(&stats.total, before.and_then(|before| rate(stats, before))))];
    parts.extend(stats.lost.and_then(missing));
    if stats.total.calls == 0 {
        return parts.join("\n");
    }
    let mut table =
        terminal::table(["api", "route", "calls", "good", "denied", "limited", "faulty", "failed", "in", "out"]);
    for row in stats.routes.iter().take(routes) {
        let mut cells = vec![or_dash(row.api.as_deref()), or_dash(row.route.as_deref())];
        cells.extend(counters(row));
        table.add_row(cells);
    }
    parts.push(table.trim_fmt());
    if !stats.consumers.is_empty() {
        let mut table =
            terminal::table(["consumer", "calls", "good", "denied", "limited", "faulty", "failed", "in", "out"]);
        for row in stats.consumers.iter().take(consumers) {
            let mut cells = vec![or_dash(row.consumer.as_deref())];
            cells.extend(counters(row));
            table.add_row(cells);
        }
        parts.push(table.trim_fmt());
    }
    if stats.truncated {
        parts.push("there is more than could be added up: ask for a shorter time with --since".to_owned());
    }
    parts.join("\n\n")
}

/// What the gate could not keep; none when it kept everything.
fn missing(lost: Lost) -> Option<String> {
    let Lost { records, log_lines, recent_calls, usage, messages } = lost;
    let counts = [
        (records, "records of calls"),
        (log_lines, "lines of the access log"),
        (recent_calls, "recent calls"),
        (usage, "calls of the usage"),
        (messages, "messages on standard error"),
    ];
    let told: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    (!told.is_empty()).then(|| format!("lost since the gate started, though the calls passed: {}", told.join(", ")))
}

/// good: 2xx and 3xx; denied: 401 and 403; limited: 429; faulty: other 4xx; failed: 5xx.
fn summary(total: &StatsRow, rate: Option<String>) -> String {
    let StatsRow { calls, good, denied, limited, faulty, failed, .. } = total;
    if *calls == 0 {
        return "no calls yet".to_owned();
    }
    let rate = rate.map_or_else(String::new, |rate| format!(", {rate}/s"));
    format!(
        "{calls} calls{rate}: {good} good, {denied} denied (401, 403), {limited} limited (429), {faulty} faulty (other 4xx), {failed} failed (5xx)"
    )
}

/// Calls per second between two looks; none when an hour began in between, or both are of one moment.
fn rate(now: &Stats, before: &Stats) -> Option<String> {
    let calls = now.total.calls.checked_sub(before.total.calls)?;
    let ms = u64::try_from(now.at_ms - before.at_ms).ok().filter(|ms| *ms > 0 && now.since_ms == before.since_ms)?;
    Some((calls.saturating_mul(1000).saturating_add(ms / 2) / ms).to_string())
}

fn counters(row: &StatsRow) -> [String; 8] {
    let StatsRow { calls, good, denied, limited, faulty, failed, .. } = row;
    let [calls, good, denied, limited, faulty, failed] =
        [calls, good, denied, limited, faulty, failed].map(u64::to_string);
    [
        calls,
        good,
        denied,
        limited,
        faulty,
        failed,
        terminal::bytes(row.request_bytes),
        terminal::bytes(row.response_bytes),
    ]
}

fn or_dash(name: Option<&str>) -> String {
    name.map_or_else(|| "-".to_owned(), |name| printable(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(at_ms: i64, calls: u64) -> Stats {
        let total = StatsRow { calls, good: calls, ..StatsRow::default() };
        Stats { at_ms, since_ms: 0, total, routes: vec![], consumers: vec![], truncated: false, lost: None }
    }

    #[test]
    fn the_rate_is_what_was_added_since_the_look_before() {
        let check =
            |now: &Stats, before: &Stats, expect: Option<&str>| assert_eq!(rate(now, before).as_deref(), expect);
        check(&stats(2_000, 150), &stats(1_000, 100), Some("50"));
        check(&stats(2_000, 100), &stats(1_000, 100), Some("0"));
        check(&stats(1_000, 100), &stats(1_000, 100), None);
        check(&stats(2_000, 50), &stats(1_000, 100), None);
        check(&Stats { since_ms: 3_600_000, ..stats(2_000, 150) }, &stats(1_000, 100), None);
    }

    #[test]
    fn what_was_lost_is_said_and_nothing_else() {
        assert_eq!(missing(Lost::default()), None);
        let lost = Lost { log_lines: 12, messages: 3, ..Lost::default() };
        let told = "lost since the gate started, though the calls passed: 12 lines of the access log, 3 messages on standard error";
        assert_eq!(missing(lost).as_deref(), Some(told));
        let shown = whole(&Stats { lost: Some(lost), ..stats(0, 0) });
        assert!(shown.ends_with(told) && shown.contains("no calls yet"), "{shown}");
    }
}
