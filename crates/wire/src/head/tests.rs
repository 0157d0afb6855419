//! Heads as byte scripts, with what becomes of each.

use proptest::prelude::*;

use super::*;

/// Says what a head came to, in a line.
fn read(bytes: &[u8]) -> String {
    match inspect(bytes) {
        Ok(head) => {
            let host = head.host_text(bytes).unwrap_or("-");
            let mut text =
                format!("{} {} 1.{} {host}", head.method_text(bytes), head.target_text(bytes), head.minor_version);
            match head.framing {
                Framing::None => {}
                Framing::Length(length) => text.push_str(&format!(" length={length}")),
                Framing::Chunked => text.push_str(" chunked"),
            }
            for (is_set, word) in [
                (!head.keep_alive, " close"),
                (head.expect_continue, " 100"),
                (head.expect_other, " expect?"),
                (head.has_upgrade, " upgrade"),
            ] {
                text.push_str(if is_set { word } else { "" });
            }
            text
        }
        Err(HeadFault::Malformed(why)) => format!("400 {why}"),
        Err(fault) => format!("{fault:?}"),
    }
}

fn check(bytes: impl AsRef<[u8]>, expect: &str) {
    let bytes = bytes.as_ref();
    let got = read(bytes);
    assert!(got.starts_with(expect), "{:?}\n got: {got}\nwant: {expect}", String::from_utf8_lossy(bytes));
}

/// A head with these lines after `POST / HTTP/1.1` and `Host: a`.
fn post(lines: &str, expect: &str) {
    check(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n"), expect);
}

/// A head with this request line.
fn line(line: &str, expect: &str) {
    check(format!("{line}\r\nHost: a.example\r\n\r\n"), expect);
}

#[test]
fn well_formed() {
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 1.1 a");
    check("\r\nGET /x?y=%20 HTTP/1.1\r\nhOST:a:80  \r\n\r\n", "GET /x?y=%20 1.1 a:80");
    check("GET / HTTP/1.0\r\n\r\n", "GET / 1.0 - close");
    check("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / 1.0 -");
    check("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * 1.1 a");
    check("PURGE /a HTTP/1.1\r\nHost: [::1]:8080\r\nX-A:\r\nX-B: \tb c\t\r\n\r\n", "PURGE /a 1.1 [::1]:8080");
    check(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n", "GET / 1.1 a");
    post("Content-Length: 0", "POST / 1.1 a length=0");
    post("content-length:\t18446744073709551615 ", "POST / 1.1 a length=18446744073709551615");
    post("Transfer-Encoding: Chunked", "POST / 1.1 a chunked");
    post("Connection: x, Close\r\nConnection: keep-alive", "POST / 1.1 a close");
    post("Expect: 100-Continue\r\nContent-Length: 1", "POST / 1.1 a length=1 100");
    post("Expect: 200-maybe", "POST / 1.1 a expect?");
    post("Upgrade: websocket\r\nConnection: upgrade", "POST / 1.1 a upgrade");
    check("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "GET / 1.0 - close");
}

#[test]
fn two_readings_of_the_length() {
    const LENGTH: &str = "400 Content-Length is not a number";
    const CODING: &str = "400 Transfer-Encoding is not exactly one";
    const TOGETHER: &str = "400 Content-Length and Transfer-Encoding come together";
    post("Content-Length: 6\r\nTransfer-Encoding: chunked", TOGETHER);
    post("Transfer-Encoding: chunked\r\nContent-Length: 6", TOGETHER);
    post("Content-Length: 1\r\nContent-Length: 1", "400 there are two Content-Length");
    post("Content-Length: 1\r\ncontent-length: 2", "400 there are two Content-Length");
    for length in [
        "",
        " ",
        "1, 1",
        "1,1",
        "-1",
        "+1",
        "0x10",
        "1e3",
        "1.0",
        "1 1",
        "1;",
        "ten",
        "1_0",
        "18446744073709551616",
        "99999999999999999999",
        "000000000000000000001",
        "\u{661}",
    ] {
        post(&format!("Content-Length: {length}"), LENGTH);
    }
    for coding in [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, identity",
        "chunked,",
        ",chunked",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunke",
        "chunked x",
        "'chunked'",
        "chunked\u{a0}",
    ] {
        post(&format!("Transfer-Encoding: {coding}"), CODING);
    }
    post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CODING);
    post("Transfer-Encoding: chunked\r\nTransfer-encoding: identity", CODING);
    post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", CODING);
    check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 HTTP/1.0 has no Transfer-Encoding");
}

#[test]
fn fields_in_disguise() {
    const CONTROL: &str = "400 a field's value holds a control";
    const NAME: &str = "400 a field's name holds a character";
    const BLANK: &str = "400 there is whitespace before the colon";
    post("Transfer-Encoding : chunked", BLANK);
    post("Transfer-Encoding\t: chunked", BLANK);
    post("Content-Length : 5", BLANK);
    post("Transfer Encoding: chunked", BLANK);
    post("Transfer-Encoding: \x0bchunked", CONTROL);
    post("Transfer-Encoding: chunked\x0b", CONTROL);
    post("Transfer-Encoding: chunked\0", CONTROL);
    post("X: a\rTransfer-Encoding: chunked", CONTROL);
    post("X: a\r\rY: b", CONTROL);
    post("X: \x7f", CONTROL);
    post("X: \x01", CONTROL);
    post("Transfer-Encoding\x0b: chunked", NAME);
    post("\x0bTransfer-Encoding: chunked", NAME);
    post("Transfer-Encoding\0: chunked", NAME);
    post("Transfer-Encoding\u{e9}: chunked", NAME);
    post("\"X\": y", NAME);
    post("X(a): y", NAME);
    post("\rX: y", NAME);
    post("Content_Length: 5", "400 a field's name holds `_`");
    post("X_Forwarded_For: 1.2.3.4", "400 a field's name holds `_`");
    post("_: 1", "400 a field's name holds `_`");
    post(": empty", "400 a field has no name");
    post("Transfer-Encoding:\r\n chunked", "400 Transfer-Encoding is not exactly one");
    post("X: a\r\n\tb", "400 a line begins with whitespace");
    check("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 a line begins with whitespace");
    post("no colon", BLANK);
    post("nocolon", "400 a field line has no colon");
    post("X: a\nTransfer-Encoding: chunked", "400 a line ends in a bare LF");
    post("X: a\n\nGET /admin HTTP/1.1", "400 a line ends in a bare LF");
    check("GET / HTTP/1.1\nHost: a\n\n", "400 a line ends in a bare LF");
    check("GET / HTTP/1.1\r\nHost: a\n\r\n", "400 a line ends in a bare LF");
    check(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: \xff\r\n\r\n", "400 the Connection field holds bytes over");
}

#[test]
fn hosts() {
    check("GET / HTTP/1.1\r\n\r\n", "400 there is no Host");
    post("Host: a", "400 there are two Host");
    post("host: b", "400 there are two Host");
    for host in ["", "a b", "a,b", "a/b", "u@a", "a:x", "http://a", "a#b", "[::1", "a\\b", "127.1", "a..b"] {
        check(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400 the host");
    }
    check(b"GET / HTTP/1.1\r\nHost: a\xff\r\n\r\n", "400 the host");
    line("GET http://A.EXAMPLE:80/x?y HTTP/1.1", "GET http://A.EXAMPLE:80/x?y 1.1 a.example");
    line("GET HTTPS://a.example?y HTTP/1.1", "GET HTTPS://a.example?y 1.1 a.example");
    line("GET http://a.example HTTP/1.1", "GET http://a.example 1.1 a.example");
    line("GET http://b.example/ HTTP/1.1", "400 the target names another host");
    line("GET http://a.example:81/ HTTP/1.1", "400 the target names another host");
    line("GET http://u@a.example/ HTTP/1.1", "400 the host holds a user name");
    line("GET http:///x HTTP/1.1", "400 the host is empty");
    check("GET http://a/ HTTP/1.0\r\n\r\n", "GET http://a/ 1.0 - close");
}

#[test]
fn request_lines() {
    const FORM: &str = "400 the request line is not";
    const VERSION: &str = "400 the request line does not end in";
    line("CONNECT a:443 HTTP/1.1", "MethodUnsupported");
    line("TRACE / HTTP/1.1", "MethodUnsupported");
    line("Trace / HTTP/1.1", "MethodUnsupported");
    line("GET a.example:80 HTTP/1.1", "MethodUnsupported");
    line(&format!("{} / HTTP/1.1", "M".repeat(33)), "MethodUnsupported");
    line("GET * HTTP/1.1", "400 the target `*`");
    line("GET  / HTTP/1.1", VERSION);
    line("GET /  HTTP/1.1", VERSION);
    line("GET / HTTP/1.1 ", VERSION);
    line("GET / x HTTP/1.1", VERSION);
    line("GET / HTTP/1.2", VERSION);
    line("GET / HTTP/2.0", VERSION);
    line("GET / HTTP/0.9", VERSION);
    line("GET / http/1.1", VERSION);
    line("GET / HTTP/1.1\x0b", VERSION);
    line("GET / HTTP/11", VERSION);
    line("GET /", "400 the request line has no version");
    line("GET", FORM);
    line("", FORM);
    line(" GET / HTTP/1.1", "400 the method is not a token");
    line("GET\t/ HTTP/1.1", FORM);
    line("G@T / HTTP/1.1", FORM);
    line("G\0T / HTTP/1.1", FORM);
    line("GET /a#b HTTP/1.1", "400 the request target holds a fragment");
    line("GET /\u{fc} HTTP/1.1", "400 the request target holds raw bytes");
    line("GET /a\tb HTTP/1.1", "400 the request target holds a control");
    line("GET /\0 HTTP/1.1", "400 the request target holds a control");
    line("GET /<b> HTTP/1.1", "400 the request target holds `\"`, `<`");
    line("GET x HTTP/1.1", "400 the request target begins with neither");
    line("GET ftp://a.example/ HTTP/1.1", "400 the request target begins with neither");
    line("GET ?x HTTP/1.1", "400 the request target begins with neither");
    check("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", FORM);
    check("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 a line ends in a bare LF");
}

#[test]
fn bounds_hold() {
    let target = |bytes: usize| format!("GET /{} HTTP/1.1", "a".repeat(bytes - 1));
    line(&target(bounds::TARGET_BYTES_MAX), "GET /");
    line(&target(bounds::TARGET_BYTES_MAX + 1), "UriTooLong");
    post("X: y\r\n".repeat(bounds::HEAD_FIELDS_MAX - 1).trim_end(), "POST");
    post("X: y\r\n".repeat(bounds::HEAD_FIELDS_MAX).trim_end(), "TooLarge");
    post(&format!("X: {}", "a".repeat(bounds::FIELD_VALUE_BYTES_MAX)), "POST");
    post(&format!("X: {}", "a".repeat(bounds::FIELD_VALUE_BYTES_MAX + 1)), "TooLarge");
    let half = format!("X: {}\r\n", "a".repeat(30_000));
    post(&format!("{half}{half}{half}X:"), "TooLarge");
}

#[test]
fn exactly_one_head() {
    let incomplete = "400 the head does not end";
    check("", incomplete);
    check("GET / HTTP/1.1\r\nHost: a\r\n", incomplete);
    check("GET / HTTP/1.1\r\nHost: a", incomplete);
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\nX", "400 there are bytes after");
}

#[test]
fn the_end_is_found_in_pieces() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2";
    for cut in 0..bytes.len() {
        let mut scanner = HeadScanner::new();
        let expect = Some(27);
        let first = scanner.find_end(&bytes[..cut]).unwrap();
        assert_eq!(first, expect.filter(|_| cut >= 27), "cut at {cut}");
        if first.is_none() {
            assert_eq!(scanner.find_end(bytes), Ok(expect), "cut at {cut}");
            assert_eq!(find_end(bytes, cut), expect);
        }
    }
    assert_eq!(find_end(b"GET / HTTP/1.1\r\n", 0), None);
    assert_eq!(HeadScanner::new().find_end(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Some(29)));
}

#[test]
fn garbage_is_answered_at_once() {
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\x16",
        b"\0",
        b"\n",
        b" GET",
        b"{\"a\":1}",
        b"GET\t",
        b"GET /\x80",
        b"GET /\0",
        b"\r\r",
        b"\r\n\r\n",
        b"GET /\rX",
        b"GET /\n",
        b"GET /\r\n",
        b"GET / HTTP/9.9\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        assert!(matches!(early_fault(garbage), Some(HeadFault::Malformed(_))), "{garbage:?}");
        assert!(HeadScanner::new().find_end(garbage).is_err(), "{garbage:?}");
    }
    assert_eq!(early_fault(&[b'A'; 33]), Some(HeadFault::MethodUnsupported));
    assert_eq!(early_fault(b"CONNECT a:1 HTTP/1.1\r\n"), Some(HeadFault::MethodUnsupported));
    assert_eq!(early_fault(format!("GET /{}", "a".repeat(9000)).as_bytes()), Some(HeadFault::UriTooLong));
    assert_eq!(
        HeadScanner::new().find_end(b"GET / HTTP/1.1\r\nHost: a\n\n"),
        Err(HeadFault::Malformed("a line ends in a bare LF: end every line in CR LF"))
    );
    let many = format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(10_000));
    assert_eq!(HeadScanner::new().find_end(many.as_bytes()), Err(HeadFault::TooLarge));
    let large = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(1 << 20));
    assert_eq!(HeadScanner::new().find_end(large.as_bytes()), Err(HeadFault::TooLarge));
    for good in [&b""[..], b"G", b"\r", b"\r\n", b"\r\nG", b"GET /a#", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nHo"] {
        assert_eq!(early_fault(good), None, "{good:?}");
    }
}

/// Heads made of what smuggling is made of.
fn hostile_head() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => Just("Host: a".to_owned()),
        2 => Just("Content-Length: 5".to_owned()),
        2 => Just("Transfer-Encoding: chunked".to_owned()),
        1 => Just("Connection: close".to_owned()),
        1 => Just(" folded".to_owned()),
        2 => "[A-Za-z_-]{1,8}: ?[ -~\t]{0,12}",
        1 => "[!-~]{1,4}[ \t]?:[ -~\r\n\x0b\0]{0,6}",
    ];
    let first = prop_oneof![
        4 => Just("GET / HTTP/1.1".to_owned()),
        2 => "(GET|POST|OPTIONS|M-SEARCH) [!-~]{1,16} HTTP/1.[01]",
        1 => "(GET|POST) (http://a|/|HTTPS://a:1)[!-~]{0,8} HTTP/1.[01]",
    ];
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n")];
    (first, prop::collection::vec((line, end.clone()), 0..6), end).prop_map(|(first, lines, end)| {
        let mut head = format!("{first}{end}");
        for (line, end) in lines {
            head.push_str(&line);
            head.push_str(end);
        }
        head.push_str("\r\n");
        head.into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What we let through, the parser inside hyper reads in the same way: same method, target, version, and fields.
    #[test]
    fn hyper_reads_what_we_read(bytes in hostile_head()) {
        let Ok(head) = inspect(&bytes) else { return Ok(()) };
        let mut fields = [httparse::EMPTY_HEADER; bounds::HEAD_FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(&bytes);
        prop_assert_eq!(parsed, Ok(httparse::Status::Complete(bytes.len())));
        prop_assert_eq!(request.method, Some(head.method_text(&bytes)));
        prop_assert_eq!(request.path, Some(head.target_text(&bytes)));
        prop_assert_eq!(request.version, Some(head.minor_version));
        prop_assert_eq!(request.headers.len(), head.fields);
        let uri = http::Uri::try_from(head.target_text(&bytes));
        prop_assert!(uri.is_ok(), "{}", head.target_text(&bytes));
        let uri = uri.unwrap();
        prop_assert_eq!(uri.path(), head.path_text(&bytes));
        prop_assert_eq!(uri.query(), head.query.as_ref().map(|range| text(&bytes, range)));
        let of = |name: &str| request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).count();
        prop_assert!(of("host") <= 1 && of("content-length") + of("transfer-encoding") <= 1);
        // And the checks for parsed requests agree.
        let mut builder = http::Request::builder().method(request.method.unwrap()).uri(uri).version(
            if head.minor_version == 1 { http::Version::HTTP_11 } else { http::Version::HTTP_10 },
        );
        for field in request.headers.iter() {
            builder = builder.header(field.name, field.value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        prop_assert_eq!(crate::inspect::check_parts(&parts), Ok(()));
    }

    #[test]
    fn hostile_heads_hold_the_invariants(bytes in hostile_head()) {
        crate::fuzz_bodies::head(&bytes);
    }
}

#[test]
fn every_byte_of_a_target_that_we_let_through_is_a_uri() {
    for byte in 0x21..0x7f_u8 {
        for target in [format!("/{}", char::from(byte)), format!("/?{}", char::from(byte))] {
            if crate::inspect::target(&target).is_ok() {
                assert!(http::Uri::try_from(&target).is_ok(), "{target}");
            }
        }
    }
}
