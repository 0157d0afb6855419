//! Which of an upstream's servers gets a call: the less busy of two that are drawn by their weights.
//!
//! Two draws and one comparison spread calls nearly as evenly as a look at every server would, without a look at every
//! server, and without the herd that runs after the one that was least busy a moment ago (Mitzenmacher, 2001).

use std::sync::Arc;

use http::HeaderValue;

use super::server::Server;
use super::standing::{Place, Standing};

/// The servers of one upstream.
#[derive(Debug)]
pub struct Servers {
    members: Box<[Member]>,
    /// The sum of all weights.
    weight: u64,
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

// === impl Servers ===

impl Servers {
    /// These servers. Without any, no call ever gets one.
    #[must_use]
    pub fn new(members: Vec<Member>) -> Servers {
        let weight = members.iter().map(|member| u64::from(member.weight)).sum();
        Servers { members: members.into(), weight }
    }

    /// All of them, in the order of the configuration.
    pub fn iter(&self) -> std::slice::Iter<'_, Member> {
        self.members.iter()
    }

    /// The server for a call, with a place at it. `random` are two draws: 32 bits each.
    #[must_use]
    pub fn choose(&self, random: u64) -> Option<(&Member, Place)> {
        let member = match &*self.members {
            [] => return None,
            [only] => only,
            _ => self.less_busy(random)?,
        };
        Some((member, member.standing.enter()))
    }

    fn less_busy(&self, random: u64) -> Option<&Member> {
        let (one, other) = (random >> 32, random & u64::from(u32::MAX));
        let first = self.drawn(one, None)?;
        let second = self.drawn(other, Some(first))?;
        Some(if first.is_much_busier_than(second) { second } else { first })
    }

    /// The server at this draw out of 2³², by weight; `but` is left out.
    fn drawn(&self, draw: u64, but: Option<&Member>) -> Option<&Member> {
        let left_out = |member: &Member| but.is_some_and(|but| std::ptr::eq(but, member));
        let whole = self.weight - but.map_or(0, |but| u64::from(but.weight));
        // Below 64 servers of weight 1,000, this fits in 64 bits.
        let mut at = (whole * draw) >> 32;
        self.members.iter().filter(|member| !left_out(member)).find(|member| {
            let weight = u64::from(member.weight);
            let here = at < weight;
            at = at.saturating_sub(weight);
            here
        })
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
    /// Whether a call that was drawn for it does better to go to the other: it would still be the less busy one with that
    /// call, for its weight. A server with one call, or none, keeps what it draws: a canary with a small weight is behind
    /// the others by less than a whole call, and would otherwise never get its share.
    fn is_much_busier_than(&self, other: &Member) -> bool {
        let (busy, others) = (u64::from(self.standing.in_flight()), u64::from(other.standing.in_flight()));
        busy > 1 && busy * u64::from(other.weight) > (others + 1) * u64::from(self.weight)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;

    fn servers(weights: &[u32]) -> Servers {
        let member = |(at, weight): (usize, &u32)| Member {
            server: Server::new("127.0.0.1", 9000 + u16::try_from(at).unwrap(), None, Duration::from_secs(4)),
            name: format!("{at}").into(),
            host: HeaderValue::from_static("h"),
            weight: *weight,
            standing: Arc::default(),
        };
        Servers::new(weights.iter().enumerate().map(member).collect())
    }

    /// The same draws in every run (SplitMix64).
    fn draws() -> impl Iterator<Item = u64> {
        (1_u64..).map(|step| {
            let mut mixed = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        })
    }

    /// How many of 20,000 calls each server gets, while this many are under way at a time and each takes as long.
    fn shares(servers: &Servers, at_once: usize) -> Vec<usize> {
        let mut counts = vec![0; servers.iter().count()];
        let mut running = VecDeque::new();
        for random in draws().take(20_000) {
            let (member, place) = servers.choose(random).unwrap();
            counts[member.name.parse::<usize>().unwrap()] += 1;
            running.push_back(place);
            if running.len() >= at_once {
                running.pop_front();
            }
        }
        counts
    }

    #[test]
    fn shares_follow_the_weights() {
        for at_once in [1, 4, 16, 256] {
            let counts = shares(&servers(&[1, 1, 1]), at_once);
            assert!(counts.iter().all(|count| (6_000..7_400).contains(count)), "{at_once}: {counts:?}");
            let counts = shares(&servers(&[95, 5]), at_once);
            assert!((700..1_300).contains(&counts[1]), "5 %, {at_once} at once: {counts:?}");
            let counts = shares(&servers(&[1, 2]), at_once);
            assert!((12_300..14_400).contains(&counts[1]), "two thirds, {at_once} at once: {counts:?}");
        }
    }

    #[test]
    fn a_server_that_answers_nobody_is_left_alone() {
        let servers = servers(&[1, 1, 1]);
        let mut held = Vec::new();
        let mut counts = [0; 3];
        for random in draws().take(1_000) {
            let (member, place) = servers.choose(random).unwrap();
            let number = member.name.parse::<usize>().unwrap();
            counts[number] += 1;
            if number == 0 {
                held.push(place);
            }
        }
        assert!(counts[0] <= 3, "{counts:?}");
        assert!(counts[1] > 300 && counts[2] > 300, "{counts:?}");
    }

    #[test]
    fn places_are_given_back() {
        let servers = servers(&[1]);
        let (member, place) = servers.choose(7).unwrap();
        assert_eq!(member.standing.in_flight(), 1);
        drop(place);
        assert_eq!(member.standing.in_flight(), 0);
        assert!(Servers::new(Vec::new()).choose(7).is_none());
    }
}
