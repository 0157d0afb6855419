//! Slowing down who guesses passwords: per address, and per account.
//!
//! Nobody is ever locked out: tries come back one by one. An account's own pace would let anybody who fails often keep its
//! owner waiting, so an address from which somebody signed in to it before has a pace of its own for it.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use callgate_model::bounds;

/// So many tries at once,
const ADDRESS_BURST: i64 = 20;
/// and then one in this time: a whole office mistypes less.
const ADDRESS_EVERY_MS: i64 = 6_000;
/// So many tries at one account,
const ACCOUNT_BURST: i64 = 10;
/// and then one in this time, from all unknown addresses together: 2,880 guesses a day.
const ACCOUNT_EVERY_MS: i64 = 30_000;

/// Failed tries, by whom and at what.
pub(crate) struct Throttle {
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// The theoretical arrival time of GCRA, Unix milliseconds: while it lies ahead, there were failures.
    paces: HashMap<Pace, i64>,
    /// From where somebody signed in to which account, and when last.
    known: HashMap<(Account, Network), i64>,
}

/// The digest of a name: names have any length here, and need not exist.
type Account = [u8; 32];
/// An address; of version 6 the half that a provider gives to one customer.
type Network = [u8; 16];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pace {
    From(Network),
    At(Account),
    FromAt(Network, Account),
}

/// A try that was paid for; to be given back when the password was right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try {
    account: Account,
    network: Network,
    paces: [Pace; 2],
}

// === impl Throttle ===

impl Throttle {
    pub(crate) fn new() -> Throttle {
        Throttle { remembered: Mutex::default() }
    }

    /// Pays for a try before its password is looked at, so that many at once get no more than one after another.
    ///
    /// # Errors
    /// How long to wait, in milliseconds; nothing was paid then.
    pub(crate) fn begin(&self, name: &str, address: IpAddr, now_ms: i64) -> Result<Try, i64> {
        let (account, network) = (account(name), network(address));
        let mut remembered = self.remembered();
        let at = match remembered.known.contains_key(&(account, network)) {
            true => Pace::FromAt(network, account),
            false => Pace::At(account),
        };
        let paces = [Pace::From(network), at];
        let waits = paces.map(|pace| remembered.wait_ms(pace, now_ms));
        if let Some(wait_ms) = waits.into_iter().max().filter(|wait_ms| *wait_ms > 0) {
            return Err(wait_ms);
        }
        for pace in paces {
            remembered.charge(pace, now_ms);
        }
        Ok(Try { account, network, paces })
    }

    /// The password was right.
    pub(crate) fn succeeded(&self, tried: Try, now_ms: i64) {
        let mut remembered = self.remembered();
        for pace in tried.paces {
            remembered.give_back(pace, now_ms);
        }
        make_room(&mut remembered.known, now_ms);
        remembered.known.insert((tried.account, tried.network), now_ms);
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Throttle({} paces)", self.remembered().paces.len())
    }
}

// === impl Remembered ===

impl Remembered {
    fn wait_ms(&self, pace: Pace, now_ms: i64) -> i64 {
        let (burst, every_ms) = pace.rule();
        let due_ms = self.paces.get(&pace).copied().unwrap_or(now_ms).max(now_ms);
        due_ms - now_ms - (burst - 1) * every_ms
    }

    fn charge(&mut self, pace: Pace, now_ms: i64) {
        make_room(&mut self.paces, now_ms);
        let due_ms = self.paces.entry(pace).or_insert(now_ms);
        *due_ms = (*due_ms).max(now_ms) + pace.rule().1;
    }

    fn give_back(&mut self, pace: Pace, now_ms: i64) {
        if let Some(due_ms) = self.paces.get_mut(&pace) {
            *due_ms -= pace.rule().1;
            if *due_ms <= now_ms {
                self.paces.remove(&pace);
            }
        }
    }
}

/// Where there is no room, whatever is over goes, and if that is not enough the half that is over first: so making room costs
/// little, however many come.
fn make_room<K: Copy + Eq + std::hash::Hash>(of: &mut HashMap<K, i64>, now_ms: i64) {
    if of.len() < bounds::SIGN_INS_REMEMBERED_MAX {
        return;
    }
    of.retain(|_, at_ms| *at_ms > now_ms);
    if of.len() >= bounds::SIGN_INS_REMEMBERED_MAX {
        let mut ends: Vec<i64> = of.values().copied().collect();
        let half = ends.len() / 2;
        let (_, median, _) = ends.select_nth_unstable(half);
        let median = *median;
        of.retain(|_, at_ms| *at_ms > median);
    }
}

// === impl Pace ===

impl Pace {
    /// Tries at once, and the time for one more.
    fn rule(self) -> (i64, i64) {
        match self {
            Pace::From(_) => (ADDRESS_BURST, ADDRESS_EVERY_MS),
            Pace::At(_) | Pace::FromAt(..) => (ACCOUNT_BURST, ACCOUNT_EVERY_MS),
        }
    }
}

fn account(name: &str) -> Account {
    digest(&SHA256, name.as_bytes()).as_ref().try_into().unwrap_or_default()
}

fn network(address: IpAddr) -> Network {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => (u128::from_be_bytes(address.octets()) >> 64 << 64).to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many tries pass at once.
    fn passing(throttle: &Throttle, at_ms: i64, mut who: impl FnMut(usize) -> (String, IpAddr)) -> usize {
        (0..1_000)
            .take_while(|nth| {
                let (name, address) = who(*nth);
                throttle.begin(&name, address, at_ms).is_ok()
            })
            .count()
    }

    #[test]
    fn an_address_and_an_account_have_a_pace() {
        let throttle = Throttle::new();
        let one_address = |nth: usize| (format!("user{nth}"), ip("192.0.2.1"));
        assert_eq!(passing(&throttle, NOW_MS, one_address), 20);
        assert_eq!(throttle.begin("another", ip("192.0.2.1"), NOW_MS).unwrap_err(), 6_000);
        assert_eq!(
            passing(&throttle, NOW_MS + 6_000, |_| ("another".to_owned(), ip("192.0.2.1"))),
            1,
            "never for ever"
        );

        let throttle = Throttle::new();
        let many_addresses = |nth: usize| ("alice".to_owned(), ip(&format!("2001:db8:0:{nth:x}::1")));
        assert_eq!(passing(&throttle, NOW_MS, many_addresses), 10);
        assert!(throttle.begin("bob", ip("2001:db8:0:ffff::1"), NOW_MS).is_ok());
        let one_network = |nth: usize| (format!("user{nth}"), ip(&format!("2001:db8:1:1::{nth:x}")));
        assert_eq!(passing(&throttle, NOW_MS, one_network), 20);
    }

    #[test]
    fn whoever_signed_in_here_before_is_not_kept_waiting_by_others() {
        let throttle = Throttle::new();
        let home = ip("192.0.2.7");
        for _ in 0..100 {
            let tried = throttle.begin("alice", home, NOW_MS).unwrap();
            throttle.succeeded(tried, NOW_MS);
        }
        let many_addresses = |nth: usize| ("alice".to_owned(), ip(&format!("198.51.100.{nth}")));
        assert_eq!(passing(&throttle, NOW_MS, many_addresses), 10);
        assert!(throttle.begin("alice", ip("203.0.113.1"), NOW_MS).is_err());
        assert_eq!(passing(&throttle, NOW_MS, |_| ("alice".to_owned(), home)), 10, "with a pace of its own");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let throttle = Throttle::new();
        let often = ("alice", ip("203.0.113.1"));
        assert_eq!(passing(&throttle, NOW_MS, |_| (often.0.to_owned(), often.1)), 10);
        for nth in 0..bounds::SIGN_INS_REMEMBERED_MAX {
            let address = IpAddr::V4(u32::try_from(nth).unwrap().into());
            throttle.begin(&format!("user{nth}"), address, NOW_MS).unwrap();
            assert!(throttle.remembered().paces.len() <= bounds::SIGN_INS_REMEMBERED_MAX);
        }
        assert!(throttle.begin(often.0, often.1, NOW_MS).is_err(), "whoever failed most is remembered longest");
    }
}
