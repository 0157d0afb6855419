//! `issuer:`, and what must not stand beside it.

use callgate_model::SigningAlgorithm;

use crate::access::{Access, Credential};
use crate::config::Api;
use crate::issuer::{ISSUER_API, ISSUER_PATHS, Issuer, RESOURCE_METADATA};
use crate::read::gate::section;
use crate::read::upstream;
use crate::settings::ROOT;
use crate::tree::{Entry, Span};
use crate::walk::{Fields, Walk};

pub(super) fn issuer(walk: &mut Walk<'_>, entry: &Entry) -> Option<Issuer> {
    let fields = walk.fields(&entry.value, entry.key_span, section(&ROOT, "issuer")?)?;
    let words = SigningAlgorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
    let algorithm = fields.read(walk, "algorithm", |walk, entry| walk.choice(entry, &entry.value, &words));
    let issuer = fields.read(walk, "url", url)?;
    Some(Issuer { algorithm: algorithm.unwrap_or_default(), ..issuer })
}

/// The identifier of an issuer is compared letter by letter (RFC 8414 section 3.3), so there is one way to write it.
fn url(walk: &mut Walk<'_>, entry: &Entry) -> Option<Issuer> {
    let found = upstream::url(walk, entry, &entry.value)?;
    let text = entry.value.text()?;
    let is_loopback = match found.host.parse::<std::net::IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => found.host == "localhost",
    };
    let scheme = if found.tls { "https" } else { "http" };
    let host = if found.host.contains(':') { format!("[{}]", found.host) } else { found.host };
    let default_port = if found.tls { 443 } else { 80 };
    let port = if found.port == default_port { String::new() } else { format!(":{}", found.port) };
    let url = format!("{scheme}://{host}{port}");
    if !found.path.is_empty() {
        let help = format!("its endpoints stand at the root of its host: write `{url}`");
        walk.error(entry.value.span, "the issuer's URL has a path", help);
        return None;
    }
    if text != url {
        let help = format!("clients compare it letter by letter: write `{url}`");
        walk.error(entry.value.span, format!("`{text}` can be written in a shorter way"), help);
        return None;
    }
    if !found.tls && !is_loopback {
        let help = format!("write `https://{host}`, and give a listener `tls` or put a proxy with it in front");
        walk.error(entry.value.span, "an issuer that others can reach needs https", help);
        return None;
    }
    Some(Issuer { url, host, is_loopback, algorithm: SigningAlgorithm::default() })
}

/// An issuer and the APIs around it: whoever answers on its host could read what its clients send there.
pub(super) fn reach(walk: &mut Walk<'_>, fields: &Fields<'_>, issuer: Option<&Issuer>, apis: &[Api]) {
    let entries = fields.get("apis").map(|entry| entry.value.entries()).unwrap_or_default();
    for api in apis {
        let Some(entry) = entries.iter().find(|entry| entry.key == api.name) else { continue };
        match issuer {
            Some(issuer) => {
                beside(walk, issuer, api, entry);
                nameless(walk, issuer, api, entry);
            }
            // A file in which the issuer is wrong has been told so.
            None if !fields.has("issuer") => without(walk, api, entry),
            None => {}
        }
    }
}

fn without(walk: &mut Walk<'_>, api: &Api, entry: &Entry) {
    if api.tokens.own && takes_tokens(api) {
        let message = format!("`{}` takes tokens, and there is nobody who issues any", api.name);
        let help = "write `issuer: { url: \"https://id.example.com\" }` at the top of the file (http on loopback)";
        walk.error(access_at(entry), message, help);
    }
}

/// A token is for somebody; away from this machine a client can't know for whom, unless the file says so.
fn nameless(walk: &mut Walk<'_>, issuer: &Issuer, api: &Api, entry: &Entry) {
    if api.tokens.own && takes_tokens(api) && api.resource(Some(issuer)).is_none() {
        let message =
            format!("clients can't be told how `{}` is called, so they ask for tokens for the issuer", api.name);
        let help = "write `public_url: https://api.example.com` (callers are then sent from a refusal to the issuer), or a `host`";
        walk.warning(access_at(entry), message, help);
    }
}

fn takes_tokens(api: &Api) -> bool {
    let takes = |access: Option<Access>| access.is_some_and(|access| access.takes(Credential::Token));
    takes(api.guards.access) || api.routes.iter().any(|route| takes(route.guards.access))
}

fn beside(walk: &mut Walk<'_>, issuer: &Issuer, api: &Api, entry: &Entry) {
    if api.name == ISSUER_API {
        let message = "`issuer` is the name of the gate's own API";
        walk.error(entry.key_span, message, "give this one another name");
    }
    let same_host = api.host.as_ref().is_none_or(|host| *host == issuer.host);
    if !issuer.is_loopback && api.host.as_ref() == Some(&issuer.host) {
        let message = format!("`{}` answers on `{}`, which is the issuer's host", api.name, issuer.host);
        walk.error(value_at(entry, "host"), message, "give one of them a host of its own");
    }
    let beside_it: &[&str] = if same_host && issuer.is_loopback { &ISSUER_PATHS } else { &[] };
    let of_its_own: &[&str] = if takes_tokens(api) { &[RESOURCE_METADATA] } else { &[] };
    let taken = |path: &str| beside_it.iter().chain(of_its_own).find(|own| is_within(path, own));
    if let Some(own) = taken(&api.path) {
        let message = format!("`{}` answers at `{}`, where the gate itself does (`{own}`)", api.name, api.path);
        walk.error(value_at(entry, "path"), message, "give it another `path`, or a `host` of its own");
    }
    let prefix = api.path.trim_end_matches('/');
    for route in &api.routes {
        if let Some(own) = taken(&format!("{prefix}{}", route.pattern.text)) {
            let message = format!("no call reaches `{}`: the gate itself answers at `{own}`", route.pattern.text);
            walk.error(value_at(entry, "routes"), message, "write another path, or give the API a `host` of its own");
        }
    }
}

fn is_within(path: &str, own: &str) -> bool {
    path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn access_at(entry: &Entry) -> Span {
    value_at(entry, "access")
}

fn value_at(entry: &Entry, name: &str) -> Span {
    entry.value.get(name).map_or(entry.key_span, |node| node.span)
}
