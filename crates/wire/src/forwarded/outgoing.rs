//! The forwarding fields that the gate writes itself. What came in is never passed on: the gate says what it believes.

use std::net::IpAddr;

use crate::digits::push_address;

/// What an upstream is told about the way of a call.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Who called, as [`super::from_x_forwarded`] or [`super::from_forwarded`] found out.
    pub client: IpAddr,
    /// The neighbour on the gate's connection; the client itself when no proxy is between.
    pub peer: IpAddr,
    /// The host that was asked for.
    pub host: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
}

// === impl Outgoing ===

impl Outgoing<'_> {
    /// The value of X-Forwarded-For: `client`, or `client, peer`.
    #[must_use]
    pub fn x_forwarded_for(&self) -> Vec<u8> {
        let (client, peer) = (self.client.to_canonical(), self.peer.to_canonical());
        let mut text = Vec::with_capacity(48);
        push_address(&mut text, client);
        if peer != client {
            text.extend_from_slice(b", ");
            push_address(&mut text, peer);
        }
        text
    }

    /// The value of Forwarded (RFC 7239): one element for the client, and one for the peer if it is another.
    #[must_use]
    pub fn forwarded(&self) -> Vec<u8> {
        let (client, peer) = (self.client.to_canonical(), self.peer.to_canonical());
        let mut text = Vec::with_capacity(96);
        push_node(&mut text, client);
        if peer != client {
            text.extend_from_slice(b", ");
            push_node(&mut text, peer);
        }
        let is_host =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']');
        if !self.host.is_empty() && self.host.bytes().all(is_host) {
            // Ports and brackets are no token characters; quotes are right for every host.
            for part in [";host=\"", self.host, "\""] {
                text.extend_from_slice(part.as_bytes());
            }
        }
        text.extend_from_slice(b";proto=");
        text.extend_from_slice(self.scheme.as_bytes());
        text
    }
}

fn push_node(text: &mut Vec<u8>, ip: IpAddr) {
    let (before, after) = if ip.is_ipv6() { ("for=\"[", "]\"") } else { ("for=", "") };
    text.extend_from_slice(before.as_bytes());
    push_address(text, ip);
    text.extend_from_slice(after.as_bytes());
}
