//! How one server stands, as all workers see it: how many calls are at it, and whether it is left out.
//!
//! One of these belongs to a server of an upstream for as long as the configuration names it, over reloads, and is shared
//! by every worker. Whoever asks for a place on the way of a call waits for nobody: everything here is an atomic number.
//!
//! A server that fails several calls in a row is left out for a moment. Then one call tries it. If that one is answered, the
//! server may have as many calls at a time as it has answered since, until it has answered enough of them: the calls that
//! piled up meanwhile don't all run to it at once. If not, it is left out for twice as long. Decision 0010 says why.
//!
//! Health checks leave it out too, and let it in again, whatever calls say of it (decision 0011).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use callgate_model::bounds;

/// Calls in a row that could not reach a server before it is left out although there is no other. Two may be chance: a
/// full queue of connections, a restart that is over.
const UNREACHABLE_IN_A_ROW: u32 = 3;
/// Calls in a row without an answer before a server is left out.
const NO_ANSWER_IN_A_ROW: u32 = 5;
/// How long others are kept from trying a server that one call tries already. A call that is given up says nothing, so
/// this is also how long its place stays taken.
const TRIAL_TIME: Duration = Duration::from_secs(1);
/// How long a trial is left to calls that could be repeated elsewhere, before any call may be one.
const TRIAL_FOR_REPEATABLE: Duration = Duration::from_secs(1);
/// Answers after which a server that came back may have any number of calls.
const WARM_AFTER: u32 = 128;
/// After this long it may in any case.
const WARM_WITHIN: Duration = Duration::from_secs(10);
/// In the place of a moment: until its health checks say otherwise.
const BY_CHECKS: u64 = u64::MAX;

/// A server's standing.
#[derive(Debug, Default)]
pub struct Standing {
    /// Calls that have a place, until the last byte of their answer.
    in_flight: AtomicU32,
    /// Failures since the last answer.
    failures: AtomicU32,
    /// Left out until this moment, monotonic nanoseconds, and after it until a call has tried it. 0: it is not.
    /// [`BY_CHECKS`]: no call may try it.
    out_until_ns: AtomicU64,
    /// How often it was left out since it last was warm: each time is twice as long.
    times_out: AtomicU32,
    /// Calls that it may have at a time while it comes back. 0: any number.
    room: AtomicU32,
    /// Answers that it must still give until it may have any number.
    cold: AtomicU32,
    /// When it may have any number in any case: a slow call must not hold the others off a server that is back.
    warm_at_ns: AtomicU64,
    /// When it last was left out or came back. 0: never.
    changed_ns: AtomicU64,
}

/// How a server stands, for whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It gets calls.
    Fit,
    /// It was left out, and gets few calls at a time.
    ComesBack,
    /// Failed calls leave it out: from this moment on, monotonic nanoseconds, a call may try it.
    LeftOut {
        /// The moment.
        until_ns: u64,
    },
    /// Its health checks leave it out.
    FailsChecks,
}

/// A call's place at a server, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    standing: Arc<Standing>,
    /// It is the one call that tries a server which was left out.
    trial: bool,
}

/// What a failed call says about its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection came about. No caller can bring that about, so it counts against the last server too.
    Unreachable,
    /// The connection was closed instead of an answer, or what came is none, or nothing came in time. One call that breaks
    /// the server's program does the same to whichever server it meets; so this never counts against too many of them.
    NoAnswer,
}

/// Whether a server may get a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitness {
    /// It may.
    Fit,
    /// It was left out for long enough: one call may try it.
    Due,
    /// It may not.
    Unfit,
}

// === impl Standing ===

impl Standing {
    /// Calls at the server now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn fitness(&self, now_ns: u64) -> Fitness {
        match self.out_until_ns.load(Ordering::Relaxed) {
            0 if self.has_room(now_ns) => Fitness::Fit,
            0 => Fitness::Unfit,
            until if until <= now_ns => Fitness::Due,
            _ => Fitness::Unfit,
        }
    }

    /// Whether it is left out, by calls or by health checks.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        self.out_until_ns.load(Ordering::Relaxed) != 0
    }

    /// How it stands now.
    #[must_use]
    pub fn stand(&self, now_ns: u64) -> Stand {
        match self.out_until_ns.load(Ordering::Relaxed) {
            0 if self.room.load(Ordering::Relaxed) == 0 || self.is_warm(now_ns) => Stand::Fit,
            0 => Stand::ComesBack,
            BY_CHECKS => Stand::FailsChecks,
            until_ns => Stand::LeftOut { until_ns },
        }
    }

    /// When it last was left out or came back, monotonic nanoseconds.
    #[must_use]
    pub fn changed_ns(&self) -> Option<u64> {
        Some(self.changed_ns.load(Ordering::Relaxed)).filter(|changed| *changed != 0)
    }

    /// Leaves it out until health checks let it in. Says whether that is new.
    pub fn leave_out_by_checks(&self, now_ns: u64) -> bool {
        let is_new = self.out_until_ns.swap(BY_CHECKS, Ordering::Relaxed) != BY_CHECKS;
        if is_new {
            self.changed_ns.store(now_ns, Ordering::Relaxed);
        }
        is_new
    }

    /// Health checks succeed: what they left out has calls again, few at first; and what calls left out, once its time is
    /// over, before a call must try it. Says whether it was left out.
    pub fn let_in_by_checks(&self, now_ns: u64) -> bool {
        match self.out_until_ns.load(Ordering::Relaxed) {
            0 => false,
            until => (until == BY_CHECKS || until <= now_ns) && self.take_back(now_ns, until),
        }
    }

    /// No checks are made any more: what they left out is judged by its calls alone.
    pub fn end_checks(&self, now_ns: u64) {
        if self.out_until_ns.load(Ordering::Relaxed) == BY_CHECKS {
            self.take_back(now_ns, BY_CHECKS);
        }
    }

    /// Nanoseconds until it may be tried again, if it is left out. Nobody knows what a check will say: that is the longest
    /// that calls leave a server out.
    pub(super) fn out_for_ns(&self, now_ns: u64) -> u64 {
        match self.out_until_ns.load(Ordering::Relaxed) {
            BY_CHECKS => ns(bounds::LEFT_OUT_TIME_MAX),
            until => until.saturating_sub(now_ns),
        }
    }

    fn has_room(&self, now_ns: u64) -> bool {
        let room = self.room.load(Ordering::Relaxed);
        room == 0 || self.in_flight() < room || self.is_warm(now_ns)
    }

    fn is_warm(&self, now_ns: u64) -> bool {
        self.warm_at_ns.load(Ordering::Relaxed) <= now_ns
    }

    /// Takes a place for a call, if there is one.
    pub(super) fn enter(self: &Arc<Self>, now_ns: u64) -> Option<Place> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Place { standing: Arc::clone(self), trial: false };
        let room = self.room.load(Ordering::Relaxed);
        (room == 0 || before < room || self.is_warm(now_ns)).then_some(place)
    }

    /// Takes a place where there is no other server: an ordinary one, or that of the call that tries it.
    pub(super) fn enter_or_try_out(self: &Arc<Self>, now_ns: u64) -> Option<Place> {
        match self.out_until_ns.load(Ordering::Relaxed) {
            0 => self.enter(now_ns),
            _ => self.try_out(now_ns, false),
        }
    }

    /// Takes the place of the one call that tries it. `choosy` leaves it to others for a while.
    pub(super) fn try_out(self: &Arc<Self>, now_ns: u64, choosy: bool) -> Option<Place> {
        let until = self.out_until_ns.load(Ordering::Relaxed);
        let from = if choosy { until.saturating_add(ns(TRIAL_FOR_REPEATABLE)) } else { until };
        if until == 0 || now_ns < from {
            return None;
        }
        let next = now_ns + ns(TRIAL_TIME);
        self.out_until_ns.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Place { standing: Arc::clone(self), trial: true })
    }

    /// Lets it have calls again, few at first, if it is still left out as it was. Says whether it is by this.
    fn take_back(&self, now_ns: u64, known: u64) -> bool {
        self.cold.store(WARM_AFTER, Ordering::Relaxed);
        self.warm_at_ns.store(now_ns + ns(WARM_WITHIN), Ordering::Relaxed);
        // Calls that it still has from before are no part of the herd.
        self.room.store(self.in_flight() + 1, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        let is_back = self.out_until_ns.compare_exchange(known, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_back {
            self.changed_ns.store(now_ns, Ordering::Relaxed);
        }
        is_back
    }

    /// Leaves it out from now on; says for how long, unless somebody else just did.
    fn leave_out(&self, now_ns: u64, known: u64) -> Option<Duration> {
        let times = self.times_out.load(Ordering::Relaxed);
        let out = (bounds::LEFT_OUT_TIME_MIN * (1 << times.min(8))).min(bounds::LEFT_OUT_TIME_MAX);
        // A little by chance, so that the servers of an outage are not all tried at the same moment for ever.
        let until = now_ns + ns(out) + (now_ns & 0xff_ffff);
        self.out_until_ns.compare_exchange(known, until, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.times_out.store(times.saturating_add(1), Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        // A trial that failed changes nothing.
        if known == 0 {
            self.changed_ns.store(now_ns, Ordering::Relaxed);
        }
        Some(out)
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

// === impl Place ===

impl Place {
    /// Whether it is a place at this server.
    pub(super) fn is_at(&self, standing: &Arc<Standing>) -> bool {
        Arc::ptr_eq(&self.standing, standing)
    }

    /// The head of an answer has come. Says whether the server is back by it.
    pub fn answered(&mut self, now_ns: u64) -> bool {
        if std::mem::take(&mut self.trial) {
            let until = self.standing.out_until_ns.load(Ordering::Relaxed);
            return until != BY_CHECKS && self.standing.take_back(now_ns, until);
        }
        let Standing { failures, times_out, room, cold, .. } = &*self.standing;
        if failures.load(Ordering::Relaxed) != 0 {
            failures.store(0, Ordering::Relaxed);
        }
        if room.load(Ordering::Relaxed) != 0 {
            match cold.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |cold| cold.checked_sub(1)) {
                Ok(2..) if !self.standing.is_warm(now_ns) => {
                    room.fetch_add(1, Ordering::Relaxed);
                }
                _ => {
                    room.store(0, Ordering::Relaxed);
                    times_out.store(0, Ordering::Relaxed);
                }
            }
        }
        false
    }

    /// The call failed. `others` may answer instead of this server; `may_go` says whether enough of them would be left
    /// without it. Says for how long the server is left out now, if it is by this.
    pub(super) fn failed(&mut self, fault: Fault, now_ns: u64, others: bool, may_go: bool) -> Option<Duration> {
        let standing = &*self.standing;
        let until = standing.out_until_ns.load(Ordering::Relaxed);
        if until == BY_CHECKS {
            return None;
        }
        if std::mem::take(&mut self.trial) {
            if fault == Fault::NoAnswer && !may_go {
                standing.take_back(now_ns, until);
                return None;
            }
            return standing.leave_out(now_ns, until);
        }
        // Calls that were sent before it was left out say nothing new.
        if until != 0 {
            return None;
        }
        let failures = standing.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let comes_back = standing.room.load(Ordering::Relaxed) != 0;
        let out = match fault {
            Fault::Unreachable => others || failures >= UNREACHABLE_IN_A_ROW,
            Fault::NoAnswer => may_go && (comes_back || failures >= NO_ANSWER_IN_A_ROW),
        };
        if out { standing.leave_out(now_ns, 0) } else { None }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.standing.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
