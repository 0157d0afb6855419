//! Addresses allowed and denied. Deny wins; an empty `allow` allows all.

use std::net::IpAddr;

use callgate_config::IpRules;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use ipnet::IpNet;

/// Compiled rules of one place in the configuration.
#[derive(Debug)]
pub struct IpPolicy {
    place: String,
    allow: Option<AddressSet>,
    deny: AddressSet,
}

/// Networks as merged, sorted ranges, so that a list of ten thousand costs fourteen comparisons.
#[derive(Debug, Default)]
pub struct AddressSet {
    ranges: Vec<(u128, u128)>,
}

// === impl IpPolicy ===

impl IpPolicy {
    /// Compiles the rules; none when they say nothing.
    #[must_use]
    pub fn compile(rules: &IpRules, place: &str) -> Option<IpPolicy> {
        if rules.allow.is_empty() && rules.deny.is_empty() {
            return None;
        }
        let allow = (!rules.allow.is_empty()).then(|| AddressSet::new(&rules.allow));
        Some(IpPolicy { place: format!("{place}.ip"), allow, deny: AddressSet::new(&rules.deny) })
    }

    /// Judges the client's address.
    ///
    /// # Errors
    /// `ip_denied`. The caller hears its own address and nothing of the list.
    pub fn check(&self, client: IpAddr) -> Result<(), Refused> {
        let (list, saw) = if self.deny.contains(client) {
            ("deny", "is in")
        } else if self.allow.as_ref().is_some_and(|allow| !allow.contains(client)) {
            ("allow", "is not in")
        } else {
            return Ok(());
        };
        Err(Refusal::new(Code::IpDenied, format!("Calls from {client} are not taken here (setting `ip`)."))
            .rule(format!("{}.{list}", self.place))
            .gate_side(format!("{client} {saw} {}.{list}", self.place)))
    }
}

// === impl AddressSet ===

impl AddressSet {
    /// Merges networks into ranges. IPv4 lives in its mapped place (`::ffff:0:0/96`), so one set serves both.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> AddressSet {
        let mut ranges: Vec<(u128, u128)> =
            networks.iter().map(|network| (number(network.network()), number(network.broadcast()))).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        AddressSet { ranges: merged }
    }

    /// Whether an address is in one of the networks.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = number(ip);
        let after = self.ranges.partition_point(|(first, _)| *first <= ip);
        after.checked_sub(1).and_then(|place| self.ranges.get(place)).is_some_and(|(_, last)| ip <= *last)
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> IpPolicy {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        IpPolicy::compile(&IpRules { allow: parse(allow), deny: parse(deny) }, "apis.a").unwrap()
    }

    fn check(policy: &IpPolicy, ip: &str, passes: bool) {
        assert_eq!(policy.check(ip.parse().unwrap()).is_ok(), passes, "{ip}");
    }

    #[test]
    fn deny_wins_and_an_empty_allow_allows_all() {
        let policy = rules(&["10.0.0.0/8", "2001:db8::/32"], &["10.6.6.6/32"]);
        check(&policy, "10.1.2.3", true);
        check(&policy, "10.6.6.6", false);
        check(&policy, "11.0.0.0", false);
        check(&policy, "::ffff:10.6.6.6", false);
        check(&policy, "2001:db8::5", true);
        check(&policy, "::1", false);
        check(&rules(&[], &["10.0.0.0/8"]), "192.0.2.1", true);
    }

    proptest! {
        #[test]
        fn ranges_hold_what_the_networks_hold(
            networks in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..20), probe in any::<u32>(),
        ) {
            let networks: Vec<IpNet> = networks.iter()
                .map(|(ip, length)| IpNet::new(IpAddr::V4((*ip).into()), *length).unwrap()).collect();
            let probe = IpAddr::V4(probe.into());
            let expect = networks.iter().any(|network| network.contains(&probe));
            prop_assert_eq!(AddressSet::new(&networks).contains(probe), expect);
        }
    }
}
