//! The checks that requests of every HTTP version share: method, target, host, and an HTTP/2 request as a whole.

use callgate_model::bounds;
use http::header::{CONTENT_LENGTH, HOST, TE};
use http::request::Parts;
use http::{HeaderMap, Version};

use crate::fault::{HeadFault, malformed};
use crate::head;
use crate::host::Host;
use crate::octets::{self, NAME, TOKEN};
use crate::target::{self, Target, TargetForm};

/// Bytes of a method; the longest registered one (`UPDATEREDIRECTREF`) has 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// Fields that speak about one HTTP/1 connection and must not come by HTTP/2 (RFC 9113 section 8.2.2): a gate that
/// passed them on would let a caller write the framing of the upstream's connection.
const CONNECTION_SPECIFIC: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"];

/// Whether a method is a token that this gate serves.
///
/// # Errors
/// [`HeadFault::MethodUnsupported`] for CONNECT and TRACE in any case (back ends differ in reading it) and for methods
/// longer than any.
pub fn method(method: &[u8]) -> Result<(), HeadFault> {
    if method.is_empty() || !octets::all(method, TOKEN) {
        return malformed("the method is not a token");
    }
    let tunnels = method.eq_ignore_ascii_case(b"CONNECT") || method.eq_ignore_ascii_case(b"TRACE");
    if tunnels || method.len() > METHOD_BYTES_MAX { Err(HeadFault::MethodUnsupported) } else { Ok(()) }
}

/// Cuts a target into its parts.
///
/// # Errors
/// As [`target::parse`].
pub fn target(target: &str) -> Result<Target, HeadFault> {
    target::parse(target.as_bytes())
}

/// Cuts a host into name and port.
///
/// # Errors
/// As [`Host::parse`].
pub fn host(host: &str) -> Result<Host<'_>, HeadFault> {
    Host::parse(host)
}

/// The host that a parsed request asks for: its authority, else its Host field.
#[must_use]
pub fn host_of(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST).and_then(|value| value.to_str().ok()),
    }
}

/// Checks a request that an HTTP library parsed from HTTP/2, where no bytes of a head could be inspected. It also holds
/// for HTTP/1.x, where it finds nothing that [`head::inspect`] has not refused.
///
/// # Errors
/// What is wrong with it. On HTTP/2 only this stream is at fault, not the connection.
pub fn check_parts(parts: &Parts) -> Result<(), HeadFault> {
    method(parts.method.as_str().as_bytes())?;
    check_uri(parts)?;
    check_fields(&parts.headers, parts.version >= Version::HTTP_2)?;
    check_host(parts)
}

fn check_uri(parts: &Parts) -> Result<(), HeadFault> {
    let Some(path_and_query) = parts.uri.path_and_query() else {
        return Err(HeadFault::MethodUnsupported);
    };
    let path_and_query = path_and_query.as_str();
    // `http://host?query` has no path; what is checked is then `/?query` without its `/`.
    if let Some(query) = path_and_query.strip_prefix('?') {
        return target::characters(query.as_bytes());
    }
    match target::parse(path_and_query.as_bytes())?.form {
        TargetForm::Asterisk if parts.method != http::Method::OPTIONS => {
            malformed("the target `*` belongs to OPTIONS alone")
        }
        TargetForm::Absolute => malformed("the path does not begin with `/`"),
        TargetForm::Origin | TargetForm::Asterisk => Ok(()),
    }
}

fn check_fields(headers: &HeaderMap, is_h2: bool) -> Result<(), HeadFault> {
    if headers.len() > bounds::HEAD_FIELDS_MAX {
        return Err(HeadFault::TooLarge);
    }
    let mut bytes = 0;
    for (name, value) in headers {
        bytes += name.as_str().len() + value.len() + 4;
        if bytes > bounds::HEAD_BYTES_MAX || value.len() > bounds::FIELD_VALUE_BYTES_MAX {
            return Err(HeadFault::TooLarge);
        }
        if !octets::all(name.as_str().as_bytes(), NAME) {
            return malformed("a field's name holds `_`, which CGI and WSGI can't tell from `-`: use `-`");
        }
        if is_h2 && octets::trim(value.as_bytes()).len() != value.len() {
            return malformed("a field's value begins or ends with whitespace (RFC 9113 section 8.2.1)");
        }
    }
    if is_h2 && CONNECTION_SPECIFIC.iter().any(|name| headers.contains_key(*name)) {
        return malformed("an HTTP/2 request holds a field of HTTP/1 connections (Connection, Transfer-Encoding, ...)");
    }
    if is_h2 && headers.get_all(TE).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"trailers")) {
        return malformed("an HTTP/2 request holds a TE other than `trailers`");
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next() {
        head::content_length(length.as_bytes())?;
        if lengths.next().is_some() {
            return malformed("there are two Content-Length fields: send one");
        }
    }
    Ok(())
}

fn check_host(parts: &Parts) -> Result<(), HeadFault> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let field = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return malformed("there are two Host fields: send one"),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Some(Host::parse(text)?),
            Err(_) => return malformed("the host holds characters that no host name has"),
        },
        (None, _) => None,
    };
    let authority = match parts.uri.authority() {
        Some(authority) => Some(Host::parse(authority.as_str())?),
        None => None,
    };
    let default_port = match parts.uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    match (authority, field) {
        (Some(authority), Some(field)) if !authority.agrees(&field, default_port) => {
            malformed("the target names another host than the Host field")
        }
        (None, None) if parts.version != Version::HTTP_10 => malformed("the request names no host"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
