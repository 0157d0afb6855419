//! Absolute URLs, compared (RFC 3986 sections 6.2.2 and 6.2.3): one address has many ways to be written.

use http::Uri;

use crate::path::{self, PathRules};

/// An address in one way to write it, without query and fragment; none for what is no absolute URL.
#[must_use]
pub fn canonical(address: &str) -> Option<String> {
    let uri: Uri = address.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let host = uri.host()?.to_ascii_lowercase();
    let default_port = if scheme == "https" { 443 } else { 80 };
    let port = uri.port_u16().filter(|port| *port != default_port);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let rules = PathRules { encoded_separators: true, semicolons: true };
    let path = path::normalize(if uri.path().is_empty() { "/" } else { uri.path() }, &rules).ok()?;
    Some(format!("{scheme}://{host}{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, same: bool) {
        let (one, other) = (canonical(one), canonical(other));
        assert_eq!(one.is_some() && one == other, same, "{one:?} {other:?}");
    }

    #[test]
    fn an_address_is_the_same_however_it_is_written() {
        check("https://Api.Example.com:443/a", "HTTPS://api.example.com/a", true);
        check("http://127.0.0.1:80", "http://127.0.0.1/", true);
        check("https://api.example.com/a/./b/../c", "https://api.example.com/a/c", true);
        check("https://api.example.com/%7Eada", "https://api.example.com/~ada", true);
        check("https://api.example.com/a%2fb", "https://api.example.com/a%2Fb", true);
        check("https://api.example.com/a?b=1", "https://api.example.com/a", true);
        check("https://api.example.com/a", "https://api.example.com/A", false);
        check("https://api.example.com/a", "https://api.example.com/a/", false);
        check("https://api.example.com/a", "http://api.example.com/a", false);
        check("https://api.example.com:8443/a", "https://api.example.com/a", false);
        check("/a", "/a", false);
        check("https://api.example.com/a b", "https://api.example.com/a b", false);
    }
}
