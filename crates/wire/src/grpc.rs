//! gRPC over HTTP, as far as whoever stands between must know it: who speaks it, for how long a caller waits, and how a
//! message is written into a field (the "gRPC over HTTP2" protocol, and gRPC-Web).

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Which gRPC a call speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// gRPC itself.
    Grpc,
    /// gRPC-Web in binary, for browsers.
    Web,
    /// gRPC-Web in base64.
    WebText,
}

/// A `grpc-timeout` that is none: it is one to eight digits and a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field grpc-timeout is not one to eight digits and one of H, M, S, m, u, n")]
pub struct TimeoutFault;

// === impl Dialect ===

impl Dialect {
    /// By the request's content type: `application/grpc`, `application/grpc+proto`, `application/grpc-web-text; …`.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Dialect> {
        let text = headers.get(CONTENT_TYPE)?.as_bytes();
        let text = text.split(|byte| matches!(byte, b';' | b'+' | b' ' | b'\t')).next()?;
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("application/grpc") => Some(Dialect::Grpc),
            () if is("application/grpc-web") => Some(Dialect::Web),
            () if is("application/grpc-web-text") => Some(Dialect::WebText),
            () => None,
        }
    }

    /// The content type of an answer that holds no message.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Dialect::Grpc => "application/grpc",
            Dialect::Web => "application/grpc-web+proto",
            Dialect::WebText => "application/grpc-web-text+proto",
        }
    }
}

/// How long the caller waits, if it says so.
///
/// # Errors
/// What it says is no time, or it says several.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, TimeoutFault> {
    let mut fields = headers.get_all(GRPC_TIMEOUT).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    if fields.next().is_some() {
        return Err(TimeoutFault);
    }
    let Some((unit, digits)) = field.as_bytes().split_last() else { return Err(TimeoutFault) };
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return Err(TimeoutFault);
    }
    let amount = digits.iter().fold(0_u64, |amount, digit| amount * 10 + u64::from(digit - b'0'));
    Ok(Some(match unit {
        b'H' => Duration::from_secs(amount * 3_600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return Err(TimeoutFault),
    }))
}

/// A text as `grpc-message` holds it: printable ASCII but for `%`, everything else percent-encoded in UTF-8.
#[must_use]
pub fn message(text: &str) -> String {
    let mut message = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            message.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            write!(message, "%{byte:02X}").unwrap_or_default();
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_dialect_is_told_by_the_content_type() {
        for (text, expect) in [
            ("application/grpc", Some(Dialect::Grpc)),
            ("application/grpc+proto", Some(Dialect::Grpc)),
            ("Application/GRPC; charset=utf-8", Some(Dialect::Grpc)),
            ("application/grpc-web+proto", Some(Dialect::Web)),
            ("application/grpc-web-text", Some(Dialect::WebText)),
            ("application/grpcish", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(Dialect::of(&headers("content-type", &[text])), expect, "{text}");
        }
        assert_eq!(Dialect::of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        for (text, expect) in [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("00000003S", Some(Duration::from_secs(3))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("0S", Some(Duration::ZERO)),
            ("100000000S", None),
            ("S", None),
            ("5", None),
            ("5s", None),
            ("-5S", None),
            ("5 S", None),
            ("+5S", None),
            ("", None),
        ] {
            assert_eq!(timeout(&headers("grpc-timeout", &[text])), expect.map(Some).ok_or(TimeoutFault), "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()), Ok(None));
        assert_eq!(timeout(&headers("grpc-timeout", &["1S", "1S"])), Err(TimeoutFault));
    }

    #[test]
    fn a_message_is_printable() {
        assert_eq!(message("limit `a`: 100 % used\r\nü"), "limit `a`: 100 %25 used%0D%0A%C3%BC");
    }
}
