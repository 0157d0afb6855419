//! Which addresses belong to the internet at large, and which to this machine, its networks and its cloud.
//!
//! Where the gate fetches something from an address that a document of somebody else names, only the former are followed:
//! behind the latter stand databases, consoles and metadata services that trust whoever can reach them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public, as the end of a sentence; nothing if it is. By the registries of RFC 6890.
#[must_use]
pub fn not_public(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => not_public_v4(ip),
        IpAddr::V6(ip) => not_public_v6(ip),
    }
}

fn not_public_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [127, ..] => Some("loopback"),
        [169, 254, ..] => Some("link-local"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("private"),
        // Shared between carriers and their customers (RFC 6598); clouds have services there too.
        [100, 64..=127, ..] => Some("shared"),
        [0, ..] => Some("of this network"),
        [192, 0, 0 | 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            Some("reserved")
        }
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn not_public_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = ip.to_ipv4_mapped() {
        return not_public_v4(inner);
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some("private"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        // Addresses of IPv4 in another form: a translator would go there (RFC 6052), or a relay (RFC 3056).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => not_public_v4(embedded(high, low)),
        [0x2002, high, low, ..] => not_public_v4(embedded(high, low)).or(Some("reserved")),
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("reserved"),
        // Nothing else has been given out (RFC 4291 section 2.4).
        [0x2000..=0x3fff, ..] => None,
        _ => Some("reserved"),
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public() {
        let check = |ip: &str, expect: Option<&str>| assert_eq!(not_public(ip.parse().unwrap()), expect, "{ip}");
        for ip in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "64:ff9b::8.8.8.8",
        ] {
            check(ip, None);
        }
        for ip in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
            check(ip, Some("loopback"));
        }
        for ip in
            ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1"]
        {
            check(ip, Some("link-local"));
        }
        for ip in ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00:ec2::254", "fec0::1"] {
            check(ip, Some("private"));
        }
        check("100.100.100.200", Some("shared"));
        check("0.0.0.0", Some("of this network"));
        check("::", Some("unspecified"));
        check("224.0.0.1", Some("multicast"));
        check("ff02::1", Some("multicast"));
        for ip in [
            "255.255.255.255",
            "192.0.0.192",
            "198.18.0.1",
            "2001:db8::1",
            "2001::1",
            "2002:808:808::1",
            "4000::1",
            "::7f00:1",
        ] {
            check(ip, Some("reserved"));
        }
    }
}
