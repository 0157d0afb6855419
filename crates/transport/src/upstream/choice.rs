//! Which of an upstream's servers gets a call: the less busy of two that are drawn by their weights.
//!
//! Two draws and one comparison spread calls nearly as evenly as a look at every server would, without a look at every
//! server, and without the herd that runs after the one that was least busy a moment ago (Mitzenmacher, 2001).

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::budget::Budget;
use super::server::Server;
use super::standing::{Fault, Fitness, Place, Standing};

/// The servers of one upstream.
#[derive(Debug)]
pub struct Servers {
    /// At most 64.
    members: Box<[Member]>,
    /// What pays for repeats; shared by all workers.
    budget: Arc<Budget>,
}

/// One of them.
#[derive(Debug)]
pub struct Member {
    /// Where it is.
    pub server: Server,
    /// The same as `host:port`, for records.
    pub name: Arc<str>,
    /// `host` or `host:port`, as it is asked for it.
    pub host: HeaderValue,
    /// Its share of the calls beside the others', at least 1.
    pub weight: u32,
    /// How it stands; shared by all workers.
    pub standing: Arc<Standing>,
}

/// A set of servers by their places in the configuration: those that a call has tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried(u64);

// === impl Servers ===

impl Servers {
    /// These servers. Without any, no call ever gets one.
    #[must_use]
    pub fn new(members: Vec<Member>, budget: Arc<Budget>) -> Servers {
        Servers { members: members.into(), budget }
    }

    /// All of them, in the order of the configuration.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.members.iter()
    }

    /// What pays for repeats.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The server for a call, with a place at it: fit, and none that the call has tried. `random` are two draws of 32 bits.
    /// A server that was left out is rather tried by a call that could be repeated elsewhere.
    #[must_use]
    pub fn choose(&self, random: u64, now_ns: u64, tried: Tried, repeatable: bool) -> Option<(&Member, Place)> {
        if let [only] = &*self.members {
            let place = match tried.0 {
                0 => only.standing.enter_or_try_out(now_ns),
                _ => None,
            };
            return Some((only, place?));
        }
        let all = Tried(tried.0 | !self.everybody());
        let (first, second) = self.drawn_two(random, all)?;
        if first.is_fit(now_ns) && second.is_fit(now_ns) {
            let chosen = first.rather_than(second);
            if let Some(place) = chosen.standing.enter(now_ns) {
                return Some((chosen, place));
            }
        }
        self.choose_with_care(random, now_ns, all, repeatable)
    }

    /// The same when a server that was drawn is not fit: all are looked at.
    fn choose_with_care(&self, random: u64, now_ns: u64, out: Tried, repeatable: bool) -> Option<(&Member, Place)> {
        let (mut unfit, mut due) = (out, None);
        for (at, member) in self.members.iter().enumerate().filter(|(at, _)| !out.has(*at)) {
            match member.standing.fitness(now_ns) {
                Fitness::Fit => continue,
                Fitness::Due => due = due.or(Some(member)),
                Fitness::Unfit => {}
            }
            unfit.add(at);
        }
        let choosy = !repeatable && unfit.0 != u64::MAX;
        if let Some(member) = due
            && let Some(place) = member.standing.try_out(now_ns, choosy)
        {
            return Some((member, place));
        }
        // One that had room a moment ago may have none now; then the others are asked.
        while let Some((first, second)) = self.drawn_two(random, unfit) {
            let chosen = first.rather_than(second);
            if let Some(place) = chosen.standing.enter(now_ns) {
                return Some((chosen, place));
            }
            unfit = self.with(unfit, chosen);
        }
        None
    }

    /// A call failed at the server where it has this place. Says for how long that is left out, if it is by this.
    pub fn failed(&self, place: &mut Place, fault: Fault, now_ns: u64) -> Option<Duration> {
        let others =
            self.members.iter().filter(|member| !place.is_at(&member.standing) && member.is_fit(now_ns)).count();
        place.failed(fault, now_ns, others > 0, others > 0 && others * 2 >= self.members.len())
    }

    /// Nanoseconds until one that is left out may be tried again.
    #[must_use]
    pub fn out_for_ns(&self, now_ns: u64) -> u64 {
        self.members.iter().map(|member| member.standing.out_for_ns(now_ns)).min().unwrap_or(0)
    }

    /// These servers, and this one.
    #[must_use]
    pub fn with(&self, mut tried: Tried, member: &Member) -> Tried {
        if let Some(at) = self.members.iter().position(|one| std::ptr::eq(one, member)) {
            tried.add(at);
        }
        tried
    }

    /// One bit a server.
    fn everybody(&self) -> u64 {
        u32::try_from(self.members.len()).ok().and_then(|count| 1_u64.checked_shl(count)).unwrap_or(0).wrapping_sub(1)
    }

    /// Two different ones, drawn by weight, of those that are not left out here; the same one twice if it is alone.
    fn drawn_two(&self, random: u64, out: Tried) -> Option<(&Member, &Member)> {
        let (at, first) = self.drawn(random >> 32, out)?;
        let mut rest = out;
        rest.add(at);
        let second = self.drawn(random & u64::from(u32::MAX), rest).map_or(first, |(_, second)| second);
        Some((first, second))
    }

    /// The server at this draw out of 2³², by weight.
    fn drawn(&self, draw: u64, out: Tried) -> Option<(usize, &Member)> {
        let left = || self.members.iter().enumerate().filter(|(at, _)| !out.has(*at));
        let whole: u64 = left().map(|(_, member)| u64::from(member.weight)).sum();
        // 64 weights of at most 1,000, times 32 bits, fit.
        let mut at = (whole * draw) >> 32;
        left().find(|(_, member)| {
            let weight = u64::from(member.weight);
            let here = at < weight;
            at = at.saturating_sub(weight);
            here
        })
    }
}

// === impl Tried ===

impl Tried {
    fn has(self, at: usize) -> bool {
        self.0 >> at & 1 == 1
    }

    fn add(&mut self, at: usize) {
        self.0 |= 1 << at;
    }
}

impl<'a> IntoIterator for &'a Servers {
    type Item = &'a Member;
    type IntoIter = std::slice::Iter<'a, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

// === impl Member ===

impl Member {
    fn is_fit(&self, now_ns: u64) -> bool {
        self.standing.fitness(now_ns) == Fitness::Fit
    }

    /// This one, unless a call that was drawn for it does better to go to the other: which would, even with that call, be
    /// the less busy one for its weight. A server with one call, or none, keeps what it draws: a canary with a small weight
    /// is behind the others by less than a whole call, and would otherwise never get its share.
    fn rather_than<'a>(&'a self, other: &'a Member) -> &'a Member {
        // Where calls wait for a connection, another would wait longer.
        if self.server.is_full() != other.server.is_full() {
            return if self.server.is_full() { other } else { self };
        }
        let (busy, others) = (u64::from(self.standing.in_flight()), u64::from(other.standing.in_flight()));
        let much_busier = busy > 1 && busy * u64::from(other.weight) > (others + 1) * u64::from(self.weight);
        if much_busier { other } else { self }
    }
}

#[cfg(test)]
mod tests;
