//! Answers without sockets: the same bytes, however they come in, are the same answer.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};

use super::super::decode::{Decoder, Step};
use super::super::head::{Finder, Head};

/// What a connection reads out of these pieces and the end after them: status, whether it would be kept, body, trailers.
fn read(method: &Method, pieces: &[&[u8]]) -> String {
    let (mut buffer, mut pieces) = (BytesMut::new(), pieces.iter());
    let mut more = |buffer: &mut BytesMut| pieces.next().map(|piece| buffer.extend_from_slice(piece)).is_some();
    let (mut finder, mut headers) = (Finder::default(), HeaderMap::new());
    let block = loop {
        match finder.take(&mut buffer, 1024) {
            Ok(Some(block)) => break block,
            Ok(None) if more(&mut buffer) => {}
            Ok(None) => return "no head".to_owned(),
            Err(_) => return "too long".to_owned(),
        }
    };
    let Head { status, mut decoder, keeps, .. } = match Head::parse(&block, method, &mut headers) {
        Ok(head) => head,
        Err(fault) => return fault.to_string(),
    };
    let mut said = format!("{} {}", status.as_u16(), if keeps { "kept" } else { "closed" });
    let mut body = Vec::new();
    let end = loop {
        match decoder.step(&mut buffer) {
            Ok(Step::Data(data)) => body.extend_from_slice(&data),
            Ok(Step::Trailers(fields)) => said += &format!(" {fields:?}"),
            Ok(Step::Ended) => break None,
            Ok(Step::More(_)) if more(&mut buffer) => {}
            Ok(Step::More(_)) => match decoder.close() {
                Ok(()) => {}
                Err(error) => break Some(error.to_string()),
            },
            Err(fault) => break Some(fault.to_string()),
        }
    };
    // What has not come in yet is behind the answer, too.
    while more(&mut buffer) {}
    said += &format!(" {:?}", String::from_utf8(body).unwrap());
    if let Some(end) = end {
        return said + " " + &end;
    }
    if buffer.is_empty() { said } else { format!("{said} and {} bytes behind it", buffer.len()) }
}

/// Whole, byte by byte, and in every two and three pieces.
fn check_of(method: &Method, answer: &str, expect: &str) {
    let bytes = answer.as_bytes();
    assert_eq!(read(method, &[bytes]), expect, "{answer:?}");
    let each: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(method, &each), expect, "{answer:?} byte by byte");
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            let pieces: Vec<&[u8]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
            assert_eq!(read(method, &pieces), expect, "{answer:?} cut at {first} and {second}");
        }
    }
}

fn check(answer: &str, expect: &str) {
    check_of(&Method::GET, answer, expect);
}

/// The body of a chunked answer.
fn check_chunked(body: &str, expect: &str) {
    let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    check(&answer, &format!("200 kept {expect}"));
}

#[test]
fn any_split_is_the_same_answer() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", r#"200 kept "hello""#);
    check("HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", r#"200 kept "hello""#);
    check("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", r#"200 kept "ok""#);
    check("HTTP/1.1 200 OK\r\n\r\nup to the end", r#"200 closed "up to the end""#);
    check("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", r#"304 kept """#);
    check("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", r#"204 kept "" and 2 bytes behind it"#);
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1", r#"200 kept "ok" and 8 bytes behind it"#);
    check_of(&Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", r#"200 kept """#);
    check_chunked("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", r#""hello""#);
    check_chunked("2;a=\"b\"\r\nhe\r\n03 \r\nllo\r\n00\r\n\r\nx", r#""hello" and 1 bytes behind it"#);
    check_chunked("2\r\nok\r\n0\r\nX-A: 1\r\nX_b: 2\r\n\r\n", r#"{"x-a": "1", "x_b": "2"} "ok""#);
}

#[test]
fn whether_a_connection_is_kept() {
    let kept = |fields: &str| check(&format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"), r#"200 kept """#);
    let closed = |start: &str| check(&format!("{start}Content-Length: 0\r\n\r\n"), r#"200 closed """#);
    kept("Connection: keep-alive\r\n");
    kept("Connection: closed, not-close\r\n");
    closed("HTTP/1.1 200 OK\r\nConnection: close\r\n");
    closed("HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nConnection: keep-alive\r\n");
    closed("HTTP/1.0 200 OK\r\n");
    check("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", r#"200 kept "ok""#);
}

#[test]
fn one_length_counts_or_none() {
    let check_lengths = |fields: &str, expect: &str| check(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nok"), expect);
    check_lengths("Content-Length: 2\r\nContent-Length: 2", r#"200 kept "ok""#);
    check_lengths("Content-Length: 2, 2", r#"200 kept "ok""#);
    let fault = "its Content-Length is not one number";
    for bad in ["2\r\nContent-Length: 3", "2, 3", "+2", "2 2", "0x2", "", "2,", "-1", "18446744073709551616"] {
        check_lengths(&format!("Content-Length: {bad}"), fault);
    }
    check_lengths(
        "Content-Length: 3",
        r#"200 kept "ok" the upstream closed the connection in the middle of its answer"#,
    );
}

#[test]
fn a_transfer_coding_goes_before_a_length() {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    check(both, r#"200 closed "ok""#);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n", r#"200 kept """#);
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "200 closed \"0\\r\\n\\r\\n\"");
    check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: xchunked\r\n\r\nab", r#"200 closed "ab""#);
    check(
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "it has a Transfer-Encoding, which HTTP/1.0 does not know",
    );
}

#[test]
fn broken_chunks_break_the_body_off() {
    let size = r#""" a chunk's size is not one to sixteen hexadecimal digits"#;
    for bad in ["\r\nok", "g\r\n", "-1\r\n", "0x2\r\nok", " 2\r\nok", "2 2\r\nok", "00000000000000002\r\nok", "2,\r\n"]
    {
        check_chunked(bad, size);
    }
    let line_end = r#"a chunk does not end in CR LF where its size says"#;
    check_chunked("2\nok", &format!(r#""" {line_end}"#));
    for bad in ["2\r\nokay\r\n0\r\n\r\n", "2\r\nok\n0\r\n\r\n", "2\r\nok\r0\r\n\r\n"] {
        check_chunked(bad, &format!(r#""ok" {line_end}"#));
    }
    check_chunked("2;a\x01\r\nok", r#""" a chunk's extension holds a control character"#);
    check_chunked("2;\r\r\nok", r#""" a chunk's extension holds a control character"#);
    check_chunked("0\r\nno colon\r\n\r\n", r#""" a trailer field is not well-formed"#);
    check_chunked("0\r\nX: y\r\n z\r\n\r\n", r#""" a trailer field is not well-formed"#);
    let cut = r#"the upstream closed the connection in the middle of its answer"#;
    for short in ["", "2", "2\r\n", "0\r\n", "0\r\n\r", "0\r\nX: y\r\n"] {
        check_chunked(short, &format!(r#""" {cut}"#));
    }
    for short in ["2\r\nok", "2\r\nok\r\n", "2\r\nok\r\n0\r\n"] {
        check_chunked(short, &format!(r#""ok" {cut}"#));
    }
}

#[test]
fn framing_has_bounds() {
    let too_long = "the framing of the chunked body is too long";
    let read = |body: &str| {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        read(&Method::GET, &answer.as_bytes().chunks(100).collect::<Vec<_>>())
    };
    assert!(read(&format!("1;{}", "a".repeat(300))).ends_with(too_long));
    assert!(read(&format!("1;{}\r\na\r\n", "a".repeat(200)).repeat(50)).ends_with(too_long));
    assert!(read(&format!("0\r\n{}", "X: y\r\n".repeat(3_000))).ends_with(too_long));
    assert!(read(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(101))).ends_with(too_long));
    assert!(read(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(100))).ends_with("\"\""));
}

#[test]
fn a_heads_bound_holds_in_whatever_pieces() {
    let answer = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1024));
    for size in [1, 7, 1000, 4096] {
        assert_eq!(read(&Method::GET, &answer.as_bytes().chunks(size).collect::<Vec<_>>()), "too long");
    }
}

#[test]
fn what_is_no_head() {
    let check_start = |start: &str, expect: &str| check(&format!("{start}\r\n\r\n"), expect);
    let syntax = "its status line or a field is not well-formed";
    for bad in [
        "HTTP/2 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 200 OK\r\nno colon",
        "HTTP/1.1 200 OK\r\nX : y",
        "HTTP/1.1 200 OK\r\nX: a\r\n folded",
        "HTTP/1.1 200 OK\r\nX: a\x01b",
        "\r\n\r\nHTTP/1.1 200 OK",
    ] {
        check_start(bad, syntax);
    }
    check_start("HTTP/1.1 099 Odd", "its status is not 100 to 999");
    let fields = "Set-Cookie: a=b\r\n".repeat(257);
    let head = Bytes::from(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
    let fault = Head::parse(&head, &Method::GET, &mut HeaderMap::new()).unwrap_err();
    assert_eq!(fault.to_string(), "it has more than 256 fields");
}

/// The connection is given back with the last piece, not after another poll for nothing.
#[test]
fn the_end_is_known_with_the_last_piece() {
    for (mut decoder, body) in [(Decoder::length(2), "ok"), (Decoder::chunked(), "2\r\nok\r\n0\r\n\r\n")] {
        let step = decoder.step(&mut BytesMut::from(body)).unwrap();
        assert!(matches!(step, Step::Data(data) if data == "ok") && decoder.has_ended());
    }
}
