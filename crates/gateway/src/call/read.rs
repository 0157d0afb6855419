//! Read: the head is one that every parser reads alike; host and path are normalised once, and the client is found.

use std::borrow::Cow;
use std::net::IpAddr;

use callgate_config::ForwardHeader;
use callgate_model::record::bounded;
use callgate_model::refusal::Refused;
use callgate_model::{Code, Refusal};
use callgate_wire::forwarded;
use callgate_wire::inspect;
use callgate_wire::path::{self, PathRules};
use http::header::{ACCEPT, HeaderMap, USER_AGENT};
use http::request::Parts;
use http::{Method, Request, Uri};

use super::state::Call;
use super::websocket;
use crate::refused;
use crate::snapshot::Trusted;

/// A call's head after this phase, and its body untouched.
#[derive(Debug)]
pub struct Incoming<B> {
    /// Method, fields, version, extensions.
    pub parts: Parts,
    /// Lower case, without port.
    pub host: String,
    /// As asked for, with port.
    pub authority: String,
    /// The normalised path: what is matched, and what is forwarded.
    pub path: String,
    /// The body.
    pub body: B,
}

// === impl Incoming ===

impl<B> Incoming<B> {
    /// The fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The raw query.
    pub fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }
}

/// Judges the head and normalises host and path.
///
/// # Errors
/// `malformed_request`, `head_too_large`, `uri_too_long`, `method_unsupported`, `request_timeout`, `misdirected`.
pub(crate) fn normalise<B>(call: &mut Call<'_>, request: Request<B>) -> Result<Incoming<B>, Refused> {
    if let Some(refused) = call.arrival.refused.take() {
        return Err(refused);
    }
    let (mut parts, body) = request.into_parts();
    if parts.version == http::Version::HTTP_2 {
        // HTTP/1 heads were inspected as bytes; of HTTP/2 only the parsed request can be.
        inspect::check_parts(&parts).map_err(refused::head)?;
    }
    websocket::offer(call, &mut parts)?;
    let authority = inspect::host_of(&parts).unwrap_or_default().to_owned();
    let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let host = host.map_or(authority.as_str(), |(host, _)| host).trim_end_matches('.').to_ascii_lowercase();
    let path = whole_path(&parts.uri)?;
    call.record.host = bounded(&host);
    call.record.path = bounded(&path);
    call.record.user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(bounded);
    call.accept.extend(parts.headers.get_all(ACCEPT).iter().cloned());
    find_client(call, &parts.headers);
    if call.arrival.server_name.as_deref().is_some_and(|name| name != host && !belongs(call, name, &host)) {
        let detail = "The TLS connection was opened for another host than the call asks for.";
        return Err(
            Refusal::new(Code::Misdirected, detail).gate_side(format!("the call asks for host `{}`", bounded(&host)))
        );
    }
    Ok(Incoming { parts, host, authority, path, body })
}

/// Normalises with every switch open; the API that is found says afterwards what it lets through.
fn whole_path(uri: &Uri) -> Result<String, Refused> {
    let raw = match uri.path() {
        "*" => return Ok("*".to_owned()),
        "" => "/",
        raw => raw,
    };
    let open = PathRules { encoded_separators: true, semicolons: true };
    normalised(raw, open).map(Cow::into_owned)
}

/// Normalises a path, or refuses it.
pub(crate) fn normalised(raw: &str, rules: PathRules) -> Result<Cow<'_, str>, Refused> {
    path::normalize(raw, &rules)
        .map_err(|fault| Refusal::new(Code::MalformedRequest, format!("The path is refused: {fault}.")))
}

/// HTTP/2 clients share one connection between the hosts of one certificate (RFC 9113 section 9.1.1); a host that another
/// certificate names is misdirected. Where no certificate names it (an address, a name behind a balancer), it is enough
/// that some API answers for it.
fn belongs(call: &Call<'_>, server_name: &str, host: &str) -> bool {
    let named = call.listener().and_then(|listener| listener.names.as_ref()?.belongs(server_name, host));
    named.unwrap_or_else(|| call.snapshot.hosts.knows(host))
}

fn find_client(call: &mut Call<'_>, headers: &HeaderMap) {
    let peer = call.arrival.peer;
    let Some(Trusted { proxies, setting }) = &call.snapshot.trusted else { return };
    if !proxies.contains(peer) {
        return;
    }
    let trusted = |ip: IpAddr| proxies.contains(ip);
    let client = match setting.header {
        ForwardHeader::XForwardedFor => forwarded::from_x_forwarded(headers, peer, trusted),
        ForwardHeader::Forwarded => forwarded::from_forwarded(headers, peer, trusted),
    };
    call.record.client = client.ip;
    call.secure = call.secure || client.https;
}
