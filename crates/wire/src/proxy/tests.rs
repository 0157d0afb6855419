use super::*;

/// What a header with something behind it comes to.
#[track_caller]
fn check(header: &[u8], expect: Result<Relayed, ProxyFault>) {
    let bytes = [header, b"GET / HTTP/1.1\r\n"].concat();
    let found = ProxyReader::default().take(&bytes);
    assert_eq!(found, expect.map(|relayed| (header.len(), Some(relayed))), "{header:?}");
}

fn client(ip: &str) -> Result<Relayed, ProxyFault> {
    Ok(Relayed::For(ip.parse().unwrap()))
}

#[test]
fn lines_of_version_1() {
    let itself = Ok(Relayed::Itself);
    check(b"PROXY TCP4 203.0.113.9 192.0.2.2 4711 443\r\n", client("203.0.113.9"));
    check(b"PROXY TCP6 2001:db8::9 2001:db8::1 0 65535\r\n", client("2001:db8::9"));
    check(b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n", client("203.0.113.9"));
    check(b"PROXY UNKNOWN\r\n", itself);
    check(b"PROXY UNKNOWN ffff::1 \xff anything\r\n", itself);
    // Seen from the proxy's machine these are local; seen from ours nobody's.
    for address in ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"] {
        check(format!("PROXY TCP4 {address} 192.0.2.2 4711 443\r\n").as_bytes(), itself);
    }
    check(b"PROXY TCP6 ::1 2001:db8::1 1 2\r\n", itself);
    check(b"PROXY TCP6 fe80::1 2001:db8::1 1 2\r\n", client("fe80::1"));
    for broken in [
        "PROXY TCP4 203.0.113.9 192.0.2.2 4711 443\n",
        "PROXY TCP4 203.0.113.9 192.0.2.2 4711\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.2 4711 443 1\r\n",
        "PROXY TCP4  203.0.113.9 192.0.2.2 4711 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.2 4711 443 \r\n",
        "PROXY TCP4 203.0.113.09 192.0.2.2 4711 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.2 04711 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.2 +4711 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.2 65536 443\r\n",
        "PROXY TCP4 203.0.113.9 192.0.2.2 4711 \r\n",
        "PROXY TCP4 203.0.113.9 2001:db8::1 4711 443\r\n",
        "PROXY TCP6 203.0.113.9 192.0.2.2 4711 443\r\n",
        "PROXY TCP6 fe80::1%eth0 2001:db8::1 4711 443\r\n",
        "PROXY UDP4 203.0.113.9 192.0.2.2 4711 443\r\n",
        "PROXY tcp4 203.0.113.9 192.0.2.2 4711 443\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
    ] {
        check(broken.as_bytes(), Err(ProxyFault::Line));
    }
}

#[test]
fn a_line_has_a_bound() {
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_LINE_MAX - 16));
    assert_eq!(longest.len(), V1_LINE_MAX);
    check(longest.as_bytes(), Ok(Relayed::Itself));
    let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_LINE_MAX - 15));
    assert_eq!(ProxyReader::default().take(longer.as_bytes()), Err(ProxyFault::TooLong));
    assert_eq!(ProxyReader::default().take(&[b"PROXY ", &[b'x'; 4096][..]].concat()), Err(ProxyFault::TooLong));
}

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [V2_SIGNATURE, &[command, family], &length, rest].concat()
}

#[test]
fn headers_of_version_2() {
    let v4 = [203, 0, 113, 9, 192, 0, 2, 2, 0x12, 0x67, 1, 187];
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
    v6[15] = 9;
    let mut mapped = [0; 36];
    mapped[10..16].copy_from_slice(&[0xff, 0xff, 203, 0, 113, 9]);
    let local = [127, 0, 0, 1, 192, 0, 2, 2, 0, 1, 0, 2];
    check(&v2(0x21, 0x11, &v4), client("203.0.113.9"));
    check(&v2(0x21, 0x21, &v6), client("2001:db8::9"));
    check(&v2(0x21, 0x21, &mapped), client("203.0.113.9"));
    // Extensions are skipped, whatever they say.
    check(&v2(0x21, 0x11, &[&v4[..], &[0x20, 0, 200, 1]].concat()), client("203.0.113.9"));
    for (command, family, rest) in [
        (0x21, 0x11, &local[..]),
        (0x21, 0x00, &[]),
        (0x21, 0x31, &[b'/'; 216]),
        // A health check; its addresses mean nothing.
        (0x20, 0x00, &[]),
        (0x20, 0x11, &v4),
        (0x20, 0x77, &[1, 2, 3]),
    ] {
        check(&v2(command, family, rest), Ok(Relayed::Itself));
    }
    for (command, family, rest) in [
        (0x22, 0x11, &v4[..]),
        (0x11, 0x11, &v4),
        (0x31, 0x11, &v4),
        (0x21, 0x11, &v4[..11]),
        (0x21, 0x21, &v6[..35]),
        (0x21, 0x31, &v4),
        (0x21, 0x12, &v4),
        (0x21, 0x22, &v6),
        (0x21, 0x41, &v6),
        (0x21, 0x10, &v4),
    ] {
        check(&v2(command, family, rest), Err(ProxyFault::Binary));
    }
}

#[test]
fn the_length_of_version_2_has_a_bound() {
    check(&v2(0x20, 0, &vec![0; bounds::PROXY_HEADER_BYTES_MAX]), Ok(Relayed::Itself));
    let header = v2(0x20, 0, &vec![0; bounds::PROXY_HEADER_BYTES_MAX + 1]);
    // Said as soon as the length is known.
    assert_eq!(ProxyReader::default().take(&header[..V2_FIXED_LEN]), Err(ProxyFault::TooLong));
}

#[test]
fn anything_else_is_missing() {
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b"PROXYTCP4", b"\r\nGET", b"PRI * HTTP/2.0\r\n"] {
        assert_eq!(ProxyReader::default().take(bytes), Err(ProxyFault::Missing), "{bytes:?}");
    }
    assert_eq!(ProxyReader::default().take(b""), Ok((0, None)));
    assert_eq!(ProxyReader::default().take(b"PRO"), Ok((3, None)));
    assert_eq!(ProxyReader::default().take(b"\r\n\r\n"), Ok((4, None)));
}
