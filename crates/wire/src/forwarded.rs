//! Who called, when proxies stand before the gate: X-Forwarded-For and Forwarded (RFC 7239).
//!
//! Anybody can write these fields, so a field is worth what its writer is. The neighbour on the connection wrote the last
//! entry; only if the neighbour is trusted is that entry believed, and only if it names another trusted proxy is the one
//! before it believed. The walk goes from right to left and ends at the first address that is not a trusted proxy.
//!
//! The result is the peer itself when there is nothing to believe: the neighbour is not trusted, the walk meets something
//! that is no address (`unknown`, `_hidden`, garbage), or an address that no client can have seen from outside (loopback,
//! link-local, unspecified, multicast: it would pass every rule made for the machine itself), or trusted proxies alone.

mod nodes;
mod outgoing;

use std::net::IpAddr;

use callgate_model::bounds;
use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

use nodes::address;
pub use nodes::parse_address;
pub use outgoing::Outgoing;

use crate::octets;

/// Whether a field is one that proxies write about the caller; whoever forwards removes them and writes its own.
#[must_use]
pub fn is_field(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-port"
            | "x-forwarded-proto"
            | "x-forwarded-prefix"
            | "x-forwarded-server"
            | "x-real-ip"
    )
}

/// What the forwarding fields came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The client's address; IPv4 in IPv6 (`::ffff:a.b.c.d`) is IPv4.
    pub ip: IpAddr,
    /// Whether a trusted neighbour says that the client spoke https.
    pub https: bool,
    /// Whether `ip` comes from a field; otherwise it is the peer's.
    pub is_forwarded: bool,
}

/// Finds the client by X-Forwarded-For, and its scheme by X-Forwarded-Proto.
#[must_use]
pub fn from_x_forwarded(headers: &HeaderMap, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> Client {
    let addresses = headers.get_all("x-forwarded-for").iter().rev().flat_map(|value| {
        let entries = value.as_bytes().rsplit(|byte| *byte == b',').map(octets::trim);
        entries.filter(|entry| !entry.is_empty()).map(address)
    });
    let proto = headers.get_all("x-forwarded-proto").iter().next_back().and_then(last_entry);
    walk(peer, trusted, addresses, || proto.is_some_and(is_https))
}

/// Finds the client, and its scheme, by Forwarded.
#[must_use]
pub fn from_forwarded(headers: &HeaderMap, peer: IpAddr, trusted: impl Fn(IpAddr) -> bool) -> Client {
    let elements = || {
        let fields = headers.get_all(FORWARDED).iter().rev();
        fields.flat_map(|value| nodes::ElementsFromRight::of(value.as_bytes(), b','))
    };
    let addresses = elements().map(|element| nodes::param(element, "for").and_then(address));
    walk(peer, trusted, addresses, || {
        elements().next().and_then(|last| nodes::param(last, "proto")).is_some_and(is_https)
    })
}

/// Walks hops from the neighbour outwards; `None` is a hop that hides or garbles its address.
fn walk(
    peer: IpAddr,
    trusted: impl Fn(IpAddr) -> bool,
    hops: impl Iterator<Item = Option<IpAddr>>,
    https: impl FnOnce() -> bool,
) -> Client {
    let peer = peer.to_canonical();
    let from_peer = Client { ip: peer, https: false, is_forwarded: false };
    if !trusted(peer) {
        return from_peer;
    }
    let from_peer = Client { https: https(), ..from_peer };
    for hop in hops.take(bounds::FORWARD_HOPS_MAX) {
        match hop {
            Some(ip) if trusted(ip) => {}
            Some(ip) if is_client(ip) => return Client { ip, is_forwarded: true, ..from_peer },
            _ => return from_peer,
        }
    }
    from_peer
}

/// Whether a client behind a proxy can have this address.
fn is_client(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let first = ip.octets().first().copied().unwrap_or(0);
            first != 0 && !ip.is_loopback() && !ip.is_link_local() && !ip.is_multicast() && !ip.is_broadcast()
        }
        IpAddr::V6(ip) => {
            !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local()
        }
    }
}

fn last_entry(value: &HeaderValue) -> Option<&[u8]> {
    value.as_bytes().rsplit(|byte| *byte == b',').next().map(octets::trim)
}

fn is_https(proto: &[u8]) -> bool {
    proto.eq_ignore_ascii_case(b"https") || proto.eq_ignore_ascii_case(b"wss")
}

#[cfg(test)]
mod tests;
