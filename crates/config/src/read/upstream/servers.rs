//! The list of an upstream's servers.

use callgate_model::bounds;

use super::Url;
use crate::read::gate::section;
use crate::settings::Section;
use crate::tree::{Entry, Node, Span};
use crate::walk::Walk;

/// URLs with their weights: at least one, no two the same, and a call may go to any of them.
pub(super) fn servers(walk: &mut Walk<'_>, entry: &Entry, upstream: &'static Section) -> Option<Vec<(Url, u32)>> {
    let nodes = walk.many(entry);
    if nodes.len() > bounds::UPSTREAM_SERVERS_MAX {
        let message = format!("`servers` has {} entries", nodes.len());
        let help = format!("write at most {}; put a load balancer before more", bounds::UPSTREAM_SERVERS_MAX);
        walk.error(entry.key_span, message, help);
    }
    let mut read: Vec<(Url, u32)> = Vec::new();
    let mut whole = !nodes.is_empty();
    for node in nodes {
        let Some((url, weight, span)) = server(walk, entry, node, upstream) else {
            whole = false;
            continue;
        };
        if let Some((first, _)) = read.first() {
            agree(walk, first, &url, span);
        }
        if read.iter().any(|(other, _)| other.host == url.host && other.port == url.port) {
            let message = format!("`{}:{}` is in the list twice", url.host, url.port);
            walk.error(
                span,
                message,
                "leave one out; a `weight` gives a server a larger share: `{ url: …, weight: 2 }`",
            );
        }
        read.push((url, weight));
    }
    whole.then_some(read)
}

/// A URL, or `{ url, weight }`; with the place of the URL.
fn server(walk: &mut Walk<'_>, entry: &Entry, node: &Node, upstream: &'static Section) -> Option<(Url, u32, Span)> {
    if node.text().is_some() {
        return Some((super::url(walk, entry, node)?, 1, node.span));
    }
    let fields = walk.fields(node, node.span, section(upstream, "servers")?)?;
    let url = fields.read(walk, "url", |walk, entry| Some((super::url(walk, entry, &entry.value)?, entry.value.span)));
    let weight = fields.read(walk, "weight", |walk, entry| walk.count32(entry, 1, bounds::UPSTREAM_WEIGHT_MAX));
    let (url, span) = url?;
    Some((url, weight.unwrap_or(1), span))
}

/// A call is judged and rewritten before its server is chosen.
fn agree(walk: &mut Walk<'_>, first: &Url, url: &Url, span: Span) {
    if first.tls != url.tls {
        let help = "write `https` in all of them, or in none; an API of its own can have the others";
        walk.error(span, "some servers are reached over TLS and some are not", help);
    }
    if first.path != url.path {
        let (one, other) = (shown(&first.path), shown(&url.path));
        let message = format!("the servers have different paths: {one} and {other}");
        walk.error(span, message, "give all servers of an API the same path, or make two APIs");
    }
}

fn shown(path: &str) -> String {
    if path.is_empty() { "none".to_owned() } else { format!("`{path}`") }
}
