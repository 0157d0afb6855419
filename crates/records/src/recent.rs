//! Which calls are kept one by one, so that they can be found and explained.
//!
//! A gate may see more calls in a minute than anybody wants to keep. So many a second are kept whole; of the calls
//! beyond, a sample whose weights add up to all of them. Refusals have a rate of their own, for they are what people look
//! for, and beyond it are added up per code and address: a flood from one address is one row with a weight.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use callgate_model::{CallRecord, Code, bounds};
use callgate_store::StoredCall;

/// Kept at each step of the sample before the step doubles: 20 at 1 of 2, 20 at 1 of 4, … About 300 rows for a million
/// calls in a second.
const SAMPLES_PER_STEP: u32 = 20;
/// Codes with addresses that have a row of their own in a second; the others share one per code.
const FLOODS_MAX: usize = 256;
const SECOND_NS: u64 = 1_000_000_000;

/// Recent calls on their way to the database.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    waiting: Vec<StoredCall>,
    second: u64,
    calls_this_second: u32,
    sample: Sample,
    refusals_this_second: u32,
    floods: HashMap<(Code, Option<IpAddr>), StoredCall>,
    /// Calls that found [`bounds::STORED_CALLS_WAITING_MAX`] waiting.
    pub(crate) not_stored: u64,
}

/// A sample whose weights add up: a kept call stands for itself and for those left out since the one before it.
#[derive(Debug)]
struct Sample {
    /// One of so many is kept.
    step: u32,
    kept_at_step: u32,
    left_out: u32,
    /// xorshift64: a fixed stride would always meet the same route of a client that calls in turns.
    random: u64,
}

// === impl Recent ===

impl Recent {
    /// Decides about one call.
    pub(crate) fn add(&mut self, record: Box<CallRecord>, now_ns: u64) {
        self.roll(now_ns);
        // What observe mode would have refused is looked for like a refusal.
        match record.refusal.as_deref().or(record.would_refuse.first()).map(|refusal| refusal.code) {
            Some(code) => self.add_refusal(record, code),
            None => self.add_call(record),
        }
    }

    fn add_call(&mut self, record: Box<CallRecord>) {
        self.calls_this_second += 1;
        let weight = if self.calls_this_second <= bounds::RECENT_CALLS_PER_S_MAX {
            // Those left out at the end of the second before are carried by the first of this one.
            Some(std::mem::take(&mut self.sample.left_out) + 1)
        } else {
            self.sample.weight()
        };
        if let Some(weight) = weight {
            self.push(StoredCall { record, weight });
        }
    }

    fn add_refusal(&mut self, record: Box<CallRecord>, code: Code) {
        self.refusals_this_second += 1;
        if self.refusals_this_second <= bounds::RECENT_CALLS_PER_S_MAX {
            return self.push(StoredCall { record, weight: 1 });
        }
        let own = (code, Some(network(record.client)));
        let key = if self.floods.contains_key(&own) || self.floods.len() < FLOODS_MAX { own } else { (code, None) };
        match self.floods.get_mut(&key) {
            Some(flood) => {
                flood.weight = flood.weight.saturating_add(1);
                flood.record = record;
            }
            None => drop(self.floods.insert(key, StoredCall { record, weight: 1 })),
        }
    }

    /// Begins a new second, where it is one.
    pub(crate) fn roll(&mut self, now_ns: u64) {
        let second = now_ns / SECOND_NS;
        if second != self.second {
            self.second = second;
            self.calls_this_second = 0;
            self.refusals_this_second = 0;
            self.sample.restart();
            self.end_floods();
        }
    }

    /// Everything gathered, floods of this second included.
    pub(crate) fn take(&mut self) -> Vec<StoredCall> {
        self.end_floods();
        std::mem::take(&mut self.waiting)
    }

    /// Takes calls back that the database did not take.
    pub(crate) fn give_back(&mut self, calls: Vec<StoredCall>) {
        for call in calls {
            self.push(call);
        }
    }

    fn end_floods(&mut self) {
        for (_, flood) in std::mem::take(&mut self.floods) {
            self.push(flood);
        }
    }

    fn push(&mut self, call: StoredCall) {
        if self.waiting.len() < bounds::STORED_CALLS_WAITING_MAX {
            self.waiting.push(call);
        } else {
            self.not_stored += u64::from(call.weight);
        }
    }
}

/// One address, or for IPv6 the /64 that a single customer has.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !(u128::from(u64::MAX)))),
    }
}

// === impl Sample ===

impl Default for Sample {
    fn default() -> Sample {
        Sample { step: 2, kept_at_step: 0, left_out: 0, random: 0x2545_f491_4f6c_dd1d }
    }
}

impl Sample {
    /// The weight of the next call when it is kept.
    fn weight(&mut self) -> Option<u32> {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if !self.random.is_multiple_of(u64::from(self.step)) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.kept_at_step += 1;
        if self.kept_at_step >= SAMPLES_PER_STEP {
            self.kept_at_step = 0;
            self.step = self.step.saturating_mul(2);
        }
        Some(std::mem::take(&mut self.left_out).saturating_add(1))
    }

    /// The next second begins with small steps again; what was left out is not forgotten.
    fn restart(&mut self) {
        self.step = 2;
        self.kept_at_step = 0;
    }
}

#[cfg(test)]
mod tests {
    use callgate_model::Refusal;

    use super::*;
    use crate::sample;

    fn weights(calls: &[StoredCall]) -> u64 {
        calls.iter().map(|call| u64::from(call.weight)).sum()
    }

    #[test]
    fn a_quiet_second_is_kept_whole_and_a_loud_one_by_a_sample_that_adds_up() {
        let mut recent = Recent::default();
        for _ in 0..bounds::RECENT_CALLS_PER_S_MAX {
            recent.add(sample::good(), 0);
        }
        let quiet = recent.take();
        assert_eq!(quiet.len(), bounds::RECENT_CALLS_PER_S_MAX as usize);
        assert!(quiet.iter().all(|call| call.weight == 1));

        for _ in 0..50_000 {
            recent.add(sample::good(), SECOND_NS);
        }
        // The first call of the next second carries what is still left out.
        recent.add(sample::good(), 2 * SECOND_NS);
        let loud = recent.take();
        assert!((250..600).contains(&loud.len()), "{}", loud.len());
        assert_eq!(weights(&loud), 50_001);
        assert_eq!(recent.not_stored, 0);
    }

    #[test]
    fn a_flood_of_refusals_becomes_one_row_for_each_code_and_address() {
        let mut recent = Recent::default();
        for call in 0..10_000_u32 {
            let mut record = sample::refused(Refusal::new(Code::CredentialUnknown, "key"));
            record.client = IpAddr::from([192, 0, 2, (call % 2) as u8]);
            recent.add(record, 0);
        }
        // Good calls of the same second keep their own rate.
        recent.add(sample::good(), 0);
        let kept = recent.take();
        assert_eq!(kept.len(), bounds::RECENT_CALLS_PER_S_MAX as usize + 1 + 2);
        assert_eq!(weights(&kept), 10_001);
    }

    #[test]
    fn a_flood_from_everywhere_is_bounded_too() {
        let mut recent = Recent::default();
        for call in 0..100_000_u32 {
            let mut record = sample::refused(Refusal::new(Code::IpDenied, "ip"));
            record.client = IpAddr::from(Ipv6Addr::from_bits(u128::from(call) << 64));
            recent.add(record, 0);
        }
        let kept = recent.take();
        assert_eq!(kept.len(), bounds::RECENT_CALLS_PER_S_MAX as usize + FLOODS_MAX + 1);
        assert_eq!(weights(&kept), 100_000);
    }

    #[test]
    fn a_database_that_takes_nothing_costs_a_bounded_number_of_calls_and_says_how_many_are_missing() {
        let mut recent = Recent::default();
        for second in 0..100 {
            for _ in 0..bounds::RECENT_CALLS_PER_S_MAX {
                recent.add(sample::good(), second * SECOND_NS);
            }
        }
        assert_eq!(recent.take().len(), bounds::STORED_CALLS_WAITING_MAX);
        assert_eq!(recent.not_stored, 20_000 - bounds::STORED_CALLS_WAITING_MAX as u64);
    }
}
