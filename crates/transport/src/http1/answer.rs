//! The head of an answer, as HTTP/1.x writes it: status line, fields, and how the client finds the end of the body.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use callgate_model::Clock;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TE, TRANSFER_ENCODING, UPGRADE};
use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body::SizeHint;

/// What of a request its answer must fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spoken {
    is_1_1: bool,
    is_head: bool,
    takes_trailers: bool,
}

/// How the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// There is none, or nothing of it is left.
    Nothing,
    /// After this many more bytes.
    Length(u64),
    /// With its last chunk.
    Chunked {
        /// Whether the client takes trailers.
        trailers: bool,
    },
    /// With the connection.
    UntilClose,
}

/// `date: …` for the current second, which most answers share with the one before.
struct Today {
    clock: Clock,
    second: u64,
    line: String,
}

thread_local! {
    static TODAY: RefCell<Today> = RefCell::new(Today { clock: Clock::system(), second: 0, line: String::new() });
}

// === impl Spoken ===

impl Spoken {
    pub(super) fn of<B>(request: &Request<B>) -> Spoken {
        Spoken {
            is_1_1: request.version() == Version::HTTP_11,
            is_head: request.method() == Method::HEAD,
            takes_trailers: request.headers().get(TE).is_some_and(|te| takes_trailers(te.as_bytes())),
        }
    }
}

fn takes_trailers(te: &[u8]) -> bool {
    te.split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Writes the head of an answer, and says how its body ends and whether the connection is kept after it.
pub(super) fn write(
    into: &mut Vec<u8>,
    spoken: Spoken,
    head: &Parts,
    hint: &SizeHint,
    may_keep: bool,
) -> (Outgoing, bool) {
    let bodiless =
        head.status.is_informational() || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let declared = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let (outgoing, said) = match declared.or(hint.exact()) {
        _ if bodiless => (Outgoing::Nothing, declared.filter(|_| head.status == StatusCode::NOT_MODIFIED)),
        // What GET would have, where it is known; an empty body says nothing about that.
        _ if spoken.is_head => (Outgoing::Nothing, declared.or(hint.exact().filter(|length| *length > 0))),
        Some(0) => (Outgoing::Nothing, Some(0)),
        Some(length) => (Outgoing::Length(length), Some(length)),
        None if spoken.is_1_1 => (Outgoing::Chunked { trailers: spoken.takes_trailers }, None),
        None => (Outgoing::UntilClose, None),
    };
    let kept = may_keep && outgoing != Outgoing::UntilClose;

    into.extend_from_slice(if spoken.is_1_1 { b"HTTP/1.1 " } else { b"HTTP/1.0 " });
    into.extend_from_slice(head.status.as_str().as_bytes());
    into.push(b' ');
    into.extend_from_slice(head.status.canonical_reason().unwrap_or_default().as_bytes());
    into.extend_from_slice(b"\r\n");
    let upgrades = fields(into, &head.headers);
    if let Some(length) = said {
        into.extend_from_slice(b"content-length: ");
        decimal(into, length);
        into.extend_from_slice(b"\r\n");
    }
    if matches!(outgoing, Outgoing::Chunked { .. }) {
        into.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    match (kept, spoken.is_1_1) {
        // The field belongs to this connection alone, and must say so (RFC 9110 section 7.8).
        _ if upgrades && (kept || head.status == StatusCode::SWITCHING_PROTOCOLS) => {
            into.extend_from_slice(b"connection: upgrade\r\n");
        }
        (false, _) if upgrades => into.extend_from_slice(b"connection: close, upgrade\r\n"),
        (true, true) => {}
        (true, false) => into.extend_from_slice(b"connection: keep-alive\r\n"),
        (false, _) => into.extend_from_slice(b"connection: close\r\n"),
    }
    if !head.headers.contains_key(DATE) {
        date(into);
    }
    into.extend_from_slice(b"\r\n");
    (outgoing, kept)
}

/// All fields but those that belong to the connection, which are said anew. Whether Upgrade is among them.
fn fields(into: &mut Vec<u8>, headers: &HeaderMap) -> bool {
    let mut upgrades = false;
    for (name, value) in headers {
        if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING || *name == CONNECTION {
            continue;
        }
        upgrades |= *name == UPGRADE;
        field(into, name.as_str().as_bytes(), value.as_bytes());
    }
    upgrades
}

/// One field line.
pub(super) fn field(into: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    into.reserve(name.len() + value.len() + 4);
    into.extend_from_slice(name);
    into.extend_from_slice(b": ");
    into.extend_from_slice(value);
    into.extend_from_slice(b"\r\n");
}

/// A number in decimal digits.
fn decimal(into: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        first = at;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// RFC 9110 section 6.6.1: an origin server with a clock says the date, and for what it refuses the gate is one.
fn date(into: &mut Vec<u8>) {
    TODAY.with_borrow_mut(|today| {
        let second = u64::try_from(today.clock.unix_ms() / 1_000).unwrap_or_default();
        if today.second != second {
            today.second = second;
            today.line = format!("date: {}\r\n", httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second)));
        }
        into.extend_from_slice(today.line.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn written(method: &str, version: Version, response: http::response::Builder, hint: SizeHint) -> (String, bool) {
        let request = Request::builder().method(method).version(version).header("te", "trailers").body(()).unwrap();
        let (head, ()) = response.header("date", "d").body(()).unwrap().into_parts();
        let mut into = Vec::new();
        let (_, kept) = write(&mut into, Spoken::of(&request), &head, &hint, true);
        (String::from_utf8(into).unwrap().replace("\r\n", "|"), kept)
    }

    #[test]
    fn every_answer_says_where_it_ends() {
        let check = |method: &str, version, response, hint, want: &str, kept| {
            assert_eq!(written(method, version, response, hint), (want.to_owned(), kept));
        };
        let (one, zero) = (Version::HTTP_11, Version::HTTP_10);
        let ok = || Response::builder();
        let unknown = SizeHint::default;
        check("GET", one, ok(), SizeHint::with_exact(5), "HTTP/1.1 200 OK|date: d|content-length: 5||", true);
        check("GET", one, ok(), SizeHint::with_exact(0), "HTTP/1.1 200 OK|date: d|content-length: 0||", true);
        check("GET", one, ok(), unknown(), "HTTP/1.1 200 OK|date: d|transfer-encoding: chunked||", true);
        check("GET", zero, ok(), unknown(), "HTTP/1.0 200 OK|date: d|connection: close||", false);
        check(
            "GET",
            zero,
            ok(),
            SizeHint::with_exact(5),
            "HTTP/1.0 200 OK|date: d|content-length: 5|connection: keep-alive||",
            true,
        );
        check(
            "HEAD",
            one,
            ok().header("content-length", "7"),
            unknown(),
            "HTTP/1.1 200 OK|date: d|content-length: 7||",
            true,
        );
        check("HEAD", one, ok(), SizeHint::with_exact(0), "HTTP/1.1 200 OK|date: d||", true);
        check(
            "GET",
            one,
            ok().status(204).header("content-length", "7"),
            unknown(),
            "HTTP/1.1 204 No Content|date: d||",
            true,
        );
        check(
            "GET",
            one,
            ok().status(304).header("content-length", "7"),
            unknown(),
            "HTTP/1.1 304 Not Modified|date: d|content-length: 7||",
            true,
        );
        let switching = || ok().header("upgrade", "websocket");
        check(
            "GET",
            one,
            switching().status(101),
            unknown(),
            "HTTP/1.1 101 Switching Protocols|upgrade: websocket|date: d|connection: upgrade||",
            true,
        );
        check(
            "GET",
            one,
            switching().status(426),
            SizeHint::with_exact(0),
            "HTTP/1.1 426 Upgrade Required|upgrade: websocket|date: d|content-length: 0|connection: upgrade||",
            true,
        );
        check(
            "GET",
            one,
            ok().header("connection", "x").header("transfer-encoding", "gzip").header("content-length", "3"),
            unknown(),
            "HTTP/1.1 200 OK|date: d|content-length: 3||",
            true,
        );
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 1_234_567, u64::MAX] {
            let mut into = Vec::new();
            decimal(&mut into, number);
            assert_eq!(String::from_utf8(into).unwrap(), number.to_string());
        }
    }
}
