//! A request's head, as bytes.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request};
use http_body::Body;

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// By its length; so many bytes are still to come.
    Length(u64),
    Chunked,
}

/// Writes the head of a request to `out` and says how its body follows. The framing fields are written here: a
/// Transfer-Encoding field asks for chunks, a Content-Length field counts if the body does not know its own length, and a
/// body that has ended needs neither.
pub(super) fn head<B: Body>(request: &Request<B>, out: &mut Vec<u8>) -> Coding {
    out.extend_from_slice(request.method().as_str().as_bytes());
    out.push(b' ');
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    if !target.starts_with(['/', '*']) {
        out.push(b'/');
    }
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING {
            field(name, value, out);
        }
    }
    let coding = coding(request);
    match coding {
        Coding::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Coding::Length(0) if !says_zero(request) => {}
        Coding::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            digits(length, 10, out);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    coding
}

/// Trailer fields, as the end of a chunked body.
pub(super) fn trailers(fields: &HeaderMap, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields {
        field(name, value, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// The line before a chunk of this length.
pub(super) fn chunk(length: usize, out: &mut Vec<u8>) {
    digits(length as u64, 16, out);
    out.extend_from_slice(b"\r\n");
}

/// Whether a message's Connection field wants it to be the last one.
pub(super) fn closes(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(CONNECTION).iter();
    fields.any(|value| has_token(value, b"close"))
}

/// Whether a list has this token, in whatever case.
pub(super) fn has_token(list: &HeaderValue, token: &[u8]) -> bool {
    list.as_bytes().split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(token))
}

fn field(name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn coding<B: Body>(request: &Request<B>) -> Coding {
    let body = request.body();
    if body.is_end_stream() {
        return Coding::Length(0);
    }
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return Coding::Chunked;
    }
    let declared = || request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    body.size_hint().exact().or_else(declared).map_or(Coding::Chunked, Coding::Length)
}

/// Whether a request without a body says so. What defines a body (POST, PUT, PATCH) says it in any case: some servers
/// answer 411 to one that doesn't (RFC 9110 section 8.6).
fn says_zero<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        || request.headers().contains_key(CONTENT_LENGTH)
}

/// A number in base 10 or 16.
fn digits(number: u64, base: u32, out: &mut Vec<u8>) {
    let (start, mut rest) = (out.len(), number);
    loop {
        let digit = u32::try_from(rest % u64::from(base)).unwrap_or_default();
        out.extend(char::from_digit(digit, base).map(|digit| digit as u8));
        rest /= u64::from(base);
        if rest == 0 {
            break;
        }
    }
    out.get_mut(start..).unwrap_or_default().reverse();
}
