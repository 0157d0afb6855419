//! A URL, as something that may be fetched.

use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use http::uri::Scheme;
use thiserror::Error;

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Over TLS.
    pub tls: bool,
    /// A name or an address; without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query.
    pub target: String,
}

/// Why a URL is none that may be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadPlace {
    /// Not a URL of a server.
    #[error("it is not an http or https URL without user and fragment")]
    NotAUrl,
    /// In clear text to elsewhere: whoever stands between could give other keys.
    #[error("`http` is taken on loopback alone")]
    ClearText,
    /// Over TLS, where none is expected.
    #[error("there are no certificate authorities to trust it by")]
    NoTls,
}

// === impl Place ===

impl Place {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`BadPlace`].
    pub fn parse(url: &str) -> Result<Place, BadPlace> {
        if url.contains(['#', '@', '\\']) || !url.is_ascii() {
            return Err(BadPlace::NotAUrl);
        }
        let uri: Uri = url.parse().map_err(|_| BadPlace::NotAUrl)?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(BadPlace::NotAUrl),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(BadPlace::NotAUrl)?;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let place = Place {
            tls,
            host: bare.to_ascii_lowercase(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            target: uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        };
        if !tls && !place.is_loopback() {
            return Err(BadPlace::ClearText);
        }
        Ok(place)
    }

    /// Whether its host is, by what is written, this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    /// Without the port that everybody takes for granted.
    pub(super) fn host_field(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        if self.port == default { self.bracketed() } else { self.authority() }
    }

    fn bracketed(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{}]", self.host),
            Err(_) => self.host.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_fetched() {
        let check = |url: &str, expect: Result<(&str, u16, &str), BadPlace>| {
            let place = Place::parse(url);
            assert_eq!(
                place.as_ref().map(|place| (&*place.host, place.port, &*place.target)).map_err(Clone::clone),
                expect,
                "{url}"
            );
        };
        check("https://ID.example.com", Ok(("id.example.com", 443, "/")));
        check("https://id.example.com:8443/a/b?c=d", Ok(("id.example.com", 8443, "/a/b?c=d")));
        check("http://127.0.0.1:8080/jwks", Ok(("127.0.0.1", 8080, "/jwks")));
        check("http://[::1]/jwks", Ok(("::1", 80, "/jwks")));
        check("http://localhost/", Ok(("localhost", 80, "/")));
        check("http://id.example.com/jwks", Err(BadPlace::ClearText));
        check("http://169.254.169.254/latest", Err(BadPlace::ClearText));
        for wrong in [
            "",
            "/jwks",
            "file:///etc/passwd",
            "gopher://a/",
            "https://",
            "https://a@b/",
            "https://a/#b",
            "https://a\\b/",
            "https://ä.example/",
        ] {
            check(wrong, Err(BadPlace::NotAUrl));
        }
        assert_eq!(Place::parse("http://[::1]:81/").unwrap().host_field(), "[::1]:81");
        assert_eq!(Place::parse("https://a.example/").unwrap().host_field(), "a.example");
    }
}
