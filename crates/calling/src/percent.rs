//! Percent-encoding, in the three ways that a URL and a form need it.

use std::fmt::Write as _;

/// For a name or value in a query: everything but unreserved characters (RFC 3986 section 2.3).
pub(crate) fn component(text: &str) -> String {
    encode(text.as_bytes(), |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// For a name or value in `application/x-www-form-urlencoded` (WHATWG URL, section 5.2), where a space is `+`.
pub(crate) fn form(text: &str) -> String {
    encode(text.as_bytes(), |byte| byte.is_ascii_alphanumeric() || b"*-._ ".contains(&byte)).replace(' ', "+")
}

/// For a target that a person typed: only what can't stand in a request line. Everything else goes out as written, odd
/// paths too, because looking at what a gate does with them is a use of this client.
pub(crate) fn target(text: &str) -> String {
    encode(text.as_bytes(), |byte| byte.is_ascii_graphic() && !b"\"<>`".contains(&byte))
}

fn encode(bytes: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if stays(byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a String can't fail.
            let _written = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_keeps_what_it_may() {
        let text = "a b&c=d/é~*%41";
        assert_eq!(component(text), "a%20b%26c%3Dd%2F%C3%A9~%2A%2541");
        assert_eq!(form(text), "a+b%26c%3Dd%2F%C3%A9%7E*%2541");
        assert_eq!(target(text), "a%20b&c=d/%C3%A9~*%41");
    }
}
