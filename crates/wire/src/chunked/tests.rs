use proptest::prelude::*;

use super::*;

/// Says how a body reads: `ended after N bytes, P of payload`, or the fault.
fn read(bytes: &[u8]) -> String {
    match ChunkScanner::new().scan(bytes) {
        Ok(Scan { body, payload, ended: true }) => format!("ended after {body}, payload {payload}"),
        Ok(Scan { payload, .. }) => format!("more, payload {payload}"),
        Err(fault) => format!("{fault:?}"),
    }
}

fn check(bytes: &str, expect: &str) {
    assert_eq!(read(bytes.as_bytes()), expect, "{bytes:?}");
}

#[test]
fn bodies() {
    check("0\r\n\r\n", "ended after 5, payload 0");
    check("0\r\n\r\nGET / HTTP/1.1\r\n", "ended after 5, payload 0");
    check("5\r\nhello\r\n0\r\n\r\n", "ended after 15, payload 5");
    check("a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n", "ended after 37, payload 20");
    check("5;name=value\r\nhello\r\n0;x=\"y;z\"\r\n\r\n", "ended after 34, payload 5");
    check("5 \t;a\r\nhello\r\n0\r\n\r\n", "ended after 19, payload 5");
    check("0\r\nX-Sum: 1\r\nY:\r\n\r\n", "ended after 19, payload 0");
    check("5\r\nhel", "more, payload 3");
    check("", "more, payload 0");
    check("ffffffffffffffff\r\nx", "more, payload 1");
    check("2\r\n\r\n\r\n0\r\n\r\n", "ended after 12, payload 2");
}

#[test]
fn smuggling() {
    for sizes in
        ["\r\n", "-1\r\n", "+5\r\n", "0x5\r\n", " 5\r\n", "5 \r\n", "5 5\r\n", "g\r\n", ";a\r\n", "\n", "5,\r\n"]
    {
        check(sizes, "Size");
    }
    check("10000000000000000\r\n", "Size");
    check("00000000000000005\r\n", "Size");
    check("5\nhello\r\n", "Size");
    check("5;a\nhello", "Extension");
    check("5;a\0\r\n", "Extension");
    check("5;\u{fc}\r\n", "Extension");
    check("5;a\rb\r\n", "LineEnd");
    check("5\rhello", "LineEnd");
    check("5\r\r\nhello", "LineEnd");
    check("5\r\nhello0\r\n\r\n", "LineEnd");
    check("5\r\nhello\n0\r\n\r\n", "LineEnd");
    check("5\r\nhello\r0\r\n\r\n", "LineEnd");
    check("3\r\nhello\r\n", "LineEnd");
    check("0\r\n\n", "Trailer");
    check("0\r\n\rX", "LineEnd");
    check("0\r\n X: folded\r\n\r\n", "Trailer");
    check("0\r\nX : a\r\n\r\n", "Trailer");
    check("0\r\nX_Y: a\r\n\r\n", "Trailer");
    check("0\r\nX: a\r\n b\r\n\r\n", "Trailer");
    check("0\r\nX\r\n\r\n", "Trailer");
    check("0\r\nX: a\n\r\n", "LineEnd");
    check("0\r\nX: a\rb\r\n", "LineEnd");
    check("0\r\nGET / HTTP/1.1\r\n", "Trailer");
}

#[test]
fn bounded() {
    check(&format!("5;{}\r\n", "a".repeat(300)), "TooLong");
    check(&format!("0\r\nX: {}", "a".repeat(bounds::TRAILER_BYTES_MAX)), "TooLong");
    check(&format!("0\r\n{}", "X:\r\n".repeat(bounds::HEAD_FIELDS_MAX + 1)), "TooLong");
    check(&format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(60), "TooLong");
}

#[test]
fn a_fault_stays() {
    let mut scanner = ChunkScanner::new();
    assert_eq!(scanner.scan(b"x"), Err(ChunkFault::Size));
    assert_eq!(scanner.scan(b"0\r\n\r\n"), Err(ChunkFault::Size));
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => Just(b"3\r\nabc\r\n".to_vec()),
        4 => Just(b"0\r\n".to_vec()),
        4 => Just(b"\r\n".to_vec()),
        2 => Just(b"1;a=b\r\n".to_vec()),
        2 => Just(b"X: y\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// The twin: a size line that we let through means the same to another parser.
    #[test]
    fn sizes_are_read_as_others_read_them(line in "[0-9a-fA-F]{1,16}([ \t]?;[ -~]{0,9})?", payload in 0_usize..40) {
        let mut bytes = format!("{line}\r\n").into_bytes();
        let expect = httparse::parse_chunk_size(&bytes);
        let Ok(httparse::Status::Complete((start, size))) = expect else { return Ok(()) };
        let size_line = bytes.len();
        prop_assert_eq!(start, size_line);
        bytes.extend(vec![b'x'; payload]);
        // More payload than the size says runs into a line end that isn't there.
        let scan = ChunkScanner::new().scan(&bytes);
        if size > 0 && size >= payload as u64 {
            let body = size_line + payload;
            prop_assert_eq!(scan, Ok(Scan { body, payload: payload as u64, ended: false }));
        } else if payload > 0 {
            prop_assert!(scan.is_err() || size == 0, "{:?}", scan);
        }
    }

    #[test]
    fn any_split_gives_the_same(bytes in pieces(), cuts in prop::collection::vec(0_usize..40, 0..6)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut scanner = ChunkScanner::new();
        let (mut body, mut payload, mut last) = (0, 0, Ok(Scan { body: 0, payload: 0, ended: false }));
        for pair in cuts.windows(2) {
            last = scanner.scan(&bytes[pair[0]..pair[1]]);
            let Ok(scan) = last else { break };
            body += scan.body;
            payload += scan.payload;
        }
        let whole = ChunkScanner::new().scan(&bytes);
        prop_assert_eq!(last.map(|scan| Scan { body, payload, ended: scan.ended }), whole);
    }

    #[test]
    fn what_is_written_is_read(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8)) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        let payload = chunks.iter().map(Vec::len).sum::<usize>() as u64;
        let expect = Scan { body: bytes.len(), payload, ended: true };
        bytes.extend(b"next");
        prop_assert_eq!(ChunkScanner::new().scan(&bytes), Ok(expect));
    }
}

/// Payload and trailers of a body in these pieces, and how many bytes were left over.
fn decoded(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool, HeaderMap), ChunkFault> {
    let mut decoder = ChunkDecoder::default();
    let (mut payload, mut held, mut ended) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            let found = decoder.decode(&held)?;
            let end = found.framing + found.payload;
            payload.extend_from_slice(&held[found.framing..end]);
            held.drain(..end);
            ended = found.ended;
            if found.payload == 0 {
                break;
            }
        }
    }
    Ok((payload, held.len(), ended, decoder.take_trailers()))
}

#[test]
fn a_body_is_taken_apart() {
    let body = b"3;x=y\r\nabc\r\n2\r\n\r\n\r\n0\r\nDigest: a:b \r\nX-T:\r\n\r\nnext";
    let (payload, left, ended, trailers) = decoded(&[body]).unwrap();
    assert_eq!((payload.as_slice(), left, ended), (&b"abc\r\n"[..], 4, true));
    assert_eq!((&trailers["digest"], &trailers["x-t"]), (&"a:b".parse().unwrap(), &"".parse().unwrap()));
    assert_eq!(trailers.len(), 2);
}

proptest! {
    /// The decoder and the scanner are one machine: they end, and fail, at the same byte.
    #[test]
    fn the_decoder_takes_what_the_scanner_sees(bytes in pieces(), cut in 0_usize..40) {
        let cut = cut.min(bytes.len());
        let scan = ChunkScanner::new().scan(&bytes);
        match (decoded(&[&bytes[..cut], &bytes[cut..]]), scan) {
            (Ok((payload, left, ended, _)), Ok(scan)) => {
                prop_assert_eq!(payload.len() as u64, scan.payload);
                prop_assert_eq!((bytes.len() - left, ended), (scan.body, scan.ended));
            }
            (Err(one), Err(other)) => prop_assert_eq!(one, other),
            (one, other) => prop_assert!(false, "{one:?} and {other:?}"),
        }
    }
}
