//! The upstream of an API, and URLs.

mod health;
mod servers;

use std::path::PathBuf;

use callgate_model::bounds;

use crate::config::{Certificate, Upstream, UpstreamProtocol, UpstreamServer};
use crate::read::gate::section;
use crate::settings::Section;
use crate::tree::{Entry, Node};
use crate::walk::Walk;

/// A URL, taken apart.
pub(super) struct Url {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Without a slash at the end.
    pub(super) path: String,
}

pub(super) fn upstream(walk: &mut Walk<'_>, entry: &Entry, api: &'static Section) -> Option<Upstream> {
    if entry.value.text().is_some() {
        return url(walk, entry, &entry.value).map(|url| of_servers(vec![(url, 1)]));
    }
    let own = section(api, "upstream")?;
    let fields = walk.fields(&entry.value, entry.key_span, own)?;
    let server = fields.read(walk, "server", |walk, entry| Some(vec![(url(walk, entry, &entry.value)?, 1)]));
    let servers = fields.read(walk, "servers", |walk, entry| servers::servers(walk, entry, own));
    let words = [("upstream", false), ("caller", true)];
    let host_from_caller = fields.read(walk, "host", |walk, entry| walk.choice(entry, &entry.value, &words));
    let idle = fields.read(walk, "idle", Walk::duration);
    let protocols =
        [("http1", UpstreamProtocol::Http1), ("http2", UpstreamProtocol::Http2), ("auto", UpstreamProtocol::Auto)];
    let protocol = fields.read(walk, "protocol", |walk, entry| walk.choice(entry, &entry.value, &protocols));
    let max_connections =
        fields.read(walk, "max_connections", |walk, entry| walk.count32(entry, 1, bounds::UPSTREAM_CONNECTIONS_MAX));
    let health = fields.read(walk, "health", |walk, entry| health::health(walk, entry, section(own, "health")?));
    let section = section(own, "tls")?;
    let tls = fields.read(walk, "tls", |walk, entry| tls(walk, entry, section));
    match (fields.has("server"), fields.has("servers")) {
        (true, true) => walk.error(fields.place("servers"), "`server` and `servers` say the same", "keep one of them"),
        (false, false) => {
            let help = "write `server: http://127.0.0.1:9000`";
            let place = walk.place_of(own);
            walk.error(fields.span, format!("`server` is missing in `{place}`"), help);
        }
        _ => {}
    }
    let mut upstream = of_servers(server.or(servers)?);
    if fields.has("tls") && !upstream.tls {
        let message = "`tls` has no effect on an `http` server";
        walk.error(fields.place("tls"), message, "leave it out, or write `https` in the server's URL");
    }
    if protocol == Some(UpstreamProtocol::Auto) && !upstream.tls {
        let message = "an `http` server can't be asked which HTTP it speaks: that is agreed on in the TLS handshake";
        walk.error(fields.place("protocol"), message, "write `http1` or `http2`");
    }
    upstream.host_from_caller = host_from_caller.unwrap_or(false);
    upstream.idle = idle.unwrap_or(upstream.idle);
    upstream.protocol = protocol.unwrap_or_default();
    upstream.max_connections = max_connections;
    (upstream.tls_ca, upstream.tls_certificate) = tls.unwrap_or_default();
    upstream.health = health;
    Some(upstream)
}

/// The authorities that vouch for the servers, and the certificate that they are shown.
fn tls(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Option<(Option<PathBuf>, Option<Certificate>)> {
    let fields = walk.fields(&entry.value, entry.key_span, own)?;
    let ca = fields.read(walk, "ca", Walk::file);
    let certificate = fields.read(walk, "certificate", Walk::file);
    let key = fields.read(walk, "key", Walk::file);
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if fields.has(one) && !fields.has(other) {
            let message =
                format!("`{one}` without `{other}` is of no use: a certificate is shown by whoever has its key");
            walk.error(fields.place(one), message, format!("write `{other}: …` beside it, the path of a PEM file"));
        }
    }
    if !["ca", "certificate", "key"].iter().any(|name| fields.has(name)) {
        let help = "write `{ ca: … }`, `{ certificate: …, key: … }` or all three; an `https` URL alone needs no `tls`";
        walk.error(fields.span, "`tls` says nothing", help);
    }
    let certificate = certificate.zip(key).map(|(certificate, key)| Certificate { certificate, key });
    Some((ca, certificate))
}

/// With everything else by default. What the URLs must agree in is the first one's.
fn of_servers(urls: Vec<(Url, u32)>) -> Upstream {
    let (tls, base_path) = urls.first().map(|(url, _)| (url.tls, url.path.clone())).unwrap_or_default();
    let servers = urls.into_iter().map(|(Url { host, port, .. }, weight)| UpstreamServer { host, port, weight });
    Upstream {
        tls,
        servers: servers.collect(),
        base_path,
        host_from_caller: false,
        idle: bounds::UPSTREAM_IDLE_DEFAULT,
        protocol: UpstreamProtocol::default(),
        max_connections: None,
        tls_ca: None,
        tls_certificate: None,
        health: None,
    }
}

impl Upstream {
    /// No server: of an API that the gate answers itself.
    #[must_use]
    pub fn nobody() -> Upstream {
        of_servers(Vec::new())
    }
}

/// An `http` or `https` URL of a server: no user, query or fragment.
pub(super) fn url(walk: &mut Walk<'_>, entry: &Entry, node: &Node) -> Option<Url> {
    let text = walk.text(entry, node)?;
    match parse(text) {
        Ok(url) => Some(url),
        Err(help) => {
            walk.error(node.span, format!("`{text}` is not the URL of a server"), help);
            None
        }
    }
}

/// Whether a text is the URL of a server.
pub(crate) fn is_upstream(text: &str) -> bool {
    parse(text).is_ok()
}

/// Such a URL, taken apart.
pub(super) fn taken_apart(text: &str) -> Option<Url> {
    parse(text).ok()
}

fn parse(text: &str) -> Result<Url, String> {
    let (tls, rest) = match text.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some((scheme, _)) => {
            return Err(format!("`{scheme}` is not spoken to upstreams: write `http://` or `https://`"));
        }
        None => return Err(format!("write the scheme too: `http://{text}`")),
    };
    if rest.contains(['?', '#', '@', ' ', '\\']) {
        return Err("only scheme, host, port and path: `http://127.0.0.1:9000/base`".to_owned());
    }
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    let (host, port) = authority_parts(authority)?;
    let port = port.unwrap_or(if tls { 443 } else { 80 });
    Ok(Url { tls, host, port, path: path.trim_end_matches('/').to_owned() })
}

/// Host and port; an IPv6 address loses its brackets.
fn authority_parts(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or("an IPv6 address needs both brackets: `[::1]`")?;
        let _: std::net::Ipv6Addr = address.parse().map_err(|_| format!("`{address}` is not an IPv6 address"))?;
        (address, after.strip_prefix(':').or(if after.is_empty() { None } else { Some("?") }))
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() || !(host.contains(':') || is_host(host)) {
        return Err("the host is missing or not a name: `http://127.0.0.1:9000`".to_owned());
    }
    let port = match port {
        None => None,
        Some(text) => {
            let port = text.parse::<u16>().ok().filter(|port| *port > 0);
            Some(port.ok_or_else(|| format!("`{text}` is not a port: 1 to 65535"))?)
        }
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// Whether a text is a host name or an IPv4 address, as it goes over the wire (RFC 1123; `_` occurs in private networks).
pub(super) fn is_host(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}
