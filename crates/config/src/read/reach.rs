//! What only shows when the whole file is seen: two things in one place, and calls that would come back.

use std::net::{IpAddr, SocketAddr};

use crate::config::{AdminListen, Api, Listen, UpstreamServer};
use crate::tree::{Entry, Span};
use crate::walk::{Fields, Walk};

/// No two sockets on one address, and at least one listener that answers.
pub(super) fn addresses(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    listen: &[Listen],
    health: Option<SocketAddr>,
    admin: Option<&AdminListen>,
) {
    let of_listener = |index: usize| {
        let entry = fields.get("listen")?;
        let node = entry.value.items().get(index).unwrap_or(&entry.value);
        Some(node.get("address").map_or(node.span, |address| address.span))
    };
    let mut taken: Vec<(SocketAddr, &str)> = Vec::new();
    let listeners = listen.iter().enumerate().map(|(index, listen)| (listen.address, "listen", of_listener(index)));
    let others = [
        (health, "health", fields.place("health")),
        (admin.map(|admin| admin.address), "admin", fields.place("admin")),
    ];
    let others = others.into_iter().filter_map(|(address, name, span)| Some((address?, name, Some(span))));
    for (address, name, span) in listeners.chain(others) {
        let clash = taken.iter().find(|(other, _)| address.port() != 0 && collide(*other, address));
        if let Some((other, first)) = clash {
            let message = format!("`{name}` can't use {address}: `{first}` already has {other}");
            walk.error(span.unwrap_or(fields.span), message, "give each a port of its own");
        }
        taken.push((address, name));
    }
    if !listen.is_empty() && listen.iter().all(|listen| listen.redirect_https.is_some()) {
        let message = "every listener redirects, so no call is ever answered";
        walk.error(fields.place("listen"), message, "add a listener without `redirect`, usually one with `tls`");
    }
}

fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same = one.ip() == other.ip();
    let all = one.is_ipv4() == other.is_ipv4() && (one.ip().is_unspecified() || other.ip().is_unspecified());
    one.port() == other.port() && (same || all)
}

/// Two APIs in the same place: callers could reach only one of them.
pub(super) fn same_place(walk: &mut Walk<'_>, entries: &[Entry], apis: &[Api]) {
    for (index, api) in apis.iter().enumerate() {
        let before = apis.iter().take(index).find(|other| other.host == api.host && other.path == api.path);
        if let Some(other) = before {
            let place = format!("{}{}", api.host.as_deref().unwrap_or("every host, "), api.path);
            let message = format!("`{}` answers in the same place as `{}`: {place}", api.name, other.name);
            walk.error(name_span(entries, api), message, "give one of them another `path` or `host`");
        }
    }
}

/// A gate that is its own upstream would call itself until every connection is used up.
pub(super) fn upstreams(walk: &mut Walk<'_>, apis_entry: &Entry, listen: &[Listen], apis: &[Api]) {
    for api in apis {
        for server in &api.upstream.servers {
            upstream(walk, apis_entry, listen, api, server);
        }
    }
}

fn upstream(walk: &mut Walk<'_>, apis_entry: &Entry, listen: &[Listen], api: &Api, server: &UpstreamServer) {
    let ip = match server.host.as_str() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    };
    let Some(target) = ip.map(|ip| SocketAddr::new(ip, server.port)) else { return };
    let itself = |listen: &&Listen| {
        let reaches =
            listen.address.ip() == target.ip() || listen.address.ip().is_unspecified() && target.ip().is_loopback();
        reaches && listen.address.port() == target.port()
    };
    if let Some(listen) = listen.iter().find(itself) {
        let entry = apis_entry.value.entries().iter().find(|entry| entry.key == api.name);
        let node = entry.and_then(|entry| entry.value.get("upstream"));
        let message = format!("the upstream {target} is the gate itself, which listens on {}", listen.address);
        let span = node.map_or(apis_entry.key_span, |node| node.span);
        walk.error(span, message, "name the address of the API's own server");
    }
}

fn name_span(entries: &[Entry], api: &Api) -> Span {
    entries.iter().find(|entry| entry.key == api.name).map(|entry| entry.key_span).unwrap_or_default()
}
