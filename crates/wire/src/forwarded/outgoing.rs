//! The forwarding fields that the gate writes itself. What came in is never passed on: the gate says what it believes.

use std::fmt::Write;
use std::net::IpAddr;

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
    pub fn x_forwarded_for(&self) -> String {
        let (client, peer) = (self.client.to_canonical(), self.peer.to_canonical());
        let mut text = String::with_capacity(48);
        push(&mut text, format_args!("{client}"));
        if peer != client {
            push(&mut text, format_args!(", {peer}"));
        }
        text
    }

    /// The value of Forwarded (RFC 7239): one element for the client, and one for the peer if it is another.
    #[must_use]
    pub fn forwarded(&self) -> String {
        let (client, peer) = (self.client.to_canonical(), self.peer.to_canonical());
        let mut text = String::with_capacity(96);
        push_node(&mut text, client);
        if peer != client {
            text.push_str(", ");
            push_node(&mut text, peer);
        }
        let is_host =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']');
        if !self.host.is_empty() && self.host.bytes().all(is_host) {
            // Ports and brackets are no token characters; quotes are right for every host.
            push(&mut text, format_args!(";host=\"{}\"", self.host));
        }
        push(&mut text, format_args!(";proto={}", self.scheme));
        text
    }
}

fn push_node(text: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => push(text, format_args!("for={ip}")),
        IpAddr::V6(ip) => push(text, format_args!("for=\"[{ip}]\"")),
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    text.write_fmt(arguments).unwrap_or_default();
}
