//! Where a person's browser is sent back to after signing in: which addresses a client may have, and when two are the same.
//!
//! The code travels in this address, so whatever matches by accident gives it to somebody else. Nothing is normalised and
//! nothing is a pattern: the text is the text (RFC 9700 section 2.1), but for the port on loopback.

use crate::bounds;

/// The literals of loopback. `localhost` is none of them: what it leads to is for a file of the machine to say (RFC 8252
/// section 8.3).
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Whether a client may have this address: https; http on loopback's literals; or a private scheme in the form of a domain
/// turned round (RFC 8252 section 7.1), as apps on phones have.
#[must_use]
pub fn is_redirect(text: &str) -> bool {
    let is_printable =
        text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'#'));
    if !is_printable || text.len() > bounds::REDIRECT_BYTES_MAX {
        return false;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    match scheme {
        "https" => rest.strip_prefix("//").is_some_and(|rest| is_authority(authority_of(rest))),
        "http" => loopback(text).is_some(),
        scheme => {
            scheme.contains('.')
                && scheme.starts_with(|first: char| first.is_ascii_lowercase())
                && scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
                && rest.starts_with('/')
        }
    }
}

/// Whether the address of a request is the one that a client has. On loopback any port is: programs take a free one (RFC 8252
/// section 7.3).
#[must_use]
pub fn matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    match (loopback(registered), loopback(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// Whether any program of the person's own machine can stand at this address: then the client is not known by it.
#[must_use]
pub fn is_anybodys(redirect: &str) -> bool {
    !redirect.starts_with("https:")
}

/// The literal and what follows the port, of an address on loopback.
fn loopback(text: &str) -> Option<(&str, &str)> {
    let literal = LOOPBACK.into_iter().find(|literal| text.starts_with(literal))?;
    let rest = text.strip_prefix(literal)?;
    let rest = match rest.strip_prefix(':') {
        Some(port) => {
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = port.split_at_checked(digits)?;
            port.parse::<u16>().ok().filter(|port| *port > 0)?;
            rest
        }
        None => rest,
    };
    // What follows is a path or a query: `http://127.0.0.1:80@evil.example/` is at another place.
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((literal, rest))
}

fn authority_of(rest: &str) -> &str {
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// A name or an address with perhaps a port; no user and no password, which only deceive.
fn is_authority(authority: &str) -> bool {
    !authority.is_empty()
        && !authority.starts_with(':')
        && authority
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_a_client_may_have() {
        let check = |text: &str, expect: bool| assert_eq!(is_redirect(text), expect, "{text}");
        check("https://app.example.com/back", true);
        check("https://app.example.com:8443/back?tenant=1", true);
        check("https://[2001:db8::1]/back", true);
        check("http://127.0.0.1/back", true);
        check("http://127.0.0.1:8123/back", true);
        check("http://[::1]:1/", true);
        check("com.example.app:/back", true);
        for wrong in [
            "",
            "/back",
            "https://",
            "https:///back",
            "https:back",
            "http://app.example.com/back",
            "http://localhost/back",
            "http://127.0.0.1:0/back",
            "http://127.0.0.1:99999/back",
            "http://127.0.0.1:80@evil.example/",
            "http://127.0.0.1.evil.example/",
            "https://user:word@app.example.com/",
            "https://app.example.com\\@evil.example/",
            "https://app.example.com/#here",
            "https://app.example.com/a b",
            "https://app.example.com/\u{e4}",
            "javascript:alert(1)",
            "data:text/html,x",
            "app:/back",
            "com.example.app:back",
            "HTTPS://app.example.com/",
            "https://*.example.com/",
        ] {
            check(wrong, false);
        }
        check(&format!("https://app.example.com/{}", "x".repeat(bounds::REDIRECT_BYTES_MAX)), false);
    }

    #[test]
    fn nothing_matches_but_the_same_and_another_port_on_loopback() {
        let check = |registered: &str, asked: &str, expect: bool| {
            assert_eq!(matches(registered, asked), expect, "{registered} {asked}");
        };
        check("https://app.example.com/back", "https://app.example.com/back", true);
        check("https://app.example.com/back", "https://app.example.com/back/", false);
        check("https://app.example.com/back", "https://app.example.com/back?x=1", false);
        check("https://app.example.com/back", "https://app.example.com:443/back", false);
        check("https://app.example.com/back", "https://app.example.com/back/../evil", false);
        check("https://app.example.com/back", "https://app.example.com.evil.example/back", false);
        check("https://app.example.com/back", "http://app.example.com/back", false);
        check("http://127.0.0.1/back", "http://127.0.0.1:51234/back", true);
        check("http://127.0.0.1:1/back", "http://127.0.0.1/back", true);
        check("http://[::1]/back", "http://[::1]:9/back", true);
        check("http://127.0.0.1/back", "http://[::1]:9/back", false);
        check("http://127.0.0.1/back", "http://127.0.0.1:9/other", false);
        check("http://127.0.0.1/back", "http://127.0.0.1:9@evil.example/back", false);
        check("http://127.0.0.1/back", "http://127.0.0.1:9x/back", false);
    }
}
