//! Who vouches for callers' certificates, who these callers are, and where all that meets.

use callgate_model::consumer;

use crate::access::Credential;
use crate::config::{Api, Authority, CertificateCaller, Listen};
use crate::read::gate::{named, section};
use crate::read::{guards, upstream};
use crate::settings::{ROOT, Section};
use crate::tree::{Entry, Node, Span};
use crate::walk::{Fields, Walk};

pub(super) fn authorities(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<Authority>> {
    let own = section(&ROOT, "authorities")?;
    let read = named(walk, entry)?.iter().filter_map(|one| {
        walk.within("authorities", &one.key, |walk| {
            let fields = walk.fields(&one.value, one.key_span, own)?;
            let ca = fields.read(walk, "ca", Walk::file);
            let callers = fields.read(walk, "callers", |walk, entry| Some(callers(walk, entry, own)));
            Some(Authority { name: one.key.clone(), ca: ca?, callers: callers? })
        })
    });
    Some(read.collect())
}

fn callers(walk: &mut Walk<'_>, entry: &Entry, own: &'static Section) -> Vec<CertificateCaller> {
    let mut read: Vec<CertificateCaller> = Vec::new();
    for node in walk.many(entry) {
        let Some(caller) = caller(walk, node, entry, own) else { continue };
        if read.iter().any(|other| other.name == caller.name) {
            let span = node.get("name").map_or(node.span, |name| name.span);
            let message = format!("`{}` is there twice", caller.name);
            walk.error(span, message, "a name is of one caller: leave one of the two out");
        }
        read.push(caller);
    }
    read
}

fn caller(walk: &mut Walk<'_>, node: &Node, parent: &Entry, own: &'static Section) -> Option<CertificateCaller> {
    let at = if parent.value.items().is_empty() { parent.key_span } else { node.span };
    let fields = walk.fields(node, at, section(own, "callers")?)?;
    let name = fields.read(walk, "name", name);
    let owner = fields.read(walk, "consumer", |walk, entry| {
        let text = walk.text(entry, &entry.value)?;
        if !consumer::is_name(text) {
            let help = "1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `-` or `.`";
            walk.wrong(entry, entry.value.span, &entry.value.described(), help);
        }
        Some(text.to_owned())
    });
    let scopes = fields.read(walk, "scopes", guards::scopes).unwrap_or_default();
    Some(CertificateCaller { name: name?, consumer: owner?, scopes })
}

/// A URI as it is, or a host in lower case. No patterns: whoever may issue a name below one would choose who it is.
fn name(walk: &mut Walk<'_>, entry: &Entry) -> Option<String> {
    let text = walk.text(entry, &entry.value)?;
    if let Some((scheme, rest)) = text.split_once(':') {
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if is_scheme && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(text.to_owned());
        }
    } else if upstream::is_host(text) {
        return Some(text.to_ascii_lowercase());
    }
    let help = "write a whole subject alternative name: a host such as `client.example.com`, or a URI such as `spiffe://example.com/billing`";
    walk.wrong(entry, entry.value.span, &entry.value.described(), help);
    None
}

/// Authorities that nobody is asked by, listeners that ask for nothing, and APIs that wait for what nobody is asked for.
pub(super) fn reach(walk: &mut Walk<'_>, fields: &Fields<'_>, listen: &[Listen], apis: &[Api]) {
    let entry = fields.get("authorities");
    let known: Vec<&Entry> = entry.iter().flat_map(|entry| entry.value.entries()).collect();
    let takes = |api: &Api| {
        let own = api.guards.access.into_iter();
        own.chain(api.routes.iter().filter_map(|route| route.guards.access))
            .any(|access| access.takes(Credential::Certificate))
    };
    for (index, listen) in listen.iter().enumerate().filter(|(_, listen)| !listen.client_certificates.is_empty()) {
        let span = asked_at(fields, index);
        for name in listen.client_certificates.iter().filter(|name| known.iter().all(|one| one.key != **name)) {
            let names: Vec<&str> = known.iter().map(|one| one.key.as_str()).collect();
            let help = match names.as_slice() {
                [] => format!("write it: `authorities: {{ {name}: {{ ca: …, callers: … }} }}`"),
                names => format!("the file has {}", names.join(", ")),
            };
            walk.error(span, format!("there is no authority `{name}`"), help);
        }
        if !apis.iter().any(takes) {
            let message = "`client_certificates` has no effect: no `access` takes a certificate";
            walk.error(span, message, "write `access: certificate` where one counts, or leave it out");
        }
    }
    let asked = |name: &str| listen.iter().any(|listen| listen.client_certificates.iter().any(|asked| asked == name));
    for one in known.iter().filter(|one| !asked(&one.key)) {
        let message = format!("`{}` has no effect: no listener asks for its certificates", one.key);
        walk.error(one.key_span, message, format!("write `client_certificates: {}` on a listener with `tls`", one.key));
    }
    if listen.iter().all(|listen| listen.client_certificates.is_empty()) {
        let entries = fields.get("apis").map(|entry| entry.value.entries()).unwrap_or_default();
        for api in apis.iter().filter(|api| takes(api)) {
            let entry = entries.iter().find(|entry| entry.key == api.name);
            let span = entry
                .map_or(fields.span, |entry| entry.value.get("access").map_or(entry.key_span, |access| access.span));
            let message = format!("`{}` takes certificates, and no listener asks for any", api.name);
            walk.error(span, message, "write `client_certificates` on a listener with `tls`, and `authorities`");
        }
    }
}

/// Where a listener says whose certificates it asks for.
fn asked_at(fields: &Fields<'_>, index: usize) -> Span {
    let node = fields.get("listen").map(|entry| entry.value.items().get(index).unwrap_or(&entry.value));
    node.and_then(|node| node.get("client_certificates")).map_or(fields.span, |asked| asked.span)
}
