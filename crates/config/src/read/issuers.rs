//! Issuers that are not this gate: what is known of them, and which APIs take their tokens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use callgate_model::{Profile, bounds, consumer};
use ipnet::IpNet;

use crate::access::Credential;
use crate::config::{Api, KnownIssuer};
use crate::issuer::Issuer;
use crate::read::gate::section;
use crate::read::upstream::{self, Url};
use crate::settings::{ROOT, Section};
use crate::tree::{Entry, Node, Span};
use crate::walk::{Fields, Walk};

/// What stands for the gate's own issuer in a list of them.
const SELF: &str = "self";

/// An issuer with the place where it is written.
pub(super) type Placed = (KnownIssuer, Span);

/// The list at the top of the file.
pub(super) fn issuers(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<Placed>> {
    let mut read: Vec<Placed> = Vec::new();
    for node in walk.many(entry) {
        let Some(known) = known(walk, entry, node) else { continue };
        if read.iter().any(|(other, _)| other.url == known.0.url) {
            let message = format!("`{}` is there twice", known.0.url);
            walk.error(known.1, message, "leave one of the two out");
        }
        read.push(known);
    }
    Some(read)
}

/// A URL, or the section.
fn known(walk: &mut Walk<'_>, entry: &Entry, node: &Node) -> Option<Placed> {
    if node.text().is_some() {
        let (url, host) = identifier(walk, entry, node)?;
        return Some((plain(url, &host), node.span));
    }
    let fields = walk.fields(node, node.span, section(&ROOT, "issuers")?)?;
    let identifier = fields
        .read(walk, "url", |walk, entry| identifier(walk, entry, &entry.value).map(|read| (read, entry.value.span)));
    let words = Profile::ALL.map(|profile| (profile.name(), profile));
    let profile = fields.read(walk, "profile", |walk, entry| walk.choice(entry, &entry.value, &words));
    let jwks = fields.read(walk, "jwks", |walk, entry| address(walk, entry, &entry.value));
    let ips = fields.read(walk, "ips", Walk::networks).unwrap_or_default();
    let ca = fields.read(walk, "ca", Walk::file);
    let consumers = fields.read(walk, "consumers", consumers).unwrap_or_default();
    let ((url, host), span) = identifier?;
    let mut known = KnownIssuer { profile: profile.unwrap_or_default(), ca, consumers, ..plain(url, &host) };
    if known.ca.is_some() && !host.tls && jwks.as_ref().is_none_or(|(_, host)| !host.tls) {
        let message = "`ca` has no effect on an `http` issuer";
        walk.error(fields.place("ca"), message, "leave it out, or write `https` in its URL");
    }
    known.ips.extend(ips);
    if let Some((jwks, host)) = jwks {
        known.ips.extend(named_by(&host.host));
        known.jwks = Some(jwks);
    }
    Some((known, span))
}

/// Names of consumers.
fn consumers(walk: &mut Walk<'_>, entry: &Entry) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for node in walk.many(entry) {
        let Some(text) = walk.text(entry, node) else { continue };
        if consumer::is_name(text) {
            names.push(text.to_owned());
        } else {
            let help = "1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `-` or `.`";
            walk.error(node.span, format!("`{text}` is not a name"), help);
        }
    }
    Some(names)
}

/// What is known of an issuer of which nothing is written but this URL; none if that is none.
#[must_use]
pub fn known_issuer(url: &str) -> Option<KnownIssuer> {
    let host = upstream::taken_apart(url)?;
    Some(plain(url.to_owned(), &host))
}

fn plain(url: String, host: &Url) -> KnownIssuer {
    KnownIssuer {
        url,
        profile: Profile::default(),
        jwks: None,
        ips: named_by(&host.host),
        ca: None,
        consumers: Vec::new(),
    }
}

/// An address that is written as such needs no other word that it may be asked.
fn named_by(host: &str) -> Vec<IpNet> {
    match host.parse::<IpAddr>() {
        Ok(ip) => vec![IpNet::from(ip)],
        Err(_) if host == "localhost" => {
            [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(IpNet::from).to_vec()
        }
        Err(_) => Vec::new(),
    }
}

/// The identifier of an issuer, kept as it is written: it is compared letter by letter (RFC 8414 section 3.3).
fn identifier(walk: &mut Walk<'_>, entry: &Entry, node: &Node) -> Option<(String, Url)> {
    address(walk, entry, node)
}

/// A URL from which something about keys may be fetched.
fn address(walk: &mut Walk<'_>, entry: &Entry, node: &Node) -> Option<(String, Url)> {
    let url = upstream::url(walk, entry, node)?;
    let text = node.text()?;
    let is_loopback = match url.host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => url.host == "localhost",
    };
    if !url.tls && !is_loopback {
        let message = "keys that come in clear text are anybody's who stands in between";
        walk.error(node.span, message, format!("write `{}`", text.replacen("http", "https", 1)));
        return None;
    }
    Some((text.to_owned(), url))
}

/// The issuers of one API: whether the gate's own is among them, and the others.
pub(super) fn named(walk: &mut Walk<'_>, entry: &Entry) -> (bool, Vec<String>) {
    let (mut takes_own, mut foreign) = (false, Vec::new());
    for node in walk.many(entry) {
        let Some(text) = walk.text(entry, node) else { continue };
        if text == SELF && !takes_own {
            takes_own = true;
        } else if text == SELF || foreign.iter().any(|other| other == text) {
            walk.error(node.span, format!("`{text}` is there twice"), "leave one of the two out");
        } else if let Some((url, _)) = identifier(walk, entry, node) {
            foreign.push(url);
        }
    }
    (takes_own, foreign)
}

/// Whom tokens of others are for: a URL, a client's name, a number, whatever their issuer writes.
pub(super) fn audience(walk: &mut Walk<'_>, entry: &Entry) -> Option<String> {
    let text = walk.text(entry, &entry.value)?;
    if text.len() > bounds::FOREIGN_CLAIM_BYTES_MAX
        || text.contains(|one: char| one.is_whitespace() || one.is_control())
    {
        let help = "write what stands in `aud` of the tokens: 1 to 255 characters without spaces";
        walk.error(entry.value.span, format!("`{text}` is not an audience"), help);
        return None;
    }
    Some(text.to_owned())
}

/// The claim that names the consumer.
pub(super) fn claim(walk: &mut Walk<'_>, entry: &Entry, tokens: &'static Section) -> Option<String> {
    let fields = walk.fields(&entry.value, entry.key_span, section(tokens, "consumer")?)?;
    fields.read(walk, "claim", |walk, entry| walk.text(entry, &entry.value).map(str::to_owned))
}

/// Every issuer whose tokens count somewhere: those of the list, and those that an API names without more.
pub(super) fn reach(
    walk: &mut Walk<'_>,
    fields: &Fields<'_>,
    written: Vec<Placed>,
    own: Option<&Issuer>,
    apis: &[Api],
) -> Vec<KnownIssuer> {
    let entries = fields.get("apis").map(|entry| entry.value.entries()).unwrap_or_default();
    for (known, span) in &written {
        if !apis.iter().any(|api| api.tokens.foreign.contains(&known.url)) {
            let message = format!("`{}` has no effect: no API takes its tokens", known.url);
            let help = format!("name it in an API: `tokens: {{ issuers: [\"{}\"], audience: … }}`", known.url);
            walk.error(*span, message, help);
        }
    }
    let mut known: Vec<KnownIssuer> = written.into_iter().map(|(known, _)| known).collect();
    for api in apis {
        let Some(entry) = entries.iter().find(|entry| entry.key == api.name) else { continue };
        check(walk, api, entry, own);
        for url in &api.tokens.foreign {
            if !known.iter().any(|known| known.url == *url) {
                known.extend(known_issuer(url));
            }
        }
    }
    if known.len() > bounds::ISSUERS_MAX {
        let message = format!("tokens of {} issuers are taken", known.len());
        walk.error(fields.span, message, format!("name {} at most", bounds::ISSUERS_MAX));
    }
    known
}

/// What must be there where an API takes tokens of others.
fn check(walk: &mut Walk<'_>, api: &Api, entry: &Entry, own: Option<&Issuer>) {
    let rules = &api.tokens;
    let tokens = entry.value.get("tokens");
    let at = |name: &str| {
        let inner = tokens.and_then(|node| node.get(name)).or(tokens);
        inner.map_or(entry.key_span, |node| node.span)
    };
    if let Some(own) = own.filter(|own| rules.foreign.contains(&own.url)) {
        let message = format!("`{}` is this gate's own issuer", own.url);
        walk.error(at("issuers"), message, "write `self` for it");
    }
    let takes_tokens = [api.guards.access]
        .into_iter()
        .chain(api.routes.iter().map(|route| route.guards.access))
        .flatten()
        .any(|access| access.takes(Credential::Token));
    let is_for_somebody = tokens.is_some_and(|node| node.get("audience").is_some()) || api.public_url.is_some();
    if takes_tokens && !rules.foreign.is_empty() && !is_for_somebody {
        let message = format!("`{}` takes tokens of other issuers, whomever they are for", api.name);
        let help = "write `audience: …`, what stands in `aud` of the tokens that are meant for this API";
        walk.error(at("issuers"), message, help);
    }
}
