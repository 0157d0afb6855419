//! URLs as people type them, and as a `Location` field gives them.
//!
//! | typed | means |
//! |---|---|
//! | `:8080/x`, `:/x` | `http://localhost:8080/x`, `http://localhost/x` |
//! | `localhost:3000`, `127.0.0.1/x`, `[::1]:80/x` | `http://`: this machine |
//! | `example.com/x` | `https://`: everything else |
//!
//! HTTPie takes `http://` for every host. A key must not cross a network in clear because a scheme was not typed, so
//! only this machine gets it here.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use callgate_model::Secret;

use crate::percent;
use crate::problem::Problem;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

/// Where a call goes. Never holds a user or password: those become a header field at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// How.
    pub scheme: Scheme,
    /// Lower case; IPv6 without brackets.
    pub host: String,
    /// As written, or the scheme's own.
    pub port: u16,
    /// Path and query as they stand in the request line; begins with `/`, has no fragment.
    pub target: String,
}

/// The user and password of `https://user:password@host/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Before the colon.
    pub name: String,
    /// After it.
    pub password: Secret,
}

// === impl Scheme ===

impl Scheme {
    /// As written in a URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that a URL leaves out.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

// === impl User ===

impl User {
    /// `name:password`, or a name alone with an empty password.
    #[must_use]
    pub fn parse(text: &str) -> User {
        let (name, password) = text.split_once(':').unwrap_or((text, ""));
        User { name: name.to_owned(), password: Secret::new(password) }
    }
}

// === impl Url ===

impl Url {
    /// Reads a URL as a person typed it, with the shorthands above.
    pub fn parse(typed: &str) -> Result<(Url, Option<User>), Problem> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(Problem::new(
                "the URL is empty",
                "write one, for example :8080/health or https://example.com/",
            ));
        }
        let (scheme, rest) = match typed.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => (Some(read_scheme(scheme, typed)?), rest),
            _ => (None, typed),
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(User::parse(user)), authority),
            None => (None, authority),
        };
        let (host, port) = read_authority(authority, typed)?;
        let scheme = scheme.unwrap_or(if is_this_machine(&host) { Scheme::Http } else { Scheme::Https });
        let url = Url { scheme, host, port: port.unwrap_or(scheme.port()), target: as_target(tail) };
        Ok((url, user))
    }

    /// `host:port` for the `Host` field and for people; the scheme's own port is left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// `https://example.com`: what has to be equal for a credential to go along.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.authority())
    }

    /// The target up to the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The target's query, as written.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Adds pairs that are already encoded to the query.
    pub(crate) fn append_query(&mut self, encoded: &str) {
        let separator = match self.query() {
            None => "?",
            Some("") => "",
            Some(_) => "&",
        };
        self.target.push_str(separator);
        self.target.push_str(encoded);
    }

    /// The URL that a `Location` field means, seen from this one (RFC 3986 section 5.2). A fragment is dropped.
    pub fn join(&self, reference: &str) -> Result<Url, Problem> {
        let absolute = reference.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#']));
        if absolute {
            return Url::parse(reference).map(|(url, _)| url);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Url::parse(&format!("{}://{rest}", self.scheme.name())).map(|(url, _)| url);
        }
        let reference = reference.split_once('#').map_or(reference, |(before, _)| before);
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let target = match (path, query) {
            ("", None) => self.target.clone(),
            ("", Some(query)) => format!("{}?{query}", self.path()),
            (path, query) => {
                let from =
                    if path.starts_with('/') { "" } else { self.path().rsplit_once('/').map_or("", |cut| cut.0) };
                let merged = if path.starts_with('/') { path.to_owned() } else { format!("{from}/{path}") };
                let path = without_dots(&merged);
                query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"))
            }
        };
        Ok(Url { target: percent::target(&target), ..self.clone() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin(), self.target)
    }
}

fn read_scheme(scheme: &str, typed: &str) -> Result<Scheme, Problem> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        other => Err(Problem::new(format!("`{other}://` in `{typed}`"), "calls go over http:// or https://")),
    }
}

/// Host and port. No host at all is this machine, so that `:8080/x` works.
fn read_authority(authority: &str, typed: &str) -> Result<(String, Option<u16>), Problem> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if host.parse::<Ipv6Addr>().is_ok() => (host, rest.strip_prefix(':')),
        Some((host, _)) => {
            return Err(Problem::new(format!("`[{host}]` in `{typed}`"), "write an IPv6 address in brackets"));
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        None | Some("") => None,
        Some(text) => match text.parse() {
            Ok(port @ 1..) => Some(port),
            _ => return Err(Problem::new(format!("port `{text}` in `{typed}`"), "write a number from 1 to 65535")),
        },
    };
    if !host.is_ascii() {
        let fix = "write it in its ASCII form (xn--…); international names are not translated yet";
        return Err(Problem::new(format!("host `{host}`"), fix));
    }
    if let Some(odd) = host.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"-._:".contains(*letter)) {
        return Err(Problem::new(format!("`{odd}` in host `{host}`"), "a host has letters, digits, `-` and `.`"));
    }
    let host = if host.is_empty() { "localhost".to_owned() } else { host.to_ascii_lowercase() };
    Ok((host, port))
}

/// Loopback by name or by address.
fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// What follows the authority, as a request line has it.
fn as_target(tail: &str) -> String {
    let tail = tail.split_once('#').map_or(tail, |(before, _)| before);
    let slash = if tail.starts_with('/') { "" } else { "/" };
    percent::target(&format!("{slash}{tail}"))
}

/// Resolves `.` and `..` (RFC 3986 section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorthands_mean_what_the_table_says() {
        for (typed, expect) in [
            (":8080/x", "http://localhost:8080/x"),
            (":/x", "http://localhost/x"),
            (":", "http://localhost/"),
            (":8080", "http://localhost:8080/"),
            ("localhost:3000?a=b c", "http://localhost:3000/?a=b%20c"),
            ("api.localhost/x", "http://api.localhost/x"),
            ("127.9.9.9/x", "http://127.9.9.9/x"),
            ("[::1]:81/x", "http://[::1]:81/x"),
            ("example.com/x", "https://example.com/x"),
            ("10.0.0.1", "https://10.0.0.1/"),
            ("HTTP://Example.COM:80/a/../b#part", "http://example.com/a/../b"),
            ("https://example.com:8443", "https://example.com:8443/"),
            ("example.com/go?to=http://a/", "https://example.com/go?to=http://a/"),
            ("example.com/%2e%2E/é", "https://example.com/%2e%2E/%C3%A9"),
        ] {
            let (url, user) = Url::parse(typed).unwrap();
            assert_eq!((url.to_string().as_str(), user), (expect, None), "{typed}");
        }
    }

    #[test]
    fn a_user_in_the_url_is_taken_out_of_it() {
        let (url, user) = Url::parse("https://ada:s3:cret@example.com/").unwrap();
        assert_eq!(url.to_string(), "https://example.com/");
        assert_eq!(user, Some(User { name: "ada".to_owned(), password: Secret::new("s3:cret") }));
    }

    #[test]
    fn what_is_no_url_is_said() {
        for (typed, expect) in [
            (" ", "the URL is empty: write one, for example :8080/health or https://example.com/"),
            ("ftp://a/", "`ftp://` in `ftp://a/`: calls go over http:// or https://"),
            (":80a/", "port `80a` in `:80a/`: write a number from 1 to 65535"),
            ("a:0", "port `0` in `a:0`: write a number from 1 to 65535"),
            ("a b/", "` ` in host `a b`: a host has letters, digits, `-` and `.`"),
            ("[::zz]/", "`[::zz]` in `[::zz]/`: write an IPv6 address in brackets"),
            (
                "bücher.example",
                "host `bücher.example`: write it in its ASCII form (xn--…); international names are not translated yet",
            ),
        ] {
            assert_eq!(Url::parse(typed).unwrap_err().to_string(), expect);
        }
    }

    #[test]
    fn references_are_resolved_as_rfc_3986_says() {
        let (base, _) = Url::parse("http://a/b/c/d?q").unwrap();
        for (reference, expect) in [
            ("g", "http://a/b/c/g"),
            ("./g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d?y"),
            ("g?y#s", "http://a/b/c/g?y"),
            ("", "http://a/b/c/d?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../../../g", "http://a/g"),
            ("https://h/x y", "https://h/x%20y"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), expect, "{reference}");
        }
    }
}
