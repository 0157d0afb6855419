//! Calls from browsers on other origins.

use std::time::Duration;

use crate::config::Cors;
use crate::read::gate::section;
use crate::settings::Section;
use crate::tree::{Entry, Node};
use crate::walk::Walk;

const MAX_AGE: Duration = Duration::from_secs(600);

pub(super) fn cors(walk: &mut Walk<'_>, entry: &Entry, guarded: &'static Section) -> Option<Cors> {
    let fields = walk.fields(&entry.value, entry.key_span, section(guarded, "cors")?)?;
    let origins = fields.read(walk, "origins", origins);
    let credentials = fields.read(walk, "credentials", Walk::flag).unwrap_or(false);
    let headers = fields.read(walk, "headers", Walk::field_names).unwrap_or_default();
    let expose = fields.read(walk, "expose", Walk::field_names).unwrap_or_default();
    let max_age = fields.read(walk, "max_age", Walk::duration).unwrap_or(MAX_AGE);
    let origins = origins?;
    if credentials && origins.iter().any(|origin| origin == "*") {
        let help = "name the origins, or leave `credentials` out: browsers refuse the two together";
        walk.error(fields.place("credentials"), "`credentials` can't go with every origin (`*`)", help);
    }
    Some(Cors { origins, credentials, headers, expose, max_age })
}

fn origins(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<String>> {
    let nodes = walk.many(entry);
    let several = nodes.len() > 1;
    let origins: Vec<String> = nodes.iter().filter_map(|node| origin(walk, entry, node)).collect();
    if several && origins.iter().any(|origin| origin == "*") {
        walk.error(
            entry.key_span,
            "`*` stands for every origin, so the others have no effect",
            "keep `*` alone, or leave it out",
        );
    }
    Some(origins)
}

/// `scheme://host[:port]`, as a browser writes it (RFC 6454 section 6.2): compared byte by byte, so it must be the same.
fn origin(walk: &mut Walk<'_>, entry: &Entry, node: &Node) -> Option<String> {
    let text = walk.text(entry, node)?;
    if text == "*" {
        return Some(text.to_owned());
    }
    let host =
        text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, host)| host.trim_end_matches('/'));
    let as_sent = text.trim_end_matches('/').to_ascii_lowercase();
    let help = match host {
        _ if text == "null" => "sandboxed pages of anybody send `null`: name real origins".to_owned(),
        Some(host) if host.is_empty() || host.contains(['/', '?', '#', '@', '*', ' ']) => {
            "an origin is scheme and host alone, each one named: `https://shop.example.com`".to_owned()
        }
        Some(host) if host.ends_with(":443") && as_sent.starts_with("https:") => {
            "leave the default port out, as browsers do".to_owned()
        }
        Some(host) if host.ends_with(":80") && as_sent.starts_with("http:") => {
            "leave the default port out, as browsers do".to_owned()
        }
        Some(_) if as_sent == text => return Some(as_sent),
        Some(_) => format!("browsers send it as `{as_sent}`"),
        None => format!("write the scheme too: `https://{text}`"),
    };
    walk.error(node.span, format!("`{text}` is not an origin"), help);
    None
}
