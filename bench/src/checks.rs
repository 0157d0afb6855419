//! The run checks itself: a fast proxy that let a wrong key through, or lost its log, has measured nothing.

use crate::load::{Load, Outcome};
use crate::peers::Side;
use crate::peers::callgate::Records;
use crate::roles::Counts;

/// What was seen of one load, from every side.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) upstream: Counts,
    /// Lines that the access log grew by.
    pub(crate) lines: Option<u64>,
    pub(crate) records: Option<Records>,
}

/// Something that must hold, over all loads of a side.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) side: &'static str,
    pub(crate) what: &'static str,
    /// How often it was looked at.
    pub(crate) times: u32,
    /// What was found where it did not hold.
    pub(crate) faults: Vec<String>,
}

/// Checks of one side, gathered.
#[derive(Debug, Default)]
pub(crate) struct Checks(pub(crate) Vec<Check>);

// === impl Checks ===

impl Checks {
    /// Notes whether it held once.
    pub(crate) fn note(&mut self, side: &'static str, what: &'static str, holds: bool, found: impl FnOnce() -> String) {
        let faults = if holds { Vec::new() } else { vec![found()] };
        match self.0.iter_mut().find(|check| check.side == side && check.what == what) {
            Some(check) => {
                check.times += 1;
                check.faults.extend(faults);
            }
            None => self.0.push(Check { side, what, times: 1, faults }),
        }
    }

    pub(crate) fn failed(&self) -> impl Iterator<Item = &Check> {
        self.0.iter().filter(|check| !check.faults.is_empty())
    }

    /// Looks at one load. A closed load is cut off with as many calls under way as it has connections; those were perhaps
    /// counted by the proxy or the upstream, and not by the load.
    pub(crate) fn look(&mut self, side: &Side, load: Load, seen: &Seen) {
        let Seen { outcome, upstream, lines, records } = seen;
        let name = side.name;
        let under_way = load.under_way();
        let mut range = |what, low: u64, value: u64, high: u64| {
            self.note(name, what, (low..=high).contains(&value), || format!("{value}, not {low} to {high}"));
        };
        range("no call broke", 0, outcome.broken, 0);
        if load.bad_every != 1 {
            range("the load got calls through", 1, outcome.calls.saturating_sub(outcome.refused), u64::MAX);
        }
        let passed = outcome.calls - outcome.refused;
        range("the upstream got every call that passed, and no other", passed, upstream.calls, passed + under_way);
        range("the upstream understood every call", 0, upstream.misunderstood, 0);
        if side.keys.is_some() {
            range("the upstream never saw a credential", 0, upstream.credentials, 0);
            let bad = outcome.sent_bad;
            // One more: wrk has its script make a call at its start, to look at it, which it does not send.
            let answered = bad.saturating_sub(under_way + 1);
            range("exactly the calls with a wrong key were refused", answered, outcome.refused, bad);
            if load.bad_every > 0 {
                range("there were wrong keys in the load", 1, bad, u64::MAX);
            }
        } else {
            range("no call was refused", 0, outcome.refused, 0);
        }
        if let Some(lines) = *lines {
            range("the log has a line for every call", outcome.calls, lines, outcome.calls + under_way);
        }
        if let Some(records) = records {
            range("there is a record of every call", outcome.calls, records.calls, outcome.calls + under_way);
            range("no record was dropped", 0, records.dropped, 0);
            range("no line was lost", 0, records.lines_lost, 0);
            if let Some(lines) = *lines {
                range("as many lines as records", records.calls, lines, records.calls);
            }
            let guessed = |code: &str| matches!(code, "credential_unknown" | "locked_out");
            let others: u64 = records.refusals.iter().filter(|(code, _)| !guessed(code)).map(|(_, count)| count).sum();
            range("nothing was refused but wrong keys", 0, others, 0);
            let sum = upstream.calls + records.refused();
            range("records are those of the upstream and the refused", sum, records.calls, sum + under_way);
        }
    }
}
