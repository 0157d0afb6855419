//! `host[:port]` of a Host field or of an authority (RFC 9110 section 7.2, RFC 3986 section 3.2.2).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::fault::{HeadFault, malformed};
use crate::octets::{self, UNRESERVED};

/// Bytes of a DNS name in text form.
const NAME_BYTES_MAX: usize = 255;

const EMPTY_LABEL: &str = "the host has an empty label";

/// A host as it was asked for. Compare names with [`Host::agrees`] or lower-case them first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host<'a> {
    /// The name or address, without the dot of an absolute DNS name; `[` and `]` belong to an IPv6 address.
    pub name: &'a str,
    /// The port, if it was written.
    pub port: Option<u16>,
}

// === impl Host ===

impl<'a> Host<'a> {
    /// Reads `host[:port]`: a name, an IPv4 address, or an IPv6 address in brackets.
    ///
    /// Narrower than RFC 3986 where only attackers are wider: no userinfo, no percent-encoding and no sub-delims (a `,`
    /// would make two hosts of one for whoever reads lists), no empty port, no IPv4 in other notations (`127.1`).
    ///
    /// # Errors
    /// [`HeadFault::Malformed`].
    pub fn parse(text: &'a str) -> Result<Host<'a>, HeadFault> {
        if let Some(rest) = text.strip_prefix('[') {
            let Some((address, after)) = rest.split_once(']') else {
                return malformed("the host has `[` without `]`");
            };
            if address.parse::<Ipv6Addr>().is_err() {
                return malformed("the host has `[...]` around something that is no IPv6 address");
            }
            let port = match after.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if after.is_empty() => None,
                None => return malformed("the host has something other than `:port` after `]`"),
            };
            let name = text.get(..address.len() + 2).unwrap_or(text);
            return Ok(Host { name, port });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(parse_port(port)?)),
            None => (text, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        check_name(name)?;
        Ok(Host { name, port })
    }

    /// Whether two hosts are the same, without regard to case and to a port that the scheme implies.
    #[must_use]
    pub fn agrees(&self, other: &Host<'_>, default_port: Option<u16>) -> bool {
        self.name.eq_ignore_ascii_case(other.name) && self.port.or(default_port) == other.port.or(default_port)
    }
}

fn check_name(name: &str) -> Result<(), HeadFault> {
    if name.is_empty() {
        return malformed("the host is empty");
    }
    if name.len() > NAME_BYTES_MAX {
        return malformed("the host is longer than a DNS name can be");
    }
    let (mut label_bytes, mut is_number) = (0_usize, true);
    for byte in name.bytes() {
        if byte == b'.' {
            if label_bytes == 0 {
                return malformed(EMPTY_LABEL);
            }
            (label_bytes, is_number) = (0, true);
        } else if octets::is(byte, UNRESERVED) {
            label_bytes += 1;
            is_number &= byte.is_ascii_digit();
        } else if byte == b'@' {
            return malformed("the host holds a user name or password (`@`)");
        } else {
            return malformed("the host holds characters that no host name has");
        }
    }
    if label_bytes == 0 {
        return malformed(EMPTY_LABEL);
    }
    // What ends in a number is an address (WHATWG URL, "ends in a number"), and an address has one spelling.
    if is_number && name.parse::<Ipv4Addr>().is_err() {
        return malformed("the host ends in a number but is no IPv4 address of four decimal parts");
    }
    Ok(())
}

fn parse_port(text: &str) -> Result<u16, HeadFault> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return malformed("the host's port is not one to five digits");
    }
    text.parse().or_else(|_| malformed("the host's port is over 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match Host::parse(text) {
            Ok(host) => format!("{} {:?}", host.name, host.port),
            Err(fault) => format!("fault: {fault}"),
        };
        assert!(got.starts_with(expect), "{text:?}: {got}");
    }

    #[test]
    fn hosts() {
        check("example.com", "example.com None");
        check("Example.COM.:8080", "Example.COM Some(8080)");
        check("under_score", "under_score None");
        check("127.0.0.1:1", "127.0.0.1 Some(1)");
        check("[::1]", "[::1] None");
        check("[2001:db8::1]:443", "[2001:db8::1] Some(443)");
        for hostile in [
            "",
            ":80",
            ".",
            "..",
            "a..b",
            ".a",
            "a:",
            "a:b",
            "a:+1",
            "a:65536",
            "a:000080",
            "a b",
            "a,b",
            "a/b",
            "a?b",
            "u@a",
            "u:p@a",
            "a%2eb",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:",
            "[::1%25eth0]",
            "[v1.a]",
            "[]",
            "127.1",
            "1",
            "256.0.0.1",
            "0177.0.0.1",
            "a\\b",
            "a\0",
            "b\u{fc}cher",
            "a:80:80",
        ] {
            check(hostile, "fault: ");
        }
        check(&"a".repeat(255), "aaa");
        check(&"a".repeat(256), "fault: the host is longer");
    }

    #[test]
    fn agreement() {
        let agrees = |left, right| Host::parse(left).unwrap().agrees(&Host::parse(right).unwrap(), Some(80));
        assert!(agrees("A.example", "a.EXAMPLE:80") && agrees("a.", "a") && agrees("[::A]", "[::a]:80"));
        assert!(!agrees("a", "b") && !agrees("a:81", "a") && !agrees("a:81", "a:82"));
    }
}
