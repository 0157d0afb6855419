//! Requests as an HTTP/2 library hands them over.

use http::{HeaderName, HeaderValue, Method, Request};

use super::*;

/// Says what becomes of an HTTP/2 request with these fields (`name: value`, one a line).
fn read(method: &str, uri: &str, fields: &str) -> String {
    let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2).body(()).unwrap();
    for line in fields.lines() {
        let (name, value) = line.split_once(':').unwrap();
        let name: HeaderName = name.trim().parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value.strip_prefix(' ').unwrap_or(value)).unwrap());
    }
    match check_parts(&request.into_parts().0) {
        Ok(()) => "fine".to_owned(),
        Err(HeadFault::Malformed(why)) => format!("400 {why}"),
        Err(fault) => format!("{fault:?}"),
    }
}

fn check(fields: &str, expect: &str) {
    let got = read("POST", "https://a.example/x?y", fields);
    assert!(got.starts_with(expect), "{fields:?}: {got}");
}

#[test]
fn well_formed() {
    check("", "fine");
    check("host: A.example:443\nte: trailers\ncontent-length: 5\naccept: */*", "fine");
    assert_eq!(read("OPTIONS", "*", "host: a"), "fine");
    assert_eq!(read("GET", "http://a?x", ""), "fine");
    assert_eq!(read("GET", "/x", "host: a"), "fine");
}

#[test]
fn what_would_become_framing_on_http_1() {
    for name in CONNECTION_SPECIFIC {
        check(&format!("{name}: x"), "400 an HTTP/2 request holds a field of HTTP/1");
    }
    check("te: trailers, gzip", "400 an HTTP/2 request holds a TE");
    check("te: gzip", "400 an HTTP/2 request holds a TE");
    check("content-length: 1\ncontent-length: 1", "400 there are two Content-Length");
    check("content-length: 1, 1", "400 Content-Length is not");
    check("content-length: +1", "400 Content-Length is not");
    check("x_forwarded_for: 1.2.3.4", "400 a field's name holds `_`");
    check("x:  y", "400 a field's value begins or ends");
    check("x: y\t", "400 a field's value begins or ends");
}

#[test]
fn hosts() {
    check("host: b.example", "400 the target names another host");
    check("host: a.example:8443", "400 the target names another host");
    check("host: a.example\nhost: a.example", "400 there are two Host");
    check("host: a,b", "400 the host");
    check("host:", "400 the host is empty");
    assert!(read("GET", "https://u@a.example/", "").starts_with("400 the host holds a user name"));
    assert!(read("GET", "/x", "").starts_with("400 the request names no host"));
    assert!(read("GET", "https://127.1/", "").starts_with("400 the host ends in a number"));
}

#[test]
fn methods_and_targets() {
    assert_eq!(read("TRACE", "https://a/", ""), "MethodUnsupported");
    assert_eq!(read("connect", "https://a/", ""), "MethodUnsupported");
    assert_eq!(read("CONNECT", "a:443", ""), "MethodUnsupported");
    assert_eq!(read("GET", "a:443", ""), "MethodUnsupported");
    assert!(read("GET", "*", "host: a").starts_with("400 the target `*`"));
    assert!(read("GET", "/\u{fc}", "host: a").starts_with("400 the request target holds raw bytes"));
    let long = format!("/{}", "a".repeat(bounds::TARGET_BYTES_MAX));
    assert_eq!(read("GET", &long, "host: a"), "UriTooLong");
    assert_eq!(read("GET", &format!("https://a?{long}"), ""), "UriTooLong");
}

#[test]
fn bounds_hold() {
    check("x: y\n".repeat(bounds::HEAD_FIELDS_MAX).trim_end(), "fine");
    check("x: y\n".repeat(bounds::HEAD_FIELDS_MAX + 1).trim_end(), "TooLarge");
    check(&format!("x: {}", "a".repeat(bounds::FIELD_VALUE_BYTES_MAX + 1)), "TooLarge");
    let half = format!("x: {}", "a".repeat(30_000));
    check(&format!("{half}\n{half}\n{half}"), "TooLarge");
}

#[test]
fn the_host_that_is_asked_for() {
    let asked = |uri: &str, host: Option<&str>| {
        let mut request = Request::builder().method(Method::GET).uri(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        host_of(&request.body(()).unwrap().into_parts().0).map(str::to_owned)
    };
    assert_eq!(asked("https://a:1/x", Some("b")).as_deref(), Some("a:1"));
    assert_eq!(asked("/x", Some("b")).as_deref(), Some("b"));
    assert_eq!(asked("/x", None), None);
}
