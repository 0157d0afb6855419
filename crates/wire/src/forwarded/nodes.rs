//! The grammar of forwarding fields: nodes, parameters, elements from the right.

use std::net::{IpAddr, Ipv6Addr};

use crate::octets::{self, TOKEN};

/// The address of a node as proxies write it: `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:5678`, in quotes or not. None for `unknown`, `_hidden` and anything else. IPv4 in IPv6 becomes IPv4.
#[must_use]
pub fn parse_address(node: &str) -> Option<IpAddr> {
    address(node.as_bytes())
}

/// [`parse_address`] for bytes: one entry that is no text must not hide the entries to its right.
pub(super) fn address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(unquote(octets::trim(node))?).ok()?;
    let ip = if let Some(rest) = node.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        is_port(port).then(|| ip.parse::<Ipv6Addr>().ok()).flatten().map(IpAddr::V6)?
    } else if let Ok(ip) = node.parse::<IpAddr>() {
        ip
    } else {
        let (ip, _) = node.split_once(':').filter(|(ip, _)| node.get(ip.len()..).is_some_and(is_port))?;
        IpAddr::V4(ip.parse().ok()?)
    };
    Some(ip.to_canonical())
}

/// Nothing, `:5678`, or `:_hidden` (RFC 7239 section 6).
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(port) => {
            let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
            let is_hidden = port.len() > 1 && port.starts_with('_') && octets::all(port.as_bytes(), TOKEN);
            is_number || is_hidden
        }
    }
}

/// The inside of a quoted string, or the bytes themselves. Escapes have no business in an address or a scheme.
fn unquote(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'"', inside @ .., b'"'] => (!inside.contains(&b'"') && !inside.contains(&b'\\')).then_some(inside),
        _ => (!text.contains(&b'"')).then_some(text),
    }
}

/// The value of a parameter of one Forwarded element. None if it is missing, or there twice.
pub(super) fn param<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = ElementsFromRight::of(element, b';').filter_map(|pair| {
        let (left, right) = pair.split_at_checked(pair.iter().position(|byte| *byte == b'=')?)?;
        octets::trim(left).eq_ignore_ascii_case(name.as_bytes()).then_some(right)
    });
    let (_, value) = found.next()?.split_first()?;
    if found.next().is_some() { None } else { unquote(octets::trim(value)) }
}

/// The elements of a list, the last first, where separators in quoted strings don't count.
///
/// It reads backwards because the right end is the trusted neighbour's: read forwards, a caller's single `"` at the left
/// end would swallow everything that proxies added behind it.
pub(super) struct ElementsFromRight<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> ElementsFromRight<'a> {
    pub(super) fn of(text: &'a [u8], separator: u8) -> ElementsFromRight<'a> {
        ElementsFromRight { rest: Some(text), separator }
    }
}

impl<'a> Iterator for ElementsFromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let cut = last_separator(rest, self.separator);
            let element = rest.get(cut.map_or(0, |at| at + 1)..).unwrap_or_default();
            self.rest = cut.and_then(|at| rest.get(..at));
            let element = octets::trim(element);
            // Empty elements of a list mean nothing (RFC 9110 section 5.6.1.2).
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

fn last_separator(bytes: &[u8], separator: u8) -> Option<usize> {
    let mut is_quoted = false;
    let mut at = bytes.len();
    while let Some((before, byte)) = bytes.get(..at).and_then(<[u8]>::split_last).map(|(byte, before)| (before, *byte))
    {
        at = before.len();
        if byte == b'"' {
            let escapes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            // Behind an odd number of backslashes, inside a string, a quote is text.
            if !is_quoted || escapes % 2 == 0 {
                is_quoted = !is_quoted;
            }
        } else if byte == separator && !is_quoted {
            return Some(at);
        }
    }
    None
}
