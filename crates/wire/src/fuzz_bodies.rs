//! What the fuzz targets in `fuzz/` run: invariants that must hold for any bytes. The smoke tests run the same bodies.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

use crate::chunked::{ChunkScanner, Scan};
use crate::forwarded;
use crate::head::{self, HeadScanner};
use crate::path::{self, PathRules};
use crate::proxy::{ProxyReader, Relayed};
use crate::websocket::{FrameReader, Sender};

/// Heads: whole and piecewise inspection agree, and ranges lie inside the bytes.
pub fn head(bytes: &[u8]) {
    let whole = head::inspect(bytes);
    let mut scanner = HeadScanner::new();
    let mut found = Ok(None);
    for end in 0..=bytes.len() {
        found = scanner.find_end(bytes.get(..end).unwrap_or_default());
        if found != Ok(None) {
            break;
        }
    }
    if let Ok(Some(end)) = found {
        assert_eq!(head::find_end(bytes, 0), Some(end), "the two ways to find the end disagree");
    }
    if let Ok(head) = whole {
        assert_eq!(found, Ok(Some(bytes.len())), "the scanner must let every well-formed head through");
        assert_eq!(head::early_fault(bytes), None);
        let target = head.target_text(bytes);
        assert!(!target.is_empty() && target.bytes().all(|byte| byte.is_ascii_graphic()), "{target}");
        assert!(!head.method_text(bytes).is_empty());
        if head.host.is_some() {
            assert!(head.host_parts(bytes).is_some(), "the host was checked");
        }
    }
}

/// Paths: what is normal stays, has no dot segment, and no empty one.
pub fn path(bytes: &[u8]) {
    let Some((switches, raw)) = bytes.split_first() else {
        return;
    };
    let rules = PathRules { encoded_separators: switches & 1 != 0, semicolons: switches & 2 != 0 };
    let Ok(raw) = std::str::from_utf8(raw) else {
        return;
    };
    if let Ok(normal) = path::normalize(raw, &rules) {
        assert!(normal.starts_with('/') && !normal.contains("//") && normal.is_ascii(), "{raw} -> {normal}");
        assert!(normal.split('/').all(|segment| segment != "." && segment != ".."), "{raw} -> {normal}");
        assert_eq!(path::normalize(&normal, &rules).as_deref(), Ok(&*normal), "not idempotent: {raw}");
        assert_eq!(path::cut_prefix(&normal, "/"), Some(&*normal));
        let matching = path::matching_form(&normal);
        assert_eq!(matching.split('/').count(), normal.split('/').count(), "{normal} -> {matching}");
    }
}

/// Frames: one slice, and a slice a byte, come to the same.
pub fn websocket(bytes: &[u8]) {
    let mut whole = FrameReader::new(Sender::Client, 1 << 16);
    let expect = whole.pass(bytes, false);
    let mut reader = FrameReader::new(Sender::Client, 1 << 16);
    let (mut passed, mut fault) = (0, None);
    for end in 1..=bytes.len() {
        let step = reader.pass(bytes.get(passed..end).unwrap_or_default(), false);
        passed += step.bytes;
        fault = step.fault;
        if fault.is_some() {
            break;
        }
    }
    assert_eq!((passed, fault), (expect.bytes, expect.fault));
    let sums = |reader: &FrameReader| (reader.messages(), reader.bytes(), reader.close_code());
    assert_eq!(sums(&reader), sums(&whole));
    assert!(reader.bytes() <= passed as u64);
}

/// Chunked bodies: one slice, and a slice a byte, come to the same.
pub fn chunked(bytes: &[u8]) {
    let mut whole = ChunkScanner::new();
    let expect = whole.scan(bytes);
    let mut pieces = ChunkScanner::new();
    let (mut body, mut payload, mut fault) = (0, 0, None);
    for byte in bytes.chunks(1) {
        match pieces.scan(byte) {
            Ok(scan) => {
                body += scan.body;
                payload += scan.payload;
            }
            Err(found) => {
                fault = Some(found);
                break;
            }
        }
    }
    let found = match fault {
        Some(fault) => Err(fault),
        None => Ok(Scan { body, payload, ended: pieces.has_ended() }),
    };
    assert_eq!(expect, found, "one slice and a slice a byte disagree");
    assert!(payload <= body as u64 && body <= bytes.len());
}

/// Forwarding fields: whoever is found was not a machine-local address and not a proxy, unless it is the peer.
pub fn forwarded(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let peer = IpAddr::from([10, 0, 0, 1]);
    let trusted = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets().first() == Some(&10));
    for (name, is_x) in [("x-forwarded-for", true), ("forwarded", false)] {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.clone());
        let find = if is_x { forwarded::from_x_forwarded } else { forwarded::from_forwarded };
        let client = find(&headers, peer, trusted);
        assert_eq!(client.is_forwarded, client.ip != peer);
        if client.is_forwarded {
            assert!(!trusted(client.ip) && !client.ip.is_loopback() && !client.ip.is_unspecified());
            assert!(!client.ip.is_multicast() && client.ip == client.ip.to_canonical());
        }
        // A trusted neighbour's own word at the right end can't be swallowed by what is to the left of it.
        let ours = if is_x { "9.9.9.9" } else { "for=9.9.9.9" };
        let appended = [bytes, b", ", ours.as_bytes()].concat();
        if let Ok(appended) = HeaderValue::from_bytes(&appended) {
            headers.insert(name, appended);
            assert_eq!(find(&headers, peer, trusted).ip, IpAddr::from([9, 9, 9, 9]));
        }
    }
}

/// PROXY headers: one slice, and a slice a byte, come to the same, and what follows the header is left alone.
pub fn proxy(bytes: &[u8]) {
    let whole = ProxyReader::default().take(bytes);
    let mut reader = ProxyReader::default();
    let mut pieces = Ok((0, None));
    for (index, byte) in bytes.chunks(1).enumerate() {
        pieces = reader.take(byte).map(|(taken, relayed)| (index + taken, relayed));
        if !matches!(pieces, Ok((_, None))) {
            break;
        }
    }
    assert_eq!(whole, pieces, "one slice and a slice a byte disagree");
    match whole {
        Ok((taken, Some(relayed))) => {
            assert!((15..=bytes.len()).contains(&taken), "{taken}");
            if let Relayed::For(ip) = relayed {
                assert!(!ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && ip == ip.to_canonical());
            }
        }
        Ok((taken, None)) => assert_eq!(taken, bytes.len(), "bytes that are wanted must be taken"),
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            super::head(&bytes);
            super::path(&bytes);
            super::chunked(&bytes);
            super::forwarded(&bytes);
            super::proxy(&bytes);
        }

        #[test]
        fn any_proxy_line(text in "PROXY (TCP4|TCP6|UNKNOWN)( (1\\.2\\.3\\.4|127\\.0\\.0\\.1|2001:db8::1|::ffff:1\\.2\\.3\\.4|0|443|65536|x)){0,5}\r?\nGET") {
            super::proxy(text.as_bytes());
        }

        #[test]
        fn any_binary_proxy_header(
            command in prop_oneof![Just(0x20_u8), Just(0x21), any::<u8>()],
            family in prop_oneof![Just(0x11_u8), Just(0x21), Just(0), Just(0x31), any::<u8>()],
            length in 0..300_u16,
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
            bytes.extend([command, family]);
            bytes.extend(length.to_be_bytes());
            bytes.extend(rest);
            super::proxy(&bytes);
        }

        #[test]
        fn any_forwarding(text in "(for=|host=|proto=|[,;\"\\\\ ]|unknown|10\\.0\\.0\\.2|::1|6\\.6\\.6\\.6|\\[|\\]|:){0,20}") {
            super::forwarded(text.as_bytes());
        }

        #[test]
        fn any_text(text in "[ -~\r\n\t]{0,200}") {
            super::head(text.as_bytes());
            super::path(text.as_bytes());
            super::chunked(text.as_bytes());
            super::forwarded(text.as_bytes());
        }
    }
}
