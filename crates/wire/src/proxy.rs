//! The header of the PROXY protocol, versions 1 and 2: a balancer that relays connections says who is at the other end.
//!
//! Whoever can write this header chooses the client's address, so it is read only on a connection from a proxy that the
//! operator trusts. It comes before TLS and before any byte of HTTP, and what follows it belongs to somebody else: the
//! reader says exactly how many of the bytes it is offered are the header's, and never wants one more.
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use callgate_model::bounds;

const V1_BEGINNING: &[u8] = b"PROXY ";
/// Section 2.1: the longest line, with its CRLF.
const V1_LINE_MAX: usize = 107;
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_FIXED_LEN: usize = 16;

/// Whom a connection is relayed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// A client at this address; IPv4 in IPv6 (`::ffff:a.b.c.d`) is IPv4.
    For(IpAddr),
    /// The proxy itself (a health check), or somebody without an address that a client can have: one on the proxy's own
    /// machine must not pass for one on ours.
    Itself,
}

/// Why the bytes are no PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// Something else begins here.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// Longer than one is.
    #[error("the PROXY header is too long")]
    TooLong,
    /// A line of version 1 that does not follow its grammar to the letter.
    #[error("the line of the PROXY header (version 1) is broken")]
    Line,
    /// A version, command or family that there is not, or fewer bytes than the addresses need.
    #[error("the PROXY header (version 2) is broken")]
    Binary,
}

/// Reads one header, in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct ProxyReader {
    bytes: Vec<u8>,
}

/// What the reader wants next.
enum Step {
    /// At least this many bytes, all of them the header's.
    Bytes(usize),
    /// The rest of a line, at most this many bytes.
    Line(usize),
    Done(Relayed),
}

// === impl ProxyReader ===

impl ProxyReader {
    /// Takes what belongs to the header of the bytes that are offered: how many these are, and, once it is whole, whom the
    /// connection is relayed for. Without the latter every offered byte was taken, and more are wanted.
    ///
    /// # Errors
    /// [`ProxyFault`]; the connection is of no use then.
    pub fn take(&mut self, offered: &[u8]) -> Result<(usize, Option<Relayed>), ProxyFault> {
        let mut taken = 0;
        loop {
            let rest = offered.get(taken..).unwrap_or_default();
            let wanted = match step(&self.bytes)? {
                Step::Done(relayed) => return Ok((taken, Some(relayed))),
                Step::Bytes(wanted) => wanted,
                Step::Line(max) => rest.iter().position(|byte| *byte == b'\n').map_or(max, |at| max.min(at + 1)),
            };
            let piece = rest.get(..wanted.min(rest.len())).unwrap_or_default();
            if piece.is_empty() {
                return Ok((taken, None));
            }
            self.bytes.extend_from_slice(piece);
            taken += piece.len();
        }
    }
}

fn step(bytes: &[u8]) -> Result<Step, ProxyFault> {
    let beginning =
        |whole: &[u8]| whole.get(..bytes.len().min(whole.len())).is_some_and(|begin| bytes.starts_with(begin));
    if beginning(V1_BEGINNING) {
        // No byte yet is here too: either beginning is longer than what is asked for then.
        match V1_BEGINNING.len().checked_sub(bytes.len()) {
            Some(missing) if missing > 0 => Ok(Step::Bytes(missing)),
            _ if bytes.ends_with(b"\n") => line(bytes).map(Step::Done),
            _ => match V1_LINE_MAX.checked_sub(bytes.len()) {
                Some(missing) if missing > 0 => Ok(Step::Line(missing)),
                _ => Err(ProxyFault::TooLong),
            },
        }
    } else if beginning(V2_SIGNATURE) {
        binary(bytes)
    } else {
        Err(ProxyFault::Missing)
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n`, with one space everywhere, or `PROXY UNKNOWN` and anything.
fn line(bytes: &[u8]) -> Result<Relayed, ProxyFault> {
    let line = bytes.strip_suffix(b"\r\n").ok_or(ProxyFault::Line)?;
    if let Some(rest) = line.strip_prefix(b"PROXY UNKNOWN")
        && matches!(rest.first(), None | Some(b' '))
    {
        return Ok(Relayed::Itself);
    }
    let text = std::str::from_utf8(line).map_err(|_| ProxyFault::Line)?;
    let mut words = text.split(' ').skip(1);
    let mut next = || words.next().unwrap_or_default();
    let (source, _target) = match next() {
        "TCP4" => (ip::<Ipv4Addr>(next())?, ip::<Ipv4Addr>(next())?),
        "TCP6" => (ip::<Ipv6Addr>(next())?, ip::<Ipv6Addr>(next())?),
        _ => return Err(ProxyFault::Line),
    };
    let are_ports = is_port(next()) && is_port(next());
    if !are_ports || words.next().is_some() {
        return Err(ProxyFault::Line);
    }
    Ok(relayed_for(source))
}

fn ip<T: std::str::FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, ProxyFault> {
    text.parse::<T>().map(Into::into).map_err(|_| ProxyFault::Line)
}

/// Without leading zeros or a sign, as section 2.1 writes numbers.
fn is_port(text: &str) -> bool {
    let is_canonical = text == "0" || text.starts_with(|first: char| ('1'..='9').contains(&first));
    is_canonical && text.parse::<u16>().is_ok()
}

fn binary(bytes: &[u8]) -> Result<Step, ProxyFault> {
    let Some((fixed, rest)) = bytes.split_at_checked(V2_FIXED_LEN) else {
        return Ok(Step::Bytes(V2_FIXED_LEN - bytes.len()));
    };
    let [.., version_and_command, family, high, low] = *fixed else { return Err(ProxyFault::Binary) };
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyFault::Binary),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > bounds::PROXY_HEADER_BYTES_MAX {
        return Err(ProxyFault::TooLong);
    }
    if let Some(missing) = length.checked_sub(rest.len()).filter(|missing| *missing > 0) {
        return Ok(Step::Bytes(missing));
    }
    if is_local {
        // Section 2.2: whatever stands there is to be skipped.
        return Ok(Step::Done(Relayed::Itself));
    }
    // Source address, target address, both ports; what follows them are extensions, and none of them is read.
    let source = match family {
        0x11 if length >= 12 => rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        0x21 if length >= 36 => rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        // Not said, or a Unix socket on the proxy's machine.
        0x00 => return Ok(Step::Done(Relayed::Itself)),
        0x31 if length >= 216 => return Ok(Step::Done(Relayed::Itself)),
        // Datagrams are nothing that a stream relays, and others don't exist.
        _ => None,
    };
    source.map(|source| Step::Done(relayed_for(source))).ok_or(ProxyFault::Binary)
}

/// A balancer tells of connections that it has, so a link-local client is one; but what is local to its machine is not
/// to ours, and the rest is nobody.
fn relayed_for(source: IpAddr) -> Relayed {
    let source = source.to_canonical();
    let is_nobody = match source {
        IpAddr::V4(ip) => ip.octets().starts_with(&[0]) || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    if is_nobody || source.is_loopback() || source.is_multicast() { Relayed::Itself } else { Relayed::For(source) }
}

#[cfg(test)]
mod tests;
